"""The self-join of an index: for every row, the nearest rows of the lists it probes.

Rows are searched in the order of their lists, so that neighbours are searched together
and the codes and rows of the lists that they share stay in the cache.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Rows
from gleann.index.engines.contract import ScanRequest, SearchesRows
from gleann.index.graph.joined import Joined
from gleann.index.parallel.blocks import block_slices
from gleann.index.progress import Progress

CHUNK_ROWS = 16_384
"""Query rows per call of the engine, and between two progress reports."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandidateLists:
    """The candidates that each row found.

    Attributes:
        rows: int32 (m, width), places of `Joined`, nearest first, ties by lower place,
            -1 past the last. The row itself can be among them.
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
    joined: Joined, *, nprobe: int, width: int, report: Callable[[Progress], None]
) -> CandidateLists:
    """Search the `nprobe` best lists of every row for its nearest rows.

    Args:
        joined: m rows.
        nprobe: lists a row probes.
        width: candidates to keep a row, the row itself included; at most m.
        report: called after every chunk; what it raises ends the join.

    Returns:
        Candidates (m, width) as places.
    """
    m = len(joined)
    candidates = CandidateLists(
        rows=np.empty((m, width), np.int32),
        distances=np.empty((m, width), np.float32),
    )
    order = joined.in_list_order()
    for chunk in block_slices(m, CHUNK_ROWS):
        report(Progress(phase="join", done=chunk.start, total=m))
        asking = order[chunk]
        found, near = ask(joined, asking, nprobe=nprobe, width=width)
        candidates.rows[asking] = found
        candidates.distances[asking] = near
    report(Progress(phase="join", done=m, total=m))
    return candidates


def ask(
    joined: Joined, asking: Rows, *, nprobe: int, width: int
) -> tuple[Rows, Distances]:
    """The best `width` places (p, width) of the lists that each of `asking` probes."""
    request = ScanRequest(k=width, rerank=width)
    engine = joined.engine
    if joined.rows is None and isinstance(engine, SearchesRows):
        scanned = engine.search_rows(asking, nprobe=nprobe, request=request)
    else:
        queries = joined.queries_at(asking)
        list_nos = engine.rank_lists(queries, nprobe=nprobe)
        scanned = joined.scan(asking, queries, list_nos, request)
    return scanned.rows, scanned.distances
