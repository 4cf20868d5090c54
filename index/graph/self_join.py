"""The self-join of an index: for every row, the nearest rows of the lists it probes.

Rows are searched in the order of their lists, so that neighbours are searched together
and the codes and rows of the lists that they share stay in the cache.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos, Rows, Vectors
from gleann.index.engines.contract import (
    Engine,
    IndexData,
    ScanRequest,
    SearchesRows,
)
from gleann.index.lists import InvertedLists
from gleann.index.parallel.blocks import block_slices
from gleann.index.progress import Progress

CHUNK_ROWS = 16_384
"""Query rows per call of the engine, and between two progress reports."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandidateLists:
    """The candidates that each row found.

    Attributes:
        rows: int32 (n, width), nearest first, ties by lower row, -1 past the last. The
            row itself can be among them.
        distances: float32 (n, width), ascending, +inf past the last.
    """

    rows: NDArray[np.int32]
    distances: Distances


def candidates_of(k: int) -> int:
    """Rows to re-rank for k neighbours: 1.5 k, at least k + 4.

    Some for the errors of the codes, some as candidate lists are read both ways;
    `index/DECISIONS.md` 4 has the time of other sizes.
    """
    return max(k + k // 2, k + 4)


def join_lists(
    engine: Engine,
    data: IndexData,
    *,
    nprobe: int,
    width: int,
    report: Callable[[Progress], None],
) -> CandidateLists:
    """Search the `nprobe` best lists of every row for its nearest rows.

    Args:
        engine: what ranks and scans.
        data: the sealed index.
        nprobe: lists a row probes.
        width: candidates to keep a row, the row itself included; at most n.
        report: called after every chunk; what it raises ends the join.
    """
    n = len(data.vectors)
    candidates = CandidateLists(
        rows=np.empty((n, width), np.int32),
        distances=np.empty((n, width), np.float32),
    )
    order = in_list_order(data.lists)
    for chunk in block_slices(n, CHUNK_ROWS):
        report(Progress(phase="join", done=chunk.start, total=n))
        asking = order[chunk]
        found, near = ask(engine, data, asking, nprobe=nprobe, width=width)
        candidates.rows[asking] = found
        candidates.distances[asking] = near
    report(Progress(phase="join", done=n, total=n))
    return candidates


def ask(
    engine: Engine, data: IndexData, asking: Rows, *, nprobe: int, width: int
) -> tuple[Rows, Distances]:
    """The best `width` rows (m, width) of the lists that each of `asking` probes."""
    request = ScanRequest(k=width, rerank=width)
    if isinstance(engine, SearchesRows):
        scanned = engine.search_rows(asking, nprobe=nprobe, request=request)
    else:
        queries = take(data.vectors, asking)
        list_nos = engine.rank_lists(queries, nprobe=nprobe)
        scanned = engine.scan(queries, list_nos, request)
    return scanned.rows, scanned.distances


def take(vectors: Vectors, rows: Rows) -> Vectors:
    """A contiguous copy (m, d) of some rows, which may be memory-mapped."""
    return np.ascontiguousarray(vectors[rows])


def in_list_order(lists: InvertedLists) -> Rows:
    """Every row once (n,), list after list."""
    return lists.rows[is_primary(lists)].astype(np.int64)


def lists_of(lists: InvertedLists, n: int) -> tuple[ListNos, ListNos]:
    """First and second list of each row (n,), -1 for no second."""
    kept = is_primary(lists)
    rows = lists.rows[kept]
    primary = np.empty(n, np.int32)
    secondary = np.empty(n, np.int32)
    sizes = lists.mids - lists.offsets[:-1]
    primary[rows] = np.repeat(np.arange(lists.nlist, dtype=np.int32), sizes)
    secondary[rows] = lists.others[kept]
    return primary, secondary


def is_primary(lists: InvertedLists) -> NDArray[np.bool_]:
    """Which entries (entries,) are a row's first copy."""
    list_nos = np.repeat(np.arange(lists.nlist), np.diff(lists.offsets))
    return np.arange(lists.entries) < lists.mids[list_nos]
