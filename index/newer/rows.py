"""`NewerRows`: one state of the rows newer than an index."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Vectors
from gleann.index.engines.contract import PackedPart
from gleann.index.ids.live_rows import LiveRows
from gleann.index.newer.thinning import Thinned


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Consecutive newer rows, packed by the engine.

    Attributes:
        packed: what the engine scans.
        entries: int64 (nlist), entries of each list; None for a flat part.
    """

    packed: PackedPart
    entries: NDArray[np.int64] | None

    @property
    def size(self) -> int:
        """Number of rows."""
        return self.packed.end - self.packed.first


@dataclass(frozen=True, kw_only=True, eq=False)
class NewerRows:
    """Rows newer than an index, numbered after its own; made by `NewerLists.rows`.

    Attributes:
        vectors: float32 (m, d), prepared.
        alive: bool (m,), rows that may be returned; None for all.
        sealed_alive: rows of the index that may; None for all. A search with `allowed`
            ignores it: that mask must leave out the same rows.
        thinned: what `sealed_alive` leaves of the lists; None without it.
        joined: what the engine scans; None where it does not scan newer rows.
        parts: they hold every row once.
        source: the parts of `NewerLists` that this was made from.
    """

    vectors: Vectors
    alive: Mask | None
    sealed_alive: LiveRows | None
    thinned: Thinned | None
    joined: object | None
    parts: tuple[Part, ...]
    source: tuple[Part, ...]

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def count(self) -> int:
        """How many newer rows may be returned."""
        return len(self) if self.alive is None else int(np.count_nonzero(self.alive))

    def sealed_count(self, n: int) -> int:
        """How many of the n rows of the index may be returned."""
        return n if self.sealed_alive is None else self.sealed_alive.count
