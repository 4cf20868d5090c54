"""The problem that coreset methods solve: checked once, measured as often as needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol, TypedDict, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import Progress, as_vectors, exact_search
from gleann.index.arrays import Distances, RowMatrix, Rows, Vectors
from gleann.index.checks import require_one_of
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.selection.among import Among, AmongLike, origin_of
from gleann.selection.checks import (
    IdMap,
    as_costs,
    as_rows,
    require_between,
    require_count,
)
from gleann.selection.coreset.distance.choose import make_points
from gleann.selection.coreset.distance.contract import Points, squared_l2
from gleann.selection.coreset.result import Coreset
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import fingerprint, provenance

MEASURED_AT_ONCE = 256
"""Centres between two progress reports of a measurement."""

LARGEST = 1e37
"""Rows of a greater length could lie farther apart than float32 holds."""

LARGEST_SUM = 1e300
"""Objectives beyond it could not be compared."""

CostOn = Literal["sum", "mean"]
"""Whether cost_weight weighs the sum of the chosen rows' costs or their mean."""


class Elsewhere(Protocol):
    """Rows that are not in this process, as a `Problem` needs them."""

    @property
    def data_hash(self) -> str:
        """Of all rows."""

    def points(self) -> Points:
        """The rows, prepared for distances."""


