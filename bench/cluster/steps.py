"""Seconds of one core that each step of a build and a search takes, for one row or so.

Each is the slope between two sizes, so that what a task costs whatever its size is told
apart: that is the fixed part. CPU seconds of this process, the least of some tries: a
busy machine changes them little.
"""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import process_time

import numpy as np

from bench.scale.manifold import Manifold
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.arrays import Vectors
from gleann.index.build.assign import assign_blocks, choose_for_all
from gleann.index.build.distortion import total_distortion
from gleann.index.build.host import HostKernels
from gleann.index.build.on_disk import read_rows
from gleann.index.build.rank_by_code import rank_by_code
from gleann.index.build.shortlist import Chosen, coded_lists
from gleann.index.build.spill import scale_of
from gleann.index.codes import Encoding, fit_center
from gleann.index.engines.native import NativeEngine
from gleann.index.shards.build.assigned import RANGE_ROWS
from gleann.index.shards.placing import shards_of

SHARDS = 16
"""Shards that rows are placed in."""

POOLED, MANY, K = 256, 4096, 120
"""Sample queries that are compared with all rows exactly, and by code; nearest rows."""

RANKED = 32
"""Lists of a query that are found among all of them."""

PROBES = 8, 128
BATCH = 1000
SERVED_NLIST = 1024
"""Lists probed, queries and lists of the searches that give the seconds of an entry."""

INTRINSIC = 15
"""Dimensions of the surface that rows are drawn on (`bench/scale/manifold.py`), as in
the set m15 of `python -m bench growth`, from which the entries of a query are taken."""

ASSIGNED = BuildParams(metric="l2", spill="soar")
"""Of the rows that are assigned."""

SCALED = 10_000
"""Rows from which their scale is taken, whose seconds are no part of any step."""

ROWS_PER_LIST = 4
"""Rows of which centroids are the means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much the steps are given.

    Attributes:
        rows: in the smaller and in the greater piece of work.
        nlists: numbers of lists that rows are assigned to.
        assigned: rows that are, in the smaller task and in one of a build.
        ranked: queries whose lists are found.
        served: rows of the index that is searched.
        tries: of which the least counts.
    """

    rows: tuple[int, int] = (20_000, 120_000)
    nlists: tuple[int, int] = (16_384, 65_536)
    assigned: tuple[int, int] = (20_000, RANGE_ROWS)
    ranked: tuple[int, int] = (500, 2500)
    served: int = 100_000
    tries: int = 3


