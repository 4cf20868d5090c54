"""The command `python -m bench cluster`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.cluster.answers_part import answers_table, run_answers
from bench.cluster.build_part import build_table, run_build
from bench.cluster.constants import constants_table, run_constants
from bench.cluster.fan_out_part import fan_out_table, run_fan_out
from bench.cluster.kills_part import kills_table, run_kills
from bench.cluster.scale_part import run_scale, scale_table
from bench.cluster.transport_part import run_transport, transport_table
from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import busy

MODE = "cluster"
Run = Callable[[argparse.Namespace], dict[str, Any]]
Show = Callable[[dict[str, Any]], str]

PARTS: dict[str, tuple[Run, Show, str]] = {
    "constants": (run_constants, constants_table, "seconds of each step"),
    "build": (run_build, build_table, "1 and 2 workers, and without Ray"),
    "answers": (run_answers, answers_table, "1, 2 and 5 shards beside one index"),
    "transport": (run_transport, transport_table, "messages and merge beside the scan"),
    "fan-out": (run_fan_out, fan_out_table, "the simulation beside 1 to 4 workers"),
    "kills": (run_kills, kills_table, "kill -9 of workers at random moments"),
    "scale": (run_scale, scale_table, "10^8 and 10^9 rows, from what was recorded"),
}
"""What measures each part, its table and its help, in the order of their results."""


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    width = max(map(len, PARTS))
    lines = [f"  {name.ljust(width)}  {words}" for name, (*_, words) in PARTS.items()]
    parser.epilog = "\n".join(["parts:", *lines])
    parser.add_argument("--part", choices=tuple(PARTS), required=True)
    parser.add_argument(
        "--rows", type=positive, help="of the build (default: 3,000,000)"
    )
    parser.add_argument(
        "--rounds", type=positive, help="of kills (default: 20), of builds (default: 3)"
    )
    parser.add_argument("--folder", type=Path, help="with room for four times the rows")
    parser.add_argument(
        "--results", type=Path, help="what `scale` reads (default: bench/results)"
    )
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    name = "cluster-<part>.json"
    parser.add_argument("--out", type=Path, help=f"default: bench/results/{name}")
    parser.set_defaults(run=run_cluster)


def run_cluster(args: argparse.Namespace) -> int:
    """Run a part; its result has a file and a table."""
    run, _, _ = PARTS[args.part]
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): timings will be noise")
    begun = provenance()
    name = f"{MODE}-{args.part}"
    result = {"mode": name, "quick": args.quick, "seed": args.seed}
    result |= run(args) | begun | {"load_at_end": load()}
    out = args.out or default_file(name, quick=args.quick)
    write_json(result, out)
    print(cluster_table(result))
    say(f"result: {out}")
    return 0


def cluster_table(result: dict[str, Any]) -> str:
    """The table of a part."""
    _, show, _ = PARTS[result["mode"].removeprefix(f"{MODE}-")]
    quick = "QUICK (not a measurement)" if result["quick"] else ""
    return "\n\n".join(text for text in [quick, show(result), *busy(result)] if text)
