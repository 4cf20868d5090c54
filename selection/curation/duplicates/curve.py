"""What a report shows of near-duplicates: the curve, the sizes of groups, examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows
from gleann.index.ids.held import ids_at
from gleann.selection.checks import require_count
from gleann.selection.curation.duplicates.near import rethreshold
from gleann.selection.curation.duplicates.result import Duplicates

POINTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """How many rows go at a radius.

    Attributes:
        radius: squared L2, or 1 - cos.
        kept: rows that stay.
        dropped: rows that go.
        groups: kept rows that stand for others too.
        largest_group: rows that one kept row stands for, at most.
    """

    radius: float
    kept: int
    dropped: int
    groups: int
    largest_group: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """One kept row and those that it stands for.

    Attributes:
        kept: its id.
        dropped: (g,) ids of the nearest of the others, nearest first.
        row: its row.
        dropped_rows: int64 (g,), their rows.
        distances: float32 (g,).
        size: rows of the group, the kept one included.
    """

    kept: int | str
    dropped: Ids
    row: int
    dropped_rows: Rows
    distances: NDArray[np.float32]
    size: int


def curve(
    found: Duplicates, radii: Sequence[float] | None = None
) -> tuple[CurvePoint, ...]:
    """How many rows would go at smaller radii, so that a user can choose one.

    Args:
        found: of `near_duplicates`, at the greatest radius of interest.
        radii: at most that of `found`; None takes 0 and quantiles of the distances of
            its pairs.

    Raises:
        InvalidParamsError: a radius above that of `found`.
    """
    chosen = _radii(found) if radii is None else [float(one) for one in radii]
    return tuple(_point(rethreshold(found, radius=one)) for one in sorted(chosen))


def group_size_counts(found: Duplicates) -> dict[int, int]:
    """How many groups there are of each size, from 1 on."""
    sizes, counts = np.unique(found.group_sizes[found.kept], return_counts=True)
    return dict(zip(sizes.tolist(), counts.tolist(), strict=True))


def examples(
    found: Duplicates, *, groups: int = 10, members: int = 5
) -> tuple[Example, ...]:
    """The largest groups, ties in the order of keeping.

    Args:
        found: of `near_duplicates`.
        groups: groups at most; those of one row are left out.
        members: rows of each besides the kept one, at most.
    """
    require_count("groups", groups)
    require_count("members", members)
    sizes = found.group_sizes
    kept = np.flatnonzero(sizes > 1)
    order = np.lexsort((found.ranks[kept], -sizes[kept]))[:groups]
    return tuple(_example(found, row, members) for row in kept[order].tolist())


def _radii(found: Duplicates) -> list[float]:
    distances = found.pairs.distances
    if found.outside is not None:
        near = found.outside.distances
        distances = np.concatenate([distances, near[np.isfinite(near)]])
    if not len(distances):
        return [0.0, found.radius]
    shares = np.linspace(0, 1, POINTS)
    steps = np.quantile(distances, shares, method="higher")
    return sorted({0.0, found.radius, *steps.tolist()})


def _point(found: Duplicates) -> CurvePoint:
    facts = found.summary()
    return CurvePoint(
        radius=found.radius,
        kept=int(facts["kept"]),
        dropped=int(facts["dropped"]),
        groups=int(facts["groups"]),
        largest_group=int(facts["largest_group"]),
    )


def _example(found: Duplicates, row: int, members: int) -> Example:
    of = np.flatnonzero(found.duplicate_of == row)
    of = of[of != row]
    nearest: Rows = of[np.lexsort((found.ranks[of], found.distances[of]))[:members]]
    return Example(
        kept=ids_at(found.held_ids, np.array([row])).tolist()[0],
        dropped=ids_at(found.held_ids, nearest),
        row=row,
        dropped_rows=nearest,
        distances=found.distances[nearest],
        size=len(of) + 1,
    )
