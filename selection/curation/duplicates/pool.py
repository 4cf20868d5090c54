"""The rows among which near-duplicates are looked for, of one index or of several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Mask, Rows, Vectors
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.index.ids.held import joined_ids, kind_of
from gleann.index.join.side import JoinSide, require_distance, side_of_index
from gleann.index.nouns import number_of
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.params import Metric
from gleann.index.soar_index import SoarIndex
from gleann.selection.among import Among, AmongLike
from gleann.selection.checks import IdMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """The rows of some indexes, numbered one index after another.

    Attributes:
        indexes: at least one, of one metric and dimension.
        starts: int64 (indexes + 1), the first row of each.
        names: the ids of all rows.
        among: the rows that take part; None for all.
    """

    indexes: tuple[SoarIndex, ...]
    starts: NDArray[np.int64]
    names: IdMap
    among: Among | None

    @classmethod
    def of(
        cls, index: SoarIndex | Sequence[SoarIndex], among: AmongLike | None
    ) -> "Pool":
        """Check what a caller gave.

        Raises:
            InvalidInputError: no index, or ids of two kinds.
            InvalidParamsError: indexes of two metrics, or of inner products.
            DimensionMismatchError: indexes of different dimensions.
            DuplicateIdError: an id that two of them have.
        """
        indexes = (index,) if isinstance(index, SoarIndex) else tuple(index)
        _require_alike(indexes)
        held = [one.held_ids for one in indexes]
        ids = held[0] if len(held) == 1 else joined_ids(held)
        names = IdMap(ids, n=len(ids))
        starts = np.cumsum([0, *map(len, indexes)]).astype(np.int64)
        within = Among.of(among, n=len(ids), names=names)
        return cls(indexes=indexes, starts=starts, names=names, among=within)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def parts(self) -> int:
        """Number of indexes."""
        return len(self.indexes)

    @property
    def held_ids(self) -> HeldIds:
        """The ids (n,) of all rows."""
        return self.names.held

    @property
    def metric(self) -> Metric:
        """Of all indexes."""
        return self.indexes[0].metric

    @property
    def dim(self) -> int:
        """Of all rows."""
        return self.indexes[0].dim

    @property
    def rows(self) -> Rows:
        """int64 (m,), the rows that take part, ascending."""
        return np.arange(len(self)) if self.among is None else self.among.rows

    @property
    def data_hash(self) -> str:
        """SHA-256 of the vectors of one index; of several, of their hashes."""
        if len(self.indexes) == 1:
            return self.indexes[0].data_hash
        return sha256(
            "".join(one.data_hash for one in self.indexes).encode()
        ).hexdigest()

    def vectors_of(self, rows: Rows) -> Vectors:
        """A copy (m, d) of some rows, prepared."""
        if len(self.indexes) == 1:
            whole: Vectors = self.indexes[0].stored_rows[rows]
            return whole
        vectors = np.empty((len(rows), self.dim), np.float32)
        shards = np.searchsorted(self.starts, rows, side="right") - 1
        for number, index in enumerate(self.indexes):
            here = np.flatnonzero(shards == number)
            vectors[here] = index.stored_rows[rows[here] - self.starts[number]]
        return vectors

    def blocks_of(self, rows: Rows) -> Iterator[tuple[slice, Vectors]]:
        """Some rows (m,), block after block of a fixed size."""
        for block in block_slices(len(rows), BLOCK_VALUES // self.dim):
            yield block, self.vectors_of(rows[block])

    def sides(self, mask: Mask) -> list[JoinSide]:
        """The rows of `mask` (n,) of each index."""
        return [
            side_of_index(index, among=mask[start : start + len(index)])
            for index, start in zip(self.indexes, self.starts, strict=False)
        ]


def _require_alike(indexes: tuple[SoarIndex, ...]) -> None:
    if not indexes:
        raise InvalidInputError("there are 0 indexes to look for near-duplicates in")
    first = indexes[0]
    require_distance(first.metric)
    for number, index in enumerate(indexes[1:], start=1):
        if index.metric != first.metric:
            raise InvalidParamsError(
                f"index {number} has the metric {index.metric}, index 0 {first.metric}"
            )
        if index.dim != first.dim:
            raise DimensionMismatchError(
                f"index {number} has {number_of(index.dim, 'dimensions')}, index 0"
                f" {first.dim}"
            )
        if kind_of(index.held_ids) != kind_of(first.held_ids):
            raise InvalidInputError(
                f"index {number} has ids that are {kind_of(index.held_ids)}, index 0"
                f" {kind_of(first.held_ids)}"
            )
