"""Filters of a chosen share of rows: independent of the queries, with them, or against.

Correlated ones let rows through by their place along the first principal direction; the
queries furthest along it ask.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Mask, Vectors

ASKING = 0.4
"""Share of the queries, furthest along, that search under correlated filters."""


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """A filter, and who asks.

    Attributes:
        kind: "independent", "along" or "against".
        share: of rows allowed.
        queries: (nq, d).
        mask: bool (n,).
    """

    kind: str
    share: float
    queries: Vectors
    mask: Mask


def places_of(
    rows: Vectors, queries: Vectors, rng: np.random.Generator
) -> tuple[Vectors, Vectors]:
    """Places (n,) of the rows along the principal direction, and who asks.

    Returns:
        The places, and the `ASKING` queries furthest along.
    """
    few = rows[rng.choice(len(rows), min(5000, len(rows)), replace=False)]
    along = np.linalg.svd(few - few.mean(axis=0), full_matrices=False)[2][0]
    asked = queries @ along
    return rows @ along, queries[asked >= np.quantile(asked, 1 - ASKING)]


def filters_of(
    rows: Vectors,
    queries: Vectors,
    shares: list[float],
    kinds: list[str],
    rng: np.random.Generator,
) -> Iterator[Filter]:
    """Every kind at every share."""
    places, far = places_of(rows, queries, rng)
    for kind in kinds:
        for share in shares:
            if kind == "independent":
                yield Filter(kind, share, queries, rng.random(len(rows)) < share)
            elif kind == "along":
                mask = places >= np.quantile(places, 1 - share)
                yield Filter(kind, share, far, mask)
            else:
                yield Filter(kind, share, far, places <= np.quantile(places, share))
