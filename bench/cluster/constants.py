"""`python -m bench cluster --part constants`: the constants of `machines.py`."""

import argparse
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.cluster.ray_steps import messages, opened, started
from bench.cluster.steps import (
    INTRINSIC,
    QUICK,
    Sizes,
    between,
    drawn,
    measured_steps,
)
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.engines.contract import Work
from gleann.index.shards.merge import Part, merge
from gleann.service.cluster.session import joined

DIMS = 128, 768
MERGED_K, MERGED_SHARDS = 10, 16

UNITS = {
    "place": "read, check, prepare and place a row",
    "write": "write a row and its checksum",
    "encode": "a row's code",
    "sample_exact": "a sample query and a row, in float32",
    "sample_ranked": "a sample query and a row, all codes ranked",
    "sample_by_code": "one of many sample queries and a row, by codes",
    "train": "a row of k-means, one round",
    "assign": "assign a row to its lists",
    "choose": "choose how lists are shortlisted, once",
    "rank": "the lists of a query",
    "scan": "an entry of a list",
    "query": "a query of a shard, whatever it reads",
}
"""What each step is counted in."""


def run_constants(args: argparse.Namespace) -> dict[str, Any]:
    """Measure the steps for each number of dimensions, and what Ray takes."""
    sizes = QUICK if args.quick else Sizes()
    dims = {}
    with TemporaryDirectory(dir=args.folder) as folder:
        for dim in (8, 16) if args.quick else DIMS:
            dims[str(dim)] = _steps(dim, sizes, Path(folder))
        merged = between(_merge, (200, 2000), sizes.tries)
        ray = started()
        with joined(workers=2) as cluster:
            ray |= messages(cluster)
            say("an actor that opens a shard")
            ray["opened"] = opened(cluster, _an_index(Path(folder), sizes))
    merge_each = merged.each / (MERGED_K * MERGED_SHARDS)
    return {
        "dims": dims,
        "intrinsic": INTRINSIC,
        "sizes": asdict(sizes),
        "merge": {"each": merge_each, "fixed": merged.fixed},
        "ray": ray,
    }


def constants_table(result: dict[str, Any]) -> str:
    """Seconds of each step."""
    dims = list(result["dims"])
    head = ["step", *(f"{dim} dimensions, ns" for dim in dims), "a task besides, ms"]
    rows = []
    for name in _names(result):
        found = [result["dims"][dim][name] for dim in dims]
        fixed = " / ".join(f"{1e3 * one['fixed']:.1f}" for one in found)
        each = [f"{1e9 * one['each']:,.1f}" for one in found]
        rows.append([_words(name), *each, "" if name == "scan" else fixed])
    merged = f"{1e9 * result['merge']['each']:,.1f}"
    rows.append(["merge a neighbour of a shard", *[merged for _ in dims], ""])
    ray = result["ray"]
    of_ray = (
        f"Ray: start {ray['start']:.1f} s, first task {ray['first_task']:.1f} s; then a"
        f" task {1e3 * ray['task']:.1f} ms, a question to an actor and its answer"
        f" {1e3 * ray['question']:.2f} ms and {1e9 * ray['byte']:.2f} ns a byte; an"
        f" actor that opens a shard of {result['sizes']['served']:,} rows"
        f" {ray['opened']:.1f} s"
    )
    return f"{markdown(head, rows)}\n\n{of_ray}"


def _names(result: dict[str, Any]) -> list[str]:
    first: dict[str, Any] = next(iter(result["dims"].values()))
    return list(first)


def _words(name: str) -> str:
    step, _, nlist = name.rpartition("_")
    if nlist.isdigit():
        return f"{UNITS[step]}, {int(nlist):,} lists"
    return UNITS[name]


def _steps(dim: int, sizes: Sizes, folder: Path) -> dict[str, dict[str, float]]:
    found = {}
    for name, cost in measured_steps(dim, sizes, folder):
        say(f"{dim} dimensions: {name} {1e9 * cost['each']:,.1f} ns")
        found[name] = cost
    scan = found["scan"]
    found["query"] = {"each": scan["fixed"], "fixed": 0.0}
    return found


def _merge(queries: int) -> None:
    rng = np.random.default_rng(0)
    shape = queries, MERGED_K
    parts = [
        Part(
            rows=rng.integers(1000, size=shape),
            distances=np.sort(rng.random(shape, np.float32), axis=1),
            ids=rng.integers(1 << 40, size=queries * MERGED_K),
            work=Work(0, 0, 0, 0),
            engine="",
        )
        for _ in range(MERGED_SHARDS)
    ]
    merge(parts, offsets=[1000 * number for number in range(MERGED_SHARDS)], k=MERGED_K)


def _an_index(folder: Path, sizes: Sizes) -> Path:
    rows = drawn(sizes.served, DIMS[0])
    params = BuildParams(
        metric="l2",
        nlist=max(1, sizes.served // 64),
        tune_queries=0,
        spill="soar",
        kmeans_iterations=1,
    )
    index = SoarIndex.build(rows, params)
    index.save(folder / "index")
    return folder / "index"
