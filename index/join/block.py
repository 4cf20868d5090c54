"""Pairs of rows, and what it took to find them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairBlock:
    """Pairs of rows within a radius.

    Attributes:
        rows: int32 (m,), of the first side.
        others: int32 (m,), of the second side; of the first where that is joined with
            itself.
        distances: float32 (m,): squared L2, or 1 - cos.
    """

    rows: NDArray[np.int32]
    others: NDArray[np.int32]
    distances: Distances

    def __len__(self) -> int:
        return len(self.rows)


class JoinWork(NamedTuple):
    """The work of a join.

    Attributes:
        list_pairs: pairs of lists that meet within the radius.
        compared: pairs of rows whose codes were compared.
        measured: pairs of rows whose distance was computed.
    """

    list_pairs: int = 0
    compared: int = 0
    measured: int = 0

    def plus(self, other: "JoinWork") -> "JoinWork":
        """Both together."""
        return JoinWork(*(a + b for a, b in zip(self, other, strict=True)))
