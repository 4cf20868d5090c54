"""The value that every selection method answers with."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """Rows that a method picked, and why.

    Attributes:
        rows: int64 (m,), in the order they were picked.
        ids: (m,) the caller's names of `rows`.
        scores: float32 (m,), higher means picked sooner.
        weights: float32 (m,), how many times each counts; 1 where unweighted.
        why: one array (m,) a reason, such as "stratum" or "probability".
        summary: what is true of the selection as a whole, such as "radius".
        provenance: method, params, seed, data_hash, version: JSON values.
    """

    rows: Rows
    ids: Ids
    scores: NDArray[np.float32]
    weights: NDArray[np.float32]
    why: dict[str, NDArray[Any]] = field(default_factory=dict)
    summary: dict[str, float | int | str | bool] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


def as_told(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """Finite scores as a `Selection` has them: float32, cut at its largest."""
    largest = float(np.finfo(np.float32).max)
    return np.clip(scores, -largest, largest).astype(np.float32)
