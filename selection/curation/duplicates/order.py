"""The order in which near-duplicates are kept: the first of them stays."""

from collections.abc import Iterator
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds, Rows, Vectors
from gleann.index.checks import as_array, require_one_of
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.metric import pair_distances
from gleann.index.texts import Texts
from gleann.selection.checks import as_scores

KeepBy: TypeAlias = Literal[
    "id", "score", "newest", "near_centroid", "far_from_centroid"
]
"""Which of some near-duplicates is kept: that of the lowest id, of the best score, the
newest, or the one nearest to or farthest from the mean of all rows."""


class Ranked(Protocol):
    """Rows that have an order of keeping: a `Pool`, or the rows of shards."""

    def __len__(self) -> int:
        """All rows, n."""

    @property
    def rows(self) -> Rows:
        """int64 (m,), the rows that take part, ascending."""

    @property
    def held_ids(self) -> HeldIds:
        """The ids (n,) of all rows."""

    @property
    def parts(self) -> int:
        """Indexes or shards that have the rows; those of several have no order."""

    @property
    def dim(self) -> int:
        """Of all rows."""

    def blocks_of(self, rows: Rows) -> Iterator[tuple[slice, Vectors]]:
        """Some rows (m,), block after block."""


def ranks_of(pool: Ranked, keep_by: KeepBy, scores: ArrayLike | None) -> Rows:
    """Places (n,) in the order of keeping, from 0 up; n for rows that do not take part.

    Ties are broken by id, so that the order of rows and indexes does not matter.

    Raises:
        InvalidParamsError: no such order; scores that are needed and not there, or
            there and not needed.
        InvalidInputError, DimensionMismatchError, NonFiniteError: scores that are not
            finite numbers (n,), or times.
    """
    require_one_of("keep_by", keep_by, get_args(KeepBy))
    rows = pool.rows
    by_id = _by_id(pool, rows)
    keys = _keys(pool, keep_by, scores, rows[by_id])
    order = by_id if keys is None else by_id[np.argsort(keys, kind="stable")]
    ranks = np.full(len(pool), len(pool), np.int64)
    ranks[rows[order]] = np.arange(len(rows))
    return ranks


def _by_id(pool: Ranked, rows: Rows) -> Rows:
    """Places (m,) of `rows` by ascending id."""
    held = pool.held_ids
    ids = held.take(rows).to_numpy() if isinstance(held, Texts) else held[rows]
    return np.argsort(ids, kind="stable")


def _keys(
    pool: Ranked, keep_by: KeepBy, scores: ArrayLike | None, rows: Rows
) -> NDArray[np.number] | None:
    """What `rows` (m,), by ascending id, are sorted by; None for the id."""
    if keep_by in ("score", "newest"):
        if scores is not None:
            return -_numbers(scores, n=len(pool))[rows]
        if keep_by == "newest" and pool.parts == 1:
            return -rows
        raise InvalidParamsError(
            f"keep_by={keep_by!r} needs scores"
            + (
                ": the times of the rows, as there are"
                f" {pool.parts} indexes, whose rows have no common order"
                if keep_by == "newest"
                else ", one a row"
            )
        )
    if scores is not None:
        raise InvalidParamsError(
            f"scores are given, but keep_by={keep_by!r} does not read them: it must be"
            " 'score' or 'newest'"
        )
    if keep_by == "id":
        return None
    distances = _from_mean(pool, rows)
    return distances if keep_by == "near_centroid" else -distances


def _numbers(scores: ArrayLike, *, n: int) -> NDArray[np.number]:
    """Scores or times (n,), of which more is better."""
    times = as_array(scores, name="scores")
    if times.dtype.kind != "M":
        return as_scores(times, n=n)
    if np.isnat(times).any():
        missing = np.flatnonzero(np.isnat(times))
        raise InvalidInputError(
            f"scores row {missing[0]} is no time ({missing.size} of {times.size})"
        )
    return as_scores(np.zeros(times.shape), n=n) + _moments(times)


def _moments(times: NDArray[np.datetime64]) -> NDArray[np.number]:
    """Numbers that ascend with `times`, distinct for distinct ones."""
    return np.unique(times, return_inverse=True)[1].reshape(times.shape)


def _from_mean(pool: Ranked, rows: Rows) -> NDArray[np.float32]:
    """Distance (m,) of each of `rows` to their mean, summed in the order of `rows`."""
    total = np.zeros(pool.dim)
    for _, vectors in pool.blocks_of(rows):
        total += vectors.sum(axis=0, dtype=np.float64)
    mean = (total / max(len(rows), 1)).astype(np.float32)
    distances = np.empty(len(rows), np.float32)
    for block, vectors in pool.blocks_of(rows):
        distances[block] = pair_distances(mean[None], vectors[None], "l2")[0]
    return distances
