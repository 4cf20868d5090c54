"""What an earlier answer knows of the rows of a pool."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows
from gleann.index.errors import InvalidParamsError
from gleann.index.ids.held import take_ids
from gleann.index.params import Metric
from gleann.selection.checks import IdMap
from gleann.selection.curation.duplicates.groups import PairTable
from gleann.selection.curation.duplicates.result import Duplicates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownPairs:
    """Pairs that need not be looked for again.

    Attributes:
        pairs: of rows of the pool that are the first of their equals.
        joined: bool (n,), rows that are the first of their equals, all pairs of which
            with each other are among them.
    """

    pairs: PairTable
    joined: Mask


class NamedRows(Protocol):
    """Rows that are found by id, such as a `Pool`."""

    def __len__(self) -> int: ...

    @property
    def names(self) -> IdMap:
        """The ids of all rows."""

    @property
    def metric(self) -> Metric:
        """Of all rows."""


def known_pairs(
    known: Duplicates,
    pool: NamedRows,
    first: Rows,
    hashes: NDArray[np.uint64],
    *,
    radius: float,
) -> KnownPairs:
    """Pairs of an earlier answer whose rows are in the pool, with the same vectors.

    Args:
        known: the earlier answer; rows are told by their ids.
        pool: of n rows.
        first: (n,) the first row equal to each; -1 where it takes no part.
        hashes: (n,) of the vectors.
        radius: of the pairs.

    Raises:
        InvalidParamsError: the earlier answer has another metric, or a smaller radius.
    """
    require_covers(
        metric=pool.metric,
        radius=radius,
        known_metric=known.metric,
        known_radius=known.radius,
    )
    before = known.rows
    now = pool.names.lookup.find(take_ids(known.held_ids, before))
    there = (now >= 0) & (first[now] >= 0) & (hashes[now] == known.hashes[before])
    before, now = before[there], now[there]
    head = np.full(len(known), -1, np.int64)
    head[known.first[before]] = first[now]
    near = known.pairs.within(radius)
    a, b = head[near.rows], head[near.others]
    both = (a >= 0) & (b >= 0)
    joined = np.zeros(len(pool), np.bool_)
    joined[first[now]] = True
    pairs = PairTable(
        rows=np.minimum(a, b)[both].astype(np.int32),
        others=np.maximum(a, b)[both].astype(np.int32),
        distances=near.distances[both],
    )
    return KnownPairs(pairs=pairs, joined=joined)


def require_covers(
    *, metric: Metric, radius: float, known_metric: Metric, known_radius: float
) -> None:
    """Refuse an earlier answer that lacks pairs within the radius.

    Args:
        metric: of the pool.
        radius: of the pairs.
        known_metric: of the earlier answer.
        known_radius: up to which it has all pairs.

    Raises:
        InvalidParamsError: another metric, or a smaller radius.
    """
    if known_metric != metric:
        raise InvalidParamsError(
            f"the known answer has the metric {known_metric}, the index {metric}"
        )
    if np.float32(known_radius) < np.float32(radius):
        raise InvalidParamsError(
            f"the known answer has pairs up to {known_radius:g}, below the radius"
            f" {radius:g}: it must have all"
        )