class ProblemOptions(TypedDict, total=False):
    """Arguments of `Problem.of` that every method takes as a function of vectors."""

    cost_weight: float
    cost_on: CostOn
    locked: ArrayLike | None
    ids: ArrayLike | None
    among: AmongLike | None
    device: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Rows to choose from, how many, and at what costs; make one with `of`.

    Distances are prepared, and vectors hashed, once for all methods that solve it.
    With `among` it is the problem of those rows and the locked ones alone: its arrays
    have n of the caller's rows, and only `finished` numbers rows as the caller does.

    Attributes:
        vectors: float32 (n, d).
        k: rows to choose.
        costs: float64 (n,), 0 where none were given.
        weight_given: the caller's cost_weight.
        cost_on: what it multiplies, the "sum" or the "mean" of the chosen rows' costs.
        locked: int64 (m,), rows that are centres already, never chosen.
        device: torch's name of the device that measures distances; None is the host.
        progress: called as rows are measured, with the phase "measure".
        names: the caller's ids of all rows; None where none were given.
        among: the caller's rows that the problem has; None for all.
        origin: what the provenance says of them.
        elsewhere: prepares and hashes rows that are not in this process; None for rows
            that are. `vectors` then only gives rows by their numbers.
    """

    vectors: Vectors
    k: int
    costs: NDArray[np.float64]
    weight_given: float
    cost_on: CostOn
    locked: Rows
    device: str | None = None
    progress: ProgressCallback | None = None
    names: IdMap | None = None
    among: Among | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None

    @classmethod
    def of(  # noqa: PLR0913 (the problem)
        cls,
        vectors: ArrayLike,
        *,
        k: int,
        costs: ArrayLike | None = None,
        cost_weight: float = 0.0,
        cost_on: CostOn = "sum",
        locked: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        among: AmongLike | None = None,
        device: str | None = None,
    ) -> "Problem":
        """Check the input of a coreset method, once.

        Args:
            vectors: (n, d); plain L2 between them must be the intended metric
                (`metric_vectors` provides it). Squared L2 or 1 - cos break all bounds.
            k: rows to choose, at most all that are not locked.
            costs: (n,) at least 0, small where a row should be chosen, such as
                `margin_costs`; None for none. With `among` only those of its rows are
                read.
            cost_weight: lambda of the objective radius + lambda * cost.
            cost_on: what lambda multiplies, the "sum" or the "mean" of the chosen
                rows' costs. With the mean the balance does not change with k.
            locked: rows that are centres already, such as labelled ones; never chosen.
                A mask (n,) of bool, or their ids where `ids` are given, else rows.
            ids: (n,) names of the rows, which the answer's table has; None numbers
                them.
            among: the rows to choose from and to cover, given as `locked`; None for
                all. Locked rows may be others. They and the locked rows are copied.
            device: torch's name of the device that measures distances, such as "cuda";
                None is the host. The rows chosen are the same.

        Raises:
            InvalidInputError: vectors, costs or locked rows that cannot be used; no
                row in `among`.
            InvalidParamsError: k below 1 or above the unlocked rows; a negative
                cost_weight, or one too large for the costs.
        """
        rows = as_vectors(vectors)
        n = len(rows)
        names = None if ids is None else IdMap(ids, n=n)
        closed = as_rows(
            [] if locked is None else locked, n=n, name="locked", names=names
        )
        within = Among.of(among, n=n, names=names)
        origin = origin_of(within)
        if within is not None:
            costs = None if costs is None else _costs_among(costs, within, closed)
            within = within.besides(closed)
            rows, closed = rows[within.rows], within.places_of(closed, name="locked")
        m = len(rows)
        prices = np.zeros(m) if costs is None else as_costs(costs, n=m)
        require_measurable(rows)
        _require_room(k, n=m, locked=len(closed))
        require_one_of("cost_on", cost_on, ("sum", "mean"))
        _require_summable(prices, cost_weight)
        return cls(
            vectors=rows,
            k=k,
            costs=prices,
            weight_given=cost_weight,
            cost_on=cost_on,
            locked=closed,
            device=device,
            names=names,
            among=within,
            origin=origin,
        )

    @classmethod
    def held_elsewhere(  # noqa: PLR0913 (the problem)
        cls,
        vectors: RowMatrix,
        elsewhere: Elsewhere,
        *,
        k: int,
        costs: ArrayLike | None = None,
        cost_weight: float = 0.0,
        cost_on: CostOn = "sum",
        locked: Rows | None = None,
    ) -> "Problem":
        """The problem of rows that are not in this process, and were checked.

        Args:
            vectors: (n, d), gives float32 rows by their numbers.
            elsewhere: prepares and hashes them.
            k: as `of`.
            costs: as `of`.
            cost_weight: as `of`.
            cost_on: as `of`.
            locked: (m,) rows.

        Raises:
            InvalidInputError, InvalidParamsError: as `of`.
        """
        n = len(vectors)
        closed = as_rows([] if locked is None else locked, n=n, name="locked")
        prices = np.zeros(n) if costs is None else as_costs(costs, n=n)
        _require_room(k, n=n, locked=len(closed))
        require_one_of("cost_on", cost_on, ("sum", "mean"))
        _require_summable(prices, cost_weight)
        return cls(
            vectors=cast("Vectors", vectors),  # rows are taken by number only
            k=k,
            costs=prices,
            weight_given=cost_weight,
            cost_on=cost_on,
            locked=closed,
            elsewhere=elsewhere,
        )

    def reporting(self, progress: ProgressCallback | None) -> "Problem":
        """The same problem, whose measurements call `progress`."""
        return replace(self, progress=progress)

    def report(self, phase: str, *, done: int, total: int) -> None:
        """Call `progress`, if there is any."""
        if self.progress is not None:
            self.progress(Progress(phase=phase, done=done, total=total))

    def within(self, rows: Rows, *, k: int) -> "Problem":
        """The same problem on `rows` (m,) only, of which k are chosen."""
        return replace(
            self,
            vectors=self.vectors[rows],
            k=k,
            costs=self.costs[rows],
            locked=np.flatnonzero(np.isin(rows, self.locked)),
            names=None,
            among=None,
            origin={},
        )

    @property
    def all_rows(self) -> int:
        """The caller's rows."""
        return len(self.vectors) if self.among is None else self.among.n

    def of_these(self, given: NDArray[Any], *, name: str) -> NDArray[Any]:
        """What the caller gave for all rows, of those that the problem has (n,).

        Raises:
            DimensionMismatchError: not one entry for each of the caller's rows.
        """
        if len(given) != (n := self.all_rows):
            raise DimensionMismatchError(
                f"{name} has {len(given)} entries for {n} rows"
            )
        return given if self.among is None else given[self.among.rows]

    @property
    def cost_weight(self) -> float:
        """Lambda, on the sum of the chosen rows' costs."""
        return self.weight_given / (self.k if self.cost_on == "mean" else 1)

    @cached_property
    def points(self) -> Points:
        """`vectors` prepared for distances, on first use."""
        if self.elsewhere is not None:
            return self.elsewhere.points()
        return make_points(self.vectors, device=self.device)

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of `vectors`."""
        if self.elsewhere is not None:
            return self.elsewhere.data_hash
        return fingerprint(self.vectors)

    @property
    def priced(self) -> bool:
        """Whether any row has a cost."""
        return bool(np.any(self.costs))

    def by_cost(self) -> Rows:
        """Rows that may be chosen, cheapest first, ties by lower row."""
        order = np.argsort(self.costs, kind="stable")
        return order[~np.isin(order, self.locked)]

    def measure(
        self, rows: Rows, *, method: str, radius_guess: float | None = None
    ) -> Coreset:
        """Measure radius, cost and objective of `rows`. O(n * d * k)."""
        covering = self.points.covering()
        # Locked rows first: of equally near ones they count, as in a traversal.
        centres = np.concatenate([self.locked, rows]).astype(np.int64)
        for first in range(0, len(centres), MEASURED_AT_ONCE):
            covering.cover(centres[first : first + MEASURED_AT_ONCE])
            done = min(first + MEASURED_AT_ONCE, len(centres))
            self.report("measure", done=done, total=len(centres))
        found = self.achieved(
            rows,
            np.maximum(covering.nearest - len(self.locked), -1),
            np.sqrt(covering.squared).astype(np.float32),
            method=method,
        )
        return replace(found, radius_guess=radius_guess)

    def achieved(
        self, rows: Rows, nearest: Rows, distances: Distances, *, method: str
    ) -> Coreset:
        """Radius, cost and objective of `rows`, whose nearest ones are known."""
        near = nearest.copy()
        near[rows] = np.arange(len(rows))
        radius, cost = float(distances.max()), float(self.costs[rows].sum())
        return Coreset(
            method=method,
            rows=rows,
            radius=radius,
            cost=cost,
            objective=radius + self.cost_weight * cost,
            lower_bound=None,
            ratio=None,
            radius_guess=None,
            nearest=near,
            distances=distances,
            neighbours=np.arange(len(rows)),
            apart=np.full(len(rows), np.inf, np.float32),
            names=self.names,
        )

    def finished(
        self,
        chosen: Coreset,
        *,
        method: str = "",
        seed: int | None = None,
        params: Mapping[str, Any] | None = None,
        why: Mapping[str, NDArray[Any]] | None = None,
        winners: Mapping[str, int] | None = None,
    ) -> Coreset:
        """`chosen` with its provenance, reasons and nearest chosen neighbours.

        Args:
            chosen: measured on this problem.
            method: the requested method, if it may answer with another method's rows;
                empty is `chosen.method`.
            seed: the only source of its randomness; None if it drew nothing.
            params: parameters of its method, beyond those of the problem.
            why: further reasons, one array (k,) each.
            winners: as in `Coreset`; None is `chosen.method` where `method` may answer
                with another method's rows.
        """
        if winners is None:
            winners = {chosen.method: 1} if method else {}
        neighbours, apart = _nearest_others(self.vectors[chosen.rows])
        if self.among is not None:
            chosen = chosen.placed(self.among)
        shared = {
            "k": self.k,
            "cost_weight": float(self.weight_given),
            "cost_on": self.cost_on,
            "locked": len(self.locked),
        }
        return replace(
            chosen,
            neighbours=neighbours,
            apart=apart,
            why={**chosen.why, **(why or {})},
            winners=dict(winners),
            provenance=provenance(
                method or chosen.method,
                params={**shared, **(params or {})},
                seed=seed,
                data_hash=self.data_hash,
            )
            | dict(self.origin)
            | ({"winners": dict(winners)} if winners else {}),
        )


Method = Callable[[Problem], Coreset]
"""A coreset method, its own parameters bound: chooses `problem.k` unlocked rows."""


class DrawingMethod(Protocol):
    """A `Method` that draws."""

    def __call__(self, problem: Problem, *, seed: int) -> Coreset:
        """Choose as `Method` does; `seed` is the only source of randomness."""


def require_measurable(vectors: RowMatrix) -> None:
    """Refuse rows so long that their distances would be beyond float32.

    Raises:
        InvalidInputError: with the first one, and its length.
    """
    for block in block_slices(len(vectors), BLOCK_VALUES // vectors.shape[1]):
        wide = vectors[block].astype(np.float64)
        lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        if (long := np.flatnonzero(lengths > LARGEST)).size:
            row = block.start + long[0]
            raise InvalidInputError(
                f"vectors must be within {LARGEST:g} of 0 for their distances to be"
                f" float32, got row {row} at {lengths[long[0]]:g}"
            )


def _costs_among(costs: ArrayLike, among: Among, locked: Rows) -> NDArray[Any]:
    """The costs (m,) of the rows of `among`, and 0 of other locked rows."""
    given = among.given(costs, name="costs")
    whole = np.zeros(among.n, given.dtype)
    whole[among.rows] = given
    chosen: NDArray[Any] = whole[among.besides(locked).rows]
    return chosen


def _require_room(k: int, *, n: int, locked: int) -> None:
    require_count("k", k, at_least=0)
    why = f"{n} rows, of which {locked} locked"
    require_between("k", k, low=1, high=n - locked, why=why)


def _require_summable(costs: NDArray[np.float64], cost_weight: float) -> None:
    require_between("cost_weight", cost_weight, low=0, high=np.finfo(np.float64).max)
    highest = float(costs.max())
    if max(1.0, float(cost_weight)) * highest * len(costs) > LARGEST_SUM:
        raise InvalidParamsError(
            f"cost_weight {float(cost_weight):g} times {len(costs)} costs of up to"
            f" {highest:g} is more than {LARGEST_SUM:g}: divide the costs or the weight"
        )


def _nearest_others(picked: Vectors) -> tuple[Rows, Distances]:
    """Position of each row's nearest other one, and the plain L2 distance to it."""
    m = len(picked)
    if m == 1:
        return np.zeros(1, np.int64), np.full(1, np.inf, np.float32)
    # Scaled, so that squares neither overflow nor vanish.
    scaled = picked / (float(np.abs(picked).max()) or 1.0)
    places, _ = exact_search(scaled, scaled, metric="l2", k=2)
    # Among duplicates a row may find another one before itself.
    second = (places[:, 0] == np.arange(m)).astype(np.intp)
    place = np.take_along_axis(places, second[:, None], axis=1)[:, 0]
    return place, np.sqrt(squared_l2(picked, picked[place])).astype(np.float32)
