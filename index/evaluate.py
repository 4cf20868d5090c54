"""Recall and Pareto fronts: one definition for the build, tests and benchmarks."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Distances
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    NonFiniteError,
)

T = TypeVar("T")


def recall_at_k(found: ArrayLike, exact: ArrayLike, *, rtol: float = 1e-5) -> float:
    """Share of results no farther than the exact k-th one, so ties count as hits.

    Args:
        found: (nq, k) true distances of distinct neighbours that were returned; +inf
            where none was.
        exact: (nq, k) distances from an exhaustive search, nearest first.
        rtol: slack for float32 rounding, relative to the k-th distance (and, for
            1 - cos near 0, to 1/100).

    Raises:
        DimensionMismatchError: the shapes differ.
        InvalidInputError: not two-dimensional, no numbers, or none at all: of nothing
            there is no share.
        NonFiniteError: NaN.
    """
    returned = _as_distances(found, name="found")
    nearest = _as_distances(exact, name="exact")
    if returned.shape != nearest.shape:
        raise DimensionMismatchError(
            f"found has shape {returned.shape}, exact has {nearest.shape}"
        )
    return float((returned <= cut_at_k(nearest, rtol=rtol)).mean())


def cut_at_k(exact: Distances, *, rtol: float = 1e-5) -> Distances:
    """Distance (nq, 1) up to which a row is a hit; `exact` and `rtol` as above."""
    kth = exact[:, -1:]
    return (kth + rtol * np.maximum(np.abs(kth), 1e-2)).astype(np.float32)


def _as_distances(values: ArrayLike, *, name: str) -> Distances:
    try:
        distances = np.asarray(values)
    except ValueError as error:
        raise InvalidInputError(f"{name} is no array: {error}") from error
    if distances.dtype.kind not in "fiu" or distances.ndim != 2 or not distances.size:
        raise InvalidInputError(
            f"{name} must be distances (nq, k), at least one, got {distances.dtype}"
            f" {distances.shape}"
        )
    if (bad := np.flatnonzero(np.isnan(distances).any(axis=1))).size:
        raise NonFiniteError(f"{name} has NaN in row {bad[0]}")
    return distances


def pareto(
    points: Sequence[T], *, gain: Callable[[T], float], cost: Callable[[T], float]
) -> list[T]:
    """Keep the points that no other beats in both gain and cost, cheapest first."""
    kept: list[T] = []
    for point in sorted(points, key=lambda p: (cost(p), -gain(p))):
        if not kept or gain(point) > gain(kept[-1]):
            kept.append(point)
    return kept
