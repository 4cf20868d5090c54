"""What a curation would read of an index, without opening it as a library index."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.join.side import JoinSide, side_of_index, side_of_rows
from gleann.index.params import DEFAULT_TARGET_RECALL
from gleann.selection.curation.forecast.pairs import PairShares, pair_shares
from gleann.selection.curation.forecast.searches import Searched
from gleann.service.jobs.curation.pool import lists_of
from gleann.service.views.live_index import View

UNKNOWN_SHARE = 0.1
"""Of the pairs, compared where no list tells, at least."""

MOST_SENT = 16_384
"""Sent vectors that are looked at, of more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """Some live vectors of an index.

    Attributes:
        view: the state of the index.
        rows: int64 (m,), rows of the view, ascending.
    """

    view: View
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nlist(self) -> int:
        """Lists that a library index of the live vectors has."""
        return lists_of(self.view)

    @cached_property
    def side(self) -> JoinSide | None:
        """The sealed ones of the vectors, to be joined; None without any."""
        sealed = self.view.sealed
        if sealed is None:
            return None
        mask = np.zeros(len(sealed), np.bool_)
        mask[self.rows[self.rows < len(sealed)]] = True
        return side_of_index(sealed.index, among=mask) if mask.any() else None

    def among(self, kept: Rows) -> "Reading":
        """Those at the places `kept` (k,) of `rows`."""
        return Reading(view=self.view, rows=self.rows[kept])

    def searched(
        self,
        *,
        target_recall: float = DEFAULT_TARGET_RECALL,
        share: float | None = None,
    ) -> Searched:
        """How the live vectors are searched for these.

        Args:
            target_recall: of the searches.
            share: of the live vectors that may be found; None for those of `rows`.
        """
        view, sealed = self.view, self.view.sealed
        return Searched(
            dim=view.dim,
            nlist=self.nlist,
            rows=view.count,
            points=() if sealed is None else sealed.index.operating_points,
            measured_rows=0 if sealed is None else len(sealed),
            share=len(self) / max(1, view.count) if share is None else share,
            target_recall=target_recall,
        )


def shares_of(
    reading: Reading,
    other: Reading | NDArray[np.generic] | None = None,
    *,
    radius: float,
    equal_as_one: bool = False,
) -> PairShares:
    """Shares of the pairs of vectors that a join compares and finds.

    Without sealed vectors a share is assumed, and `drawn` is 0.

    Args:
        reading: vectors of an index.
        other: those of another, or sent ones (m, d); None for pairs of `reading`.
        radius: the greatest distance of a pair.
        equal_as_one: whether of equal vectors of `reading` one alone is joined.

    Raises:
        ZeroVectorError: a sent vector is zero, under cosine.
    """
    side = reading.side
    if side is None or (isinstance(other, Reading) and other.side is None):
        # Vectors of a list are compared from both ends.
        share = min(1.0, max(UNKNOWN_SHARE, 2 / reading.nlist))
        return PairShares(compared=share, found=0.0, drawn=0)
    beside = other.side if isinstance(other, Reading) else _sent(other, like=side)
    return pair_shares(side, beside, radius=radius, equal_as_one=equal_as_one)


def _sent(vectors: NDArray[np.generic] | None, *, like: JoinSide) -> JoinSide | None:
    """Sent vectors, or some of them, in the lists that they are joined with."""
    if vectors is None:
        return None
    if len(vectors) > MOST_SENT:
        drawn = np.random.default_rng(0).permutation(len(vectors))[:MOST_SENT]
        vectors = vectors[drawn]
    return side_of_rows(vectors, like=like)
