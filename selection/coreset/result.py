"""The answer of every coreset method: rows with radius, cost and objective."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Distances, Ids, Rows
from gleann.index.tables.tabular import Table, Tabular
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.result import Selection

_RIVALS = {
    "margin": "margin sampling: the cheapest rows have the lowest objective",
    "farthest_first": "farthest-first: it has the lowest objective",
}
"""Simple methods among the candidates of weighted k-center, as notes put them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coreset(Tabular):
    """Chosen rows with their objective, F = radius + cost_weight * cost.

    Its table is that of `to_selection()`.

    Attributes:
        method: the algorithm that chose them; `provenance` has the one requested.
        rows: int64 (k,), in the order they were chosen.
        radius: largest distance of any row to its nearest chosen or locked one, in
            plain L2 (the chord on unit rows).
        cost: sum of the chosen rows' costs; 0 where none were given.
        objective: radius + cost_weight * cost.
        lower_bound: no k rows have a lower objective; None without a bound.
        ratio: objective / lower_bound, 1 where both are 0; None without a bound.
        radius_guess: the guess that the set was formed for; None if there was none.
        nearest: int64 (n,), position in `rows` of each row's nearest one, itself where
            it is chosen; -1 where a locked row is as near, and for rows that were not
            to be looked at.
        distances: float32 (n,), to the nearest chosen or locked row; NaN for rows that
            were not to be looked at.
        neighbours: int64 (k,), position in `rows` of each one's nearest other; itself
            where there is no other.
        apart: float32 (k,), the distance to it; inf where there is none.
        why: further reasons, one array (k,) each, such as "stratum".
        winners: of weighted k-center, which of its candidate sets had the lowest
            objective: "weighted_k_center" (of a radius guess), "margin" (the cheapest
            rows), "farthest_first" or "greedy", with the number of groups where it did
            (1 without groups). Empty for other methods.
        provenance: method, params, seed, data_hash, version and, where there are any,
            winners: JSON values.
        names: the caller's ids of all n rows; None where none were given.
    """

    method: str
    rows: Rows
    radius: float
    cost: float
    objective: float
    lower_bound: float | None
    ratio: float | None
    radius_guess: float | None
    nearest: Rows
    distances: Distances
    neighbours: Rows
    apart: Distances
    why: dict[str, NDArray[Any]] = field(default_factory=dict)
    winners: dict[str, int] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    names: IdMap | None = field(default=None, repr=False)

    def table(self) -> Table:
        """One line per chosen row, in the order they were chosen."""
        return self.to_selection().table()

    def placed(self, among: Among) -> "Coreset":
        """The answer to the problem of some rows, numbered as all rows are."""
        nearest = np.full(among.n, -1, np.int64)
        nearest[among.rows] = self.nearest
        distances = np.full(among.n, np.nan, np.float32)
        distances[among.rows] = self.distances
        return replace(
            self, rows=among.rows[self.rows], nearest=nearest, distances=distances
        )

    @property
    def note(self) -> str:
        """Which rivals the best-of rule ended in; "" where none of them won."""
        total = sum(self.winners.values())
        parts = [
            f"{_where(count, total)}your weight makes this {_RIVALS[name]}"
            for name, count in self.winners.items()
            if name in _RIVALS
        ]
        return "; ".join(parts)

    def to_selection(self, ids: ArrayLike | None = None) -> Selection:
        """The chosen rows as a `Selection`, with the number of rows each one covers.

        Args:
            ids: (n,) names of the rows; None takes those that the method was given,
                or numbers the rows.

        Raises:
            DuplicateIdError: one id twice.
        """
        held = self.names if ids is None else None
        return self.named((held or IdMap(ids, n=len(self.nearest))).ids_of(self.rows))

    def named(self, names: Ids) -> Selection:
        """`to_selection`, where the ids (k,) of the chosen rows alone are known."""
        k = len(self.rows)
        mine = self.nearest >= 0
        reach = np.zeros(k, np.float32)
        np.maximum.at(reach, self.nearest[mine], self.distances[mine])
        numbers = {
            "radius": self.radius,
            "cost": self.cost,
            "objective": self.objective,
            "lower_bound": self.lower_bound,
            "ratio": self.ratio,
            "radius_guess": self.radius_guess,
        }
        return Selection(
            rows=self.rows,
            ids=names,
            scores=np.arange(k, 0, -1, dtype=np.float32),
            weights=np.ones(k, np.float32),
            why={
                "covers": np.bincount(self.nearest[mine], minlength=k),
                "reach": reach,
                "nearest_selected_id": names[self.neighbours],
                "nearest_selected_distance": self.apart,
                **self.why,
            },
            summary={
                "method": self.method,
                **{name: x for name, x in numbers.items() if x is not None},
                **({"note": self.note} if self.note else {}),
            },
            provenance=self.provenance,
        )


def _where(count: int, total: int) -> str:
    return f"in {count} of {total} groups " if total > 1 else ""
