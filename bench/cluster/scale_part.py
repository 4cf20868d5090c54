"""`python -m bench cluster --part scale`: what 10^8 and 10^9 rows would take.

Nothing is measured here: it reads the results of `--part constants`, `--part fan-out`
and of `python -m bench growth`.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.cluster.fan_out import FanOut, Simulated, at_rate, in_turn
from bench.cluster.machines import (
    Growing,
    Machine,
    Serving,
    build_phases,
    driver_bytes,
    serving,
    trained_rows,
)
from bench.datasets import DatasetError
from bench.records import RESULTS
from bench.scale.fit import growth_of
from bench.tables import markdown
from gleann.index.build.arrange import auto_nlist

SIZES = 100_000_000, 1_000_000_000
DIMS = 128, 768
BUILDERS = 8, 32
"""Machines of a build."""

RECALL = 0.95
GROWTH_SET = "m15"
BATCH, K = 100, 10
BATCHES = 1500
LOADS = 0.3, 0.7
"""Share of the throughput at which batches come."""

DAY = 86400.0
BETWEEN_FAILURES = 7 * DAY
"""Mean seconds between two failures of an actor; assumed."""

FAILING = 0.5
"""Share of the load while failures are simulated."""


def run_scale(args: argparse.Namespace) -> dict[str, Any]:
    """The tables of docs/scale.md, from recorded results."""
    folder: Path = args.results or RESULTS
    constants = _recorded(folder, "cluster-constants")
    spread = np.array(_recorded(folder, "cluster-fan-out")["spread"])
    growing = growth_of_entries(_recorded(folder, "growth"))
    machine = Machine()
    cells = [
        _cell(n, dim, constants, growing, machine, spread)
        for n in SIZES
        for dim in DIMS
    ]
    return {
        "machine": asdict(machine),
        "growing": asdict(growing),
        "restart": constants["ray"]["opened"],
        "between_failures": BETWEEN_FAILURES,
        "cells": cells,
    }


def growth_of_entries(growth: dict[str, Any]) -> Growing:
    """How entries of the set `GROWTH_SET` grow at `RECALL`."""
    level = growth["levels"].index(RECALL)
    found = sorted(
        (int(key.rpartition("/")[2]), cell["search"]["levels"][level]["entries"])
        for key, cell in growth["cells"].items()
        if key.rpartition("/")[0] == GROWTH_SET and "search" in cell
    )
    sizes, counts = [n for n, _ in found], [entries for _, entries in found]
    fitted = growth_of(sizes, counts)
    assert fitted is not None
    assert fitted.low is not None
    assert fitted.high is not None
    return Growing(
        n=sizes[-1],
        entries=counts[-1],
        exponent=fitted.exponent,
        low=fitted.low,
        high=fitted.high,
    )


def _recorded(folder: Path, name: str) -> dict[str, Any]:
    file = folder / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError as error:
        command = f"python -m bench {name.replace('-', ' --part ', 1)}"
        raise DatasetError(f"there is no {file}: {command} writes it") from error
    return found


def _cell(
    n: int,
    dim: int,
    constants: dict[str, Any],
    growing: Growing,
    machine: Machine,
    spread: np.ndarray,
) -> dict[str, Any]:
    phases = build_phases(n, dim, constants, machine)
    served = serving(n, dim, constants, growing, machine, k=K)
    return {
        "n": n,
        "dim": dim,
        "nlist": auto_nlist(n),
        "trained_a_list": trained_rows(n, dim, auto_nlist(n)) / auto_nlist(n),
        "driver": driver_bytes(n, dim),
        "phases": [asdict(phase) for phase in phases],
        "build_seconds": {
            str(count): [phase.seconds(count, machine) for phase in phases]
            for count in BUILDERS
        },
        "serving": asdict(served)
        | {
            "question_bytes": served.question_bytes(dim),
            "answer_bytes": served.answer_bytes(K),
            "entries_low": growing.at(n, growing.low),
            "entries_high": growing.at(n, growing.high),
        },
        "fan_out": _fan_outs(dim, constants, served, machine, spread),
    }


def _fan_outs(
    dim: int,
    constants: dict[str, Any],
    served: Serving,
    machine: Machine,
    spread: np.ndarray,
) -> list[dict[str, Any]]:
    """Batches of `BATCH` queries: alone, under load, hedged, and where actors fail."""
    plain = batch_fan_out(dim, constants, served, machine, spread)
    peak = in_turn(plain, clients=16, batches=BATCHES).per_second
    two = _with(plain, replicas=2, machines=2 * plain.machines)
    hedged = _with(two, hedge=2 * float(np.median(plain.answer)))
    rows = [_line("alone", plain, in_turn(plain, clients=1, batches=BATCHES))]
    for share in LOADS:
        for words, of in (("", plain), (", two replicas", two), (", hedged", hedged)):
            found = at_rate(of, rate=share * peak, batches=BATCHES)
            rows.append(_line(f"{share:.0%} of the peak{words}", of, found))
    failing = {
        "between_failures": BETWEEN_FAILURES,
        "restart": constants["ray"]["opened"],
    }
    failed = [_with(of, **failing) for of in (plain, two)]
    return rows + [{"what": "failures", **_availability(of)} for of in failed]


def batch_fan_out(
    dim: int,
    constants: dict[str, Any],
    served: Serving,
    machine: Machine,
    spread: np.ndarray,
) -> FanOut:
    """One actor a shard that takes all cores of its machine for a batch."""
    of_dim = constants["dims"][str(dim)]
    scanned = served.entries / served.shards * of_dim["scan"]["each"]
    answer = BATCH * (scanned + of_dim["query"]["each"]) / machine.cores
    sent = BATCH * (served.question_bytes(dim) + served.answer_bytes(K))
    # The coordinator's wire carries the questions and answers of all shards.
    asked = constants["ray"]["question"] + sent / machine.network
    merged = BATCH * K * constants["merge"]["each"] / machine.cores
    ranks = served.coordinator_seconds - served.shards * K * constants["merge"]["each"]
    return FanOut(
        shards=served.shards,
        machines=served.shards + 1,
        cores=2.0,  # a machine never has two actors at work here
        answer=answer * spread,
        prepare=BATCH * ranks / machine.cores,
        merge=asked + merged,
    )


def _with(of: FanOut, **changes: Any) -> FanOut:
    return FanOut(
        **{
            name: changes.get(name, getattr(of, name))
            for name in FanOut.__dataclass_fields__
        }
    )


def _line(what: str, of: FanOut, found: Simulated) -> dict[str, Any]:
    return {
        "what": what,
        "replicas": of.replicas,
        "queries_a_second": BATCH * found.per_second,
        "p50": found.quantile(0.5),
        "p99": found.quantile(0.99),
        "hedged": found.hedged / (len(found.latencies) * of.shards),
    }


def _availability(of: FanOut) -> dict[str, Any]:
    return {"replicas": of.replicas, "availability": of.availability}


def build_table(result: dict[str, Any]) -> str:
    """Seconds and bytes of each phase."""
    heads = ["rows", "phase", "core hours", "GB read", "GB written"]
    heads += [f"{count} machines" for count in BUILDERS]
    rows = []
    for cell in result["cells"]:
        name = f"{cell['n']:.0e} x {cell['dim']}".replace("e+0", "e")
        seconds = cell["build_seconds"]
        for at, phase in enumerate(cell["phases"]):
            rows.append(
                [
                    name,
                    phase["name"],
                    f"{phase['core_seconds'] / 3600:,.1f}",
                    f"{phase['read'] / 1e9:,.0f}",
                    f"{phase['written'] / 1e9:,.0f}",
                    *(_time(seconds[str(count)][at]) for count in BUILDERS),
                ]
            )
        total = cell["phases"]
        rows.append(
            [
                name,
                "**all**",
                f"{sum(one['core_seconds'] for one in total) / 3600:,.1f}",
                f"{sum(one['read'] for one in total) / 1e9:,.0f}",
                f"{sum(one['written'] for one in total) / 1e9:,.0f}",
                *(_time(sum(seconds[str(count)])) for count in BUILDERS),
            ]
        )
    return markdown(heads, rows)


def driver_table(result: dict[str, Any]) -> str:
    """Memory of the driver, and what k-means sees."""
    heads = ["rows", "lists", "driver, GB", "of these for rows", "training rows a list"]
    rows = [
        [
            _name(cell),
            f"{cell['nlist']:,}",
            f"{sum(cell['driver'].values()) / 1e9:.1f}",
            f"{cell['driver']['rows'] / 1e9:.1f}",
            f"{cell['trained_a_list']:.1f}",
        ]
        for cell in result["cells"]
    ]
    return markdown(heads, rows)


def serving_table(result: dict[str, Any]) -> str:
    """Machines, memory and work of searches."""
    heads = ["rows", "machines", "codes, GB", "files, GB", "lists probed"]
    heads += ["entries of a query", "with the interval", "core ms a query"]
    heads += ["of these the coordinator", "KB sent a query"]
    rows = []
    for cell in result["cells"]:
        one = cell["serving"]
        sent = one["shards"] * (one["question_bytes"] + one["answer_bytes"])
        rows.append(
            [
                _name(cell),
                str(one["shards"]),
                f"{one['held_bytes'] / 1e9:,.0f}",
                f"{one['file_bytes'] / 1e9:,.0f}",
                f"{one['nprobe']:,}",
                f"{one['entries']:,.0f}",
                f"{one['entries_low']:,.0f} to {one['entries_high']:,.0f}",
                f"{1e3 * one['query_seconds']:.2f}",
                f"{1e3 * one['coordinator_seconds']:.2f}",
                f"{sent / 1e3:.1f}",
            ]
        )
    return markdown(heads, rows)


def fan_out_table(result: dict[str, Any]) -> str:
    """Latency and throughput of batches, simulated."""
    heads = ["rows", "batches come", "queries/s", "p50 ms", "p99 ms", "asked again"]
    rows = [
        [
            _name(cell),
            line["what"],
            f"{line['queries_a_second']:,.0f}",
            f"{1e3 * line['p50']:.1f}",
            f"{1e3 * line['p99']:.1f}",
            f"{line['hedged']:.1%}" if line["hedged"] else "",
        ]
        for cell in result["cells"]
        for line in cell["fan_out"]
        if "p50" in line
    ]
    return markdown(heads, rows)


def availability_table(result: dict[str, Any]) -> str:
    """Share of the time in which all shards answer."""
    heads = ["rows", "machines", "one replica", "two"]
    rows = []
    for cell in result["cells"]:
        shares = [
            f"{line['availability']:.6%}"
            for line in cell["fan_out"]
            if "availability" in line
        ]
        rows.append([_name(cell), str(cell["serving"]["shards"]), *shares])
    return markdown(heads, rows)


def scale_tables(result: dict[str, Any]) -> dict[str, str]:
    """The tables of docs/scale.md, by the names that it cites."""
    return {
        "cluster-scale-build": build_table(result),
        "cluster-scale-driver": driver_table(result),
        "cluster-scale-serving": serving_table(result),
        "cluster-scale-fan-out": fan_out_table(result),
        "cluster-scale-availability": availability_table(result),
    }


def scale_table(result: dict[str, Any]) -> str:
    """All of them."""
    return "\n\n".join(scale_tables(result).values())


def _name(cell: dict[str, Any]) -> str:
    return f"{cell['n']:.0e} x {cell['dim']}".replace("e+0", "e")


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