QUICK = Sizes(
    rows=(2000, 4000),
    nlists=(256, 1024),
    assigned=(2000, 4000),
    ranked=(50, 100),
    served=4000,
    tries=1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of one core.

    Attributes:
        each: for one more of what the step is counted in.
        fixed: for a task, whatever its size.
    """

    each: float
    fixed: float


def drawn(n: int, dim: int, *, stream: str = "rows") -> Vectors:
    """Rows or queries (n, dim) of the manifold."""
    source = Manifold(intrinsic=INTRINSIC, dim=dim)
    return np.concatenate(list(source.blocks(n, stream=stream)))


def trained(nlist: int, dim: int) -> Vectors:
    """Centroids (nlist, dim): the means of rows, after one round of k-means."""
    rows = drawn(ROWS_PER_LIST * nlist, dim)
    training = HostKernels(1).training_rows(rows)
    list_nos = training.nearest(rows[:nlist])
    sizes = np.bincount(list_nos, minlength=nlist)[:, None]
    means = training.sums(list_nos, nlist=nlist) / np.maximum(sizes, 1)
    return np.where(sizes > 0, means, rows[:nlist]).astype(np.float32)


def between(work: Callable[[int], object], sizes: tuple[int, int], tries: int) -> Cost:
    """The seconds of a task that grows with its size.

    Args:
        work: does the task of a size.
        sizes: the smaller and the greater.
        tries: of each size, in turn.
    """
    work(sizes[0])
    least = [float("inf")] * 2
    for _ in range(tries):
        for place, size in enumerate(sizes):
            gc.collect()
            begun = process_time()
            work(size)
            least[place] = min(least[place], process_time() - begun)
    each = (least[1] - least[0]) / (sizes[1] - sizes[0])
    return Cost(each=max(each, 0.0), fixed=max(least[0] - each * sizes[0], 0.0))


def least_seconds(work: Callable[[], object], tries: int) -> float:
    """The least CPU seconds of some tries."""
    least = float("inf")
    for _ in range(tries):
        gc.collect()
        begun = process_time()
        work()
        least = min(least, process_time() - begun)
    return least


def measured_steps(
    dim: int, sizes: Sizes, folder: Path
) -> Iterator[tuple[str, dict[str, float]]]:
    """The name of each step of rows of `dim` numbers, and its seconds."""
    rows = drawn(sizes.rows[1], dim)
    file = folder / "rows.npy"
    np.save(file, rows)
    steps = {
        "place": lambda n: _place(file, n, folder),
        "sample_exact": lambda n: _nearest(rows[:n]),
        "sample_ranked": lambda n: _ranked(rows[:n]),
        "sample_by_code": lambda n: _by_code(rows[:n]),
        "encode": lambda n: _encode(rows[:n]),
        "write": lambda n: _write(rows[:n], folder),
    }
    for name, work in steps.items():
        cost = between(work, sizes.rows, sizes.tries)
        divided = {"sample_exact": POOLED, "sample_ranked": POOLED}
        divided["sample_by_code"] = MANY
        each = cost.each / divided.get(name, 1)
        yield name, {"each": each, "fixed": cost.fixed}
    rows = drawn(sizes.assigned[1], dim)
    for nlist in sizes.nlists:
        for name, cost in _list_costs(rows, trained(nlist, dim), sizes):
            yield f"{name}_{nlist}", {"each": cost.each, "fixed": cost.fixed}
    yield from _searches(dim, sizes)


def _place(file: Path, n: int, folder: Path) -> None:
    """Read, check and prepare n rows, and write those of each shard."""
    source = np.load(file, mmap_mode="r")[:n]
    rows = read_rows(source, slice(0, n), "l2", HostKernels(1))
    ids = np.arange(n)
    of_row = shards_of(ids, SHARDS)
    order = np.argsort(of_row, kind="stable")
    ends = np.searchsorted(of_row[order], np.arange(1, SHARDS))
    for number, part in enumerate(np.split(order, ends)):
        np.save(folder / f"part-{number}.npy", rows[part])
        np.save(folder / f"ids-{number}.npy", ids[part])


def _nearest(rows: Vectors) -> None:
    HostKernels(1).nearest_rows(rows[:POOLED], rows, metric="l2", k=K, progress=None)


def _encoding(rows: Vectors) -> Encoding:
    center = fit_center(rows, "l2", seed=0)
    return Encoding(metric="l2", kind="int8", center=center)


def _ranked(rows: Vectors) -> None:
    rank_by_code(
        _encoding(rows),
        rows,
        rows[:POOLED],
        own=None,
        width=1000,
        rng=np.random.default_rng(0),
    )


def _by_code(rows: Vectors) -> None:
    HostKernels(1).nearest_by_code(
        rows[:MANY], rows, _encoding(rows), metric="l2", k=K, progress=None
    )


def _encode(rows: Vectors) -> None:
    HostKernels(1).codes(rows, _encoding(rows))


def _write(rows: Vectors, folder: Path) -> None:
    """Write rows, and what checks them."""
    digest = sha256()
    with (folder / "written").open("wb") as file:
        file.write(rows.data)
        digest.update(rows.data)


def _list_costs(
    rows: Vectors, centroids: Vectors, sizes: Sizes
) -> Iterator[tuple[str, Cost]]:
    """The steps that rows and lists take."""
    for name, task in _list_steps(rows, centroids):
        yield name, between(task, sizes.assigned, sizes.tries)
    seconds = least_seconds(lambda: _choose(rows, centroids), sizes.tries)
    yield "choose", Cost(each=0.0, fixed=seconds)
    ranking = partial(_rank, coded_lists(centroids, threads=1), rows)
    cost = between(ranking, sizes.ranked, sizes.tries)
    yield "rank", Cost(each=cost.each, fixed=0.0)


def _choose(rows: Vectors, centroids: Vectors) -> Chosen:
    """What a build does once, before its tasks assign rows."""
    scale = scale_of(rows[:SCALED])
    return choose_for_all(rows, centroids, params=ASSIGNED, scale=scale, threads=1)


def _rank(ranker: NativeEngine, rows: Vectors, n: int) -> None:
    ranker.rank_lists(rows[:n], nprobe=RANKED)


def _list_steps(
    rows: Vectors, centroids: Vectors
) -> Iterator[tuple[str, Callable[[int], object]]]:
    kernels = HostKernels(1)
    scale, chosen = scale_of(rows[:SCALED]), _choose(rows, centroids)

    def assign(n: int) -> None:
        for block, first, _ in assign_blocks(
            rows[:n], centroids, params=ASSIGNED, scale=scale, threads=1, chosen=chosen
        ):
            total_distortion(rows[block], centroids, first)

    def train(n: int) -> None:
        training = kernels.training_rows(rows[:n])
        training.sums(training.nearest(centroids), nlist=len(centroids))

    yield "assign", assign
    yield "train", train


def _searches(dim: int, sizes: Sizes) -> Iterator[tuple[str, dict[str, float]]]:
    """An entry of a list, and a query whatever it reads."""
    nlist = min(SERVED_NLIST, sizes.served // 64)
    params = BuildParams(
        metric="l2", nlist=nlist, tune_queries=0, spill="soar", kmeans_iterations=2
    )
    rows = drawn(sizes.served, dim)
    index = SoarIndex.build(rows, params, threads=1)
    queries = drawn(BATCH, dim, stream="queries")
    most = min(PROBES[1], nlist)
    entries: dict[int, int] = {}

    def search(nprobe: int) -> None:
        found = index.search(queries, SearchParams(k=10, nprobe=nprobe, rerank=50))
        entries[nprobe] = found.stats.entries_scanned

    cost = between(search, (PROBES[0], most), sizes.tries)
    seconds = cost.each * (most - PROBES[0])
    read = entries[most] - entries[PROBES[0]]
    each = seconds / read
    least = cost.fixed + cost.each * PROBES[0]
    query = max(0.0, least - each * entries[PROBES[0]]) / BATCH
    yield "scan", {"each": each, "fixed": query}
