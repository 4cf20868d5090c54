"""The rows that are known to answer each query."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import SoarIndex
from gleann.index.arrays import Rows
from gleann.index.checks import as_array
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.nouns import number_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Positives:
    """The ids that answer each query, one query after the other.

    Query i has the ids `ids[offsets[i]:offsets[i + 1]]`. An id may answer several
    queries, and a query may have none.

    Attributes:
        offsets: (m + 1,) integers that ascend from 0.
        ids: (p,) ids of rows of the index.
    """

    offsets: ArrayLike
    ids: ArrayLike

    @classmethod
    def of_lists(cls, lists: Sequence[ArrayLike]) -> "Positives":
        """From m lists with the ids of each query.

        Raises:
            InvalidInputError: what is no list of ids.
        """
        parts = [as_array(one, name="positives") for one in lists]
        if strange := [at for at, part in enumerate(parts) if part.ndim != 1]:
            at = strange[0]
            raise InvalidInputError(
                f"positives of query {at} must be a list of ids, got shape"
                f" {parts[at].shape}"
            )
        filled = [part for part in parts if len(part)]
        return cls(
            offsets=np.cumsum([0, *map(len, parts)]),
            ids=np.concatenate(filled) if filled else np.empty(0, np.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class PositiveRows:
    """`Positives` as rows of an index.

    Attributes:
        offsets: int64 (m + 1,).
        rows: int64 (p,).
    """

    offsets: Rows
    rows: Rows

    @classmethod
    def of(
        cls, positives: Positives, index: SoarIndex, *, queries: int
    ) -> "PositiveRows":
        """Check positives.

        Raises:
            InvalidInputError: offsets that are no ascending integers, or do not end at
                the number of ids.
            DimensionMismatchError: not of so many queries.
            UnknownIdError: an id that no row has.
        """
        offsets = as_array(positives.offsets, name="offsets of positives")
        if offsets.ndim != 1 or offsets.dtype.kind not in "iu":
            raise InvalidInputError(
                "offsets of positives must be integers (m + 1,), got"
                f" {offsets.dtype} {offsets.shape}"
            )
        if len(offsets) != queries + 1:
            raise DimensionMismatchError(
                f"positives are of {number_of(len(offsets) - 1, 'queries')}, but there"
                f" are {queries}"
            )
        wide = offsets.astype(np.int64)
        ids = as_array(positives.ids, name="ids of positives")
        if wide[0] or (np.diff(wide) < 0).any() or wide[-1] != len(ids):
            raise InvalidInputError(
                f"offsets of positives must ascend from 0 to {len(ids)}, the number of"
                f" ids; they go from {wide[0]} to {wide[-1]}"
            )
        rows = index.rows_of(ids) if len(ids) else np.empty(0, np.int64)
        return cls(wide, rows)

    def of_query(self, query: int) -> Rows:
        """The positive rows of a query."""
        return self.rows[self.offsets[query] : self.offsets[query + 1]]

    @property
    def counts(self) -> Rows:
        """How many (m,) each query has."""
        return np.diff(self.offsets)
