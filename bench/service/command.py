"""The command `python -m bench service`."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, allowed_cores, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.service.build_beside import BuildJob, build_table, run_build_beside
from bench.service.clients import ClientsJob, clients_table, run_clients
from bench.service.collection import Shape
from bench.service.ingest import IngestJob, ingest_table, run_ingest
from bench.service.overload import OverloadJob, overload_table, run_overload
from bench.service.restart import RestartJob, restart_table, run_restart
from bench.service.soak import SoakJob, run_soak, soak_table
from bench.tables import busy

EXAMPLES = """
examples:
  python -m bench service --quick
      every scenario on little data, to see that all runs
  python -m bench service --scenarios clients --clients 1 32 64 --rounds 7
      one query a call, against one caller and an empty call
  python -m bench service --scenarios overload --overload-seconds 20 --deadline 0.5
      five times the peak, with deadlines of half a second
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A measurement.

    Attributes:
        run: measures, with the arguments of the command.
        show: the result as text.
    """

    run: Callable[[argparse.Namespace], dict[str, Any]]
    show: Callable[[dict[str, Any]], str]


def add_service(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    _add_collection(parser)
    _add_load(parser)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--folder", type=Path, help="for data (default: temporary)")
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: bench/results)"
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_service)


def _add_collection(parser: argparse.ArgumentParser) -> None:
    """What is measured, and on which rows."""
    parser.add_argument(
        "--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS)
    )
    parser.add_argument(
        "--rows", type=positive, default=100_000, help="of the collection"
    )
    parser.add_argument("--dim", type=positive, default=128)
    parser.add_argument("--rounds", type=positive, default=5)


def _add_load(parser: argparse.ArgumentParser) -> None:
    """What a server is asked, and for how long."""
    parser.add_argument(
        "--clients",
        type=positive,
        nargs="+",
        default=[1, 32, 64],
        help="numbers of clients",
    )
    parser.add_argument(
        "--processes",
        type=positive,
        default=2,
        help="that the clients are divided among",
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="of each case")
    parser.add_argument("--factor", type=float, default=5.0, help="of the overload")
    parser.add_argument(
        "--overload-seconds", type=float, default=60.0, help="of the overload"
    )
    parser.add_argument(
        "--deadline", type=float, default=1.0, help="of a call in overload, seconds"
    )
    parser.add_argument(
        "--rate", type=float, default=100.0, help="searches a second beside a build"
    )
    parser.add_argument(
        "--restart-rows",
        type=positive,
        default=1_000_000,
        help="of the restarted server",
    )
    parser.add_argument("--minutes", type=float, default=3.0, help="of the soak")


def run_service(arguments: argparse.Namespace) -> int:
    """Run the scenarios one after another; each has a result file and a table."""
    for name in arguments.scenarios:
        if load() > BUSY_LOAD:
            say(f"the machine is busy (load {load()}): timings will be noise")
        say(f"scenario {name}")
        result: dict[str, Any] = {"mode": f"service-{name}", "seed": arguments.seed}
        result |= {"quick": arguments.quick, "threads": len(allowed_cores())}
        result |= provenance() | SCENARIOS[name].run(arguments)
        file = default_file(result["mode"], quick=arguments.quick)
        out = (arguments.out or file.parent) / file.name
        write_json(result | {"load_at_end": load()}, out)
        print(service_table(result))
        say(f"result: {out}")
    return 0


def service_table(result: dict[str, Any]) -> str:
    """The table of one scenario, with its machine."""
    scenario = SCENARIOS[result["mode"].removeprefix("service-")]
    parts = [_title(result), scenario.show(result), "\n".join(busy(result))]
    return "\n\n".join(part for part in parts if part)


def _title(result: dict[str, Any]) -> str:
    machine = result["machine"]
    quick = ", QUICK (not a measurement)" if result["quick"] else ""
    cores = f"{machine['cores_allowed']} cores shared by clients and server"
    return f"{machine['cpu']}, {cores}{quick}"


def _clients(arguments: argparse.Namespace) -> dict[str, Any]:
    quick = arguments.quick
    job = ClientsJob(
        shape=_shape(arguments),
        counts=tuple(arguments.clients),
        processes=arguments.processes,
        seconds=0.3 if quick else arguments.seconds,
        rounds=1 if quick else arguments.rounds,
    )
    return run_clients(job, arguments.folder)


def _overload(arguments: argparse.Namespace) -> dict[str, Any]:
    shape = _shape(arguments)
    job = OverloadJob(
        shape=shape,
        factor=arguments.factor,
        seconds=arguments.overload_seconds,
        deadline=arguments.deadline,
    )
    if arguments.quick:
        job = OverloadJob(
            shape=shape,
            seconds=1.0,
            step_seconds=0.4,
            growth=2.0,
            call_seconds=0.005,
            deadline=0.3,
        )
    return run_overload(job, arguments.folder)


def _build_beside(arguments: argparse.Namespace) -> dict[str, Any]:
    quick = arguments.quick
    job = BuildJob(
        shape=_shape(arguments),
        rate=arguments.rate,
        seconds=1.0 if quick else 10.0,
        rounds=1 if quick else arguments.rounds,
    )
    return run_build_beside(job, arguments.folder)


def _ingest(arguments: argparse.Namespace) -> dict[str, Any]:
    quick = arguments.quick
    job = IngestJob(
        seconds=0.3 if quick else arguments.seconds,
        rounds=1 if quick else arguments.rounds,
        seed=arguments.seed,
    )
    return run_ingest(job, arguments.folder)


def _restart(arguments: argparse.Namespace) -> dict[str, Any]:
    quick = arguments.quick
    rows = 5000 if quick else arguments.restart_rows
    shape = Shape(rows=rows, dim=arguments.dim, seed=arguments.seed)
    job = RestartJob(shape=shape, rounds=1 if quick else arguments.rounds)
    return run_restart(job, arguments.folder)


def _soak(arguments: argparse.Namespace) -> dict[str, Any]:
    job = SoakJob(minutes=arguments.minutes, seed=arguments.seed)
    if arguments.quick:
        job = SoakJob(minutes=0.1, warm_seconds=2.0, seed=arguments.seed)
    return run_soak(job, arguments.folder)


def _shape(arguments: argparse.Namespace) -> Shape:
    rows = min(arguments.rows, 5000) if arguments.quick else arguments.rows
    return Shape(rows=rows, dim=arguments.dim, seed=arguments.seed)


SCENARIOS = {
    "clients": Scenario(_clients, clients_table),
    "overload": Scenario(_overload, overload_table),
    "build-beside": Scenario(_build_beside, build_table),
    "ingest": Scenario(_ingest, ingest_table),
    "restart": Scenario(_restart, restart_table),
    "soak": Scenario(_soak, soak_table),
}
