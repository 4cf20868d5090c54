"""The pairs of two collections, or of one with itself, streamed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Distances, HeldIds, Ids, Rows
from gleann.index.checks import require_threads
from gleann.index.errors import InvalidParamsError
from gleann.index.ids.held import ids_at
from gleann.index.join.pairs import ROOM, PairJoin
from gleann.index.join.side import side_of_index, side_of_rows
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import SearchParams
from gleann.index.progress import Progress, ignore
from gleann.index.soar_index import SoarIndex
from gleann.selection.among import AmongLike
from gleann.selection.checks import require_count
from gleann.selection.curation.radius import radius_of
from gleann.selection.index_rows import among_of
from gleann.selection.progress import ProgressCallback

QUERIES = 4096
"""Rows that search at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JoinedPairs:
    """Some pairs of a join.

    Attributes:
        rows: int64 (m,), of the first collection.
        others: int64 (m,), of the second.
        ids: (m,) of `rows`.
        other_ids: (m,) of `others`.
        distances: float32 (m,): squared L2, or 1 - cos.
    """

    rows: Rows
    others: Rows
    ids: Ids
    other_ids: Ids
    distances: Distances

    def __len__(self) -> int:
        return len(self.rows)


def join(  # noqa: PLR0913 (of what, how near, among what)
    index: SoarIndex,
    other: SoarIndex | ArrayLike | None = None,
    *,
    radius: float | None = None,
    similarity: float | None = None,
    among: AmongLike | None = None,
    room: int = ROOM,
    threads: int = 0,
    progress: ProgressCallback | None = None,
) -> Iterator[JoinedPairs]:
    """All pairs within a radius, in bounded memory however many there are.

    Pairs are complete and none is false; which come first may vary. Millions a second
    are usual: at a radius beyond the diameter there are n (n - 1) / 2.

    Args:
        index: under cosine or l2.
        other: another index, or vectors (m, d); None joins the index with itself, each
            pair of different rows once.
        radius: the greatest distance: squared L2, or 1 - cos.
        similarity: under cosine, the least cosine instead.
        among: rows of `index` that take part, as a mask (n,) or ids; None for all.
        room: pairs of a block, about; a block can have four million more a thread.
        threads: worker threads; 0 takes every core.
        progress: called as the phase "join" goes on; what it raises ends the join.

    Raises:
        InvalidParamsError: neither or both of radius and similarity, one out of its
            range, a metric without radius.
        InvalidInputError: `other` or `among` that cannot be used.
    """
    least = radius_of(index.metric, radius=radius, similarity=similarity)
    require_count("room", room)
    require_threads(threads)
    within = among_of(among, index)
    side = side_of_index(index, among=None if within is None else within.mask)
    ids, held = index.held_ids, index.held_ids
    second = None
    if isinstance(other, SoarIndex):
        second, held = side_of_index(other), other.held_ids
    elif other is not None:
        second = side_of_rows(other, like=side, threads=threads)
        held = np.arange(len(second))
    pairs = PairJoin(side, second, radius=least, threads=threads)
    blocks = pairs.blocks(room=room, report=progress or ignore)
    return (
        _named(
            ids,
            held,
            block.rows.astype(np.int64),
            block.others.astype(np.int64),
            block.distances,
        )
        for block in blocks
    )


def nearest_join(
    index: SoarIndex,
    other: SoarIndex,
    *,
    k: int,
    target_recall: float | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
) -> Iterator[JoinedPairs]:
    """The k nearest rows of another index for every row, block after block.

    Args:
        index: of the rows that search, in order.
        other: of the rows that are found; of the same metric and dimension. The nearest
            rows within one index are those of `knn_graph`.
        k: neighbours a row; at most as many as there are.
        target_recall: recall@k to aim for; None takes 0.95, and 1 is exact.
        among: rows of `index` that search, as a mask (n,) or ids; None for all.
        progress: called as the phase "join" goes on; what it raises ends the join.

    Raises:
        InvalidParamsError: k or target_recall out of range, or another metric.
        DimensionMismatchError: another dimension.
    """
    if index is other:
        raise InvalidParamsError(
            "an index joined with itself by k finds each row first: use knn_graph"
        )
    if index.metric != other.metric:
        raise InvalidParamsError(
            f"the indexes to join have the metrics {index.metric} and {other.metric}"
        )
    params = SearchParams(k=k, target_recall=target_recall)
    within = among_of(among, index)
    rows = np.arange(len(index)) if within is None else within.rows
    return _nearest(index, other, rows, params, progress or ignore)


def _nearest(
    index: SoarIndex,
    other: SoarIndex,
    rows: Rows,
    params: SearchParams,
    report: ProgressCallback,
) -> Iterator[JoinedPairs]:
    for block in block_slices(len(rows), QUERIES):
        report(Progress(phase="join", done=block.start, total=len(rows)))
        asked = rows[block]
        found, distances = other.search_rows(index.stored_rows[asked], params)
        there = found >= 0
        own = np.broadcast_to(asked[:, None], found.shape)[there]
        yield _named(
            index.held_ids, other.held_ids, own, found[there], distances[there]
        )
    report(Progress(phase="join", done=len(rows), total=len(rows)))


def _named(
    ids: HeldIds, other_ids: HeldIds, rows: Rows, others: Rows, distances: Distances
) -> JoinedPairs:
    return JoinedPairs(
        rows=rows,
        others=others,
        ids=ids_at(ids, rows),
        other_ids=ids_at(other_ids, others),
        distances=distances,
    )
