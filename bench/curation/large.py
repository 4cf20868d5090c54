"""Near-duplicates of many seeded rows, with the build: seconds and memory.

In a process of its own, so that the peak of its anonymous memory is that of this work.
"""

import argparse
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import numpy as np

from bench.comparison.worker import status_bytes
from bench.curation.part import Measured, Part
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Vectors
from gleann.selection.curation.duplicates import near_duplicates

ROWS = 1_000_000
QUICK_ROWS = 20_000
DIM = 128
CENTRES = 1000
NOISE = 0.6
BLOCK = 50_000
COPIES = 0.02
"""Share of the rows that are copies of others."""

JITTER = 0.05
"""Noise of a copy, at most, as a share of that of a row around its centre."""

BETWEEN_LOOKS = 0.02


def run(arguments: argparse.Namespace) -> Iterator[Measured]:
    """Measure in a fresh process."""
    n = QUICK_ROWS if arguments.quick else ROWS
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        work = executor.submit(measure, n, arguments.seed, arguments.threads)
        yield Measured(name=f"{n}x{DIM}", values=work.result())


def measure(n: int, seed: int, threads: int) -> dict[str, Any]:
    """Build and join rows; the rows themselves are handed over to the index."""
    before = status_bytes("RssAnon")
    rows = seeded_rows(n, seed)
    radius = (JITTER * NOISE) ** 2 * DIM
    vector_bytes = rows.nbytes
    with peak_memory() as peak:
        begun = time.perf_counter(), time.process_time()
        params = BuildParams(metric="l2", spill="none", tune_queries=0, seed=seed)
        index = SoarIndex.build(rows, params, threads=threads, copy=False)
        built = time.perf_counter(), time.process_time()
        found = near_duplicates(index, radius=radius, threads=threads)
        ended = time.perf_counter(), time.process_time()
    work = found.work
    return {
        "n": n,
        "dim": DIM,
        "metric": "l2",
        "radius": radius,
        "copies": int(n * COPIES),
        "nlist": index.nlist,
        "build_seconds": built[0] - begun[0],
        "join_seconds": ended[0] - built[0],
        "seconds": ended[0] - begun[0],
        "cpu": ended[1] - begun[1],
        "vector_bytes": vector_bytes,
        "peak_bytes": max(peak) - before,
        "pairs": found.pair_count,
        "kept": int(found.kept.sum()),
        "compared_share": work.compared / (n * (n - 1) / 2),
        "measured": work.measured,
    }


def seeded_rows(n: int, seed: int) -> Vectors:
    """Rows around centres, of which the last are copies that are moved a little."""
    rng = np.random.default_rng([seed, 3])
    centres = rng.standard_normal((CENTRES, DIM), np.float32)
    rows = np.empty((n, DIM), np.float32)
    for start in range(0, n, BLOCK):
        block = rows[start : start + BLOCK]
        rng.standard_normal(dtype=np.float32, out=block)
        block *= np.float32(NOISE)
        block += centres[rng.integers(CENTRES, size=len(block))]
    count = int(n * COPIES)
    step = rng.standard_normal((count, DIM), np.float32)
    step *= (JITTER * NOISE) * rng.random((count, 1), np.float32)
    rows[-count:] = rows[rng.choice(n - count, count)] + step
    return rows


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Looks at the anonymous memory of this process until it is left."""
    seen, over = [status_bytes("RssAnon")], threading.Event()

    def watch() -> None:
        while not over.wait(BETWEEN_LOOKS):
            seen[0] = max(seen[0], status_bytes("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def show(result: dict[str, Any]) -> str:
    """One line."""
    head = ["rows", "build, s", "near-duplicates, s", "both, s", "CPU s"]
    head += ["peak memory / vectors", "pairs", "kept", "pairs compared"]
    line = [
        f"{result['n']:,} x {result['dim']}",
        f"{result['build_seconds']:.1f}",
        f"{result['join_seconds']:.1f}",
        f"{result['seconds']:.1f}",
        f"{result['cpu']:.1f}",
        f"{result['peak_bytes'] / result['vector_bytes']:.2f}",
        f"{result['pairs']:,}",
        f"{result['kept']:,}",
        f"{result['compared_share']:.3%}",
    ]
    return markdown(head, [line])


PART = Part(help="near-duplicates of 1M x 128, with the build", run=run, show=show)
