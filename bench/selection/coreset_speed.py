"""Speed of farthest-first, compared with the same in NumPy."""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.datasets import describe, load_dataset
from bench.provenance import allowed_cores
from bench.say import say
from bench.selection.notes import Notes
from bench.tables import markdown
from gleann.index.arrays import Rows
from gleann.selection.coreset import farthest_first


def measure_speed(
    arguments: argparse.Namespace, out: Path, origin: dict[str, Any]
) -> dict[str, Any]:
    """Farthest-first, ours and in NumPy, in turn; and whether the picks agree."""
    dataset = load_dataset(arguments.data, quick=arguments.quick)
    vectors = dataset.base[: arguments.rows]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, allowed_cores()[: arguments.threads])
    k, seed = arguments.k, arguments.seed
    names = ("k", "rows", "threads", "seed", "checked", "quick")
    plan = {"mode": "speed"} | {name: getattr(arguments, name) for name in names}
    notes = Notes(out, plan, origin)
    first = int(farthest_first(vectors, k=1, seed=seed).rows[0])
    calls = {
        "ours": lambda: farthest_first(vectors, k=k, seed=seed).rows,
        "numpy": lambda: plain_numpy(vectors, k, first),
    }
    timed: dict[str, list[dict[str, Any]]] = {name: [] for name in calls}
    for number in range(arguments.rounds):
        for name, call in calls.items():
            key = (dataset.sha256, number, name)
            timed[name].append(notes.once(key, partial(time_call, call)))
        say(f"round {number} of {arguments.rounds}")
    checked = arguments.checked or k
    exact = notes.once(
        (dataset.sha256, "float64"),
        lambda: plain_numpy(vectors.astype(np.float64), checked, first).tolist(),
    )
    mine, plain = (np.array(timed[name][-1]["rows"]) for name in calls)
    return {
        "mode": "speed",
        "data": describe(dataset),
        "rows": len(vectors),
        "k": arguments.k,
        "seed": arguments.seed,
        "threads": arguments.threads,
        **{name: [_seconds(one) for one in found] for name, found in timed.items()},
        "same_picks_as_float32_numpy": int((mine == plain).sum()),
        "same_picks_as_float64_numpy": int((mine[:checked] == np.array(exact)).sum()),
        "checked_in_float64": checked,
        "resumed_after": notes.resumed,
    }


def plain_numpy(vectors: Any, k: int, first: int) -> Rows:
    """The algorithm as one writes it in NumPy: a matrix-vector product a pick."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    nearest = np.full(len(vectors), np.inf, vectors.dtype)
    rows = np.empty(k, np.int64)
    row = first
    for i in range(k):
        rows[i] = row
        to_row = vectors @ vectors[row]
        to_row *= -2
        to_row += squares
        to_row += squares[row]
        np.minimum(nearest, to_row, out=nearest)
        nearest[row] = -np.inf
        row = int(nearest.argmax())
    return rows


def time_call(call: Callable[[], Rows]) -> dict[str, Any]:
    wall, cpu = perf_counter(), process_time()
    found = call()
    return {
        "seconds": perf_counter() - wall,
        "cpu_seconds": process_time() - cpu,
        "rows": found.tolist(),
    }


def _seconds(timed: dict[str, Any]) -> dict[str, float]:
    return {name: timed[name] for name in ("seconds", "cpu_seconds")}


def speed_table(result: dict[str, Any]) -> str:
    """Seconds of both, and how many picks agree."""
    rows = []
    for name in ("ours", "numpy"):
        each = [
            f"{np.median([one[key] for one in result[name]]):.2f}"
            for key in ("seconds", "cpu_seconds")
        ]
        rows.append([name, *each])
    ratios = [
        f"{np.median([b[key] / a[key] for a, b in pairs]):.1f}x"
        for key in ("seconds", "cpu_seconds")
        for pairs in [list(zip(result["ours"], result["numpy"], strict=True))]
    ]
    rows.append(["NumPy / ours", *ratios])
    title = (
        f"{result['data']['name']}: {result['rows']:,} rows, k = {result['k']},"
        f" {result['threads']} thread(s); picks as NumPy's:"
        f" {result['same_picks_as_float32_numpy']} (float32),"
        f" {result['same_picks_as_float64_numpy']} of {result['checked_in_float64']}"
        " (float64)"
    )
    return f"{title}\n\n" + markdown(["", "seconds", "CPU seconds"], rows)
