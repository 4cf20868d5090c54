"""A session that asks for labels and estimates many numbers from them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Ids, Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError, NotReadyError
from gleann.selection.among import Among, AmongLike, origin_of, rows_in_all, state_of
from gleann.selection.estimate.means.conclude import Sample, conclude
from gleann.selection.estimate.means.controls import (
    Controls,
    Counts,
    given_columns,
    given_groups,
    stratifier,
)
from gleann.selection.estimate.means.crossfit import FOLDS
from gleann.selection.estimate.means.draws import FirstRound, Plan
from gleann.selection.estimate.means.labels import DrawnValues
from gleann.selection.estimate.means.params import MeansParams
from gleann.selection.estimate.means.result import JointEstimates
from gleann.selection.estimate.population import Population
from gleann.selection.estimate.stratified.strata import STRATA_CUTS, next_rows
from gleann.selection.provenance import (
    check_format,
    check_origin,
    fingerprint,
    ids_hash,
    provenance,
    sealed,
)
from gleann.selection.result import Selection
from gleann.selection.saved import Saved, rebuilding
from gleann.selection.seeds import hashed_order, keyed_hashes

FORMAT = "gleann.means/1"
_PARTS = ("params", "data_hash", "ids_hash", "rows", "lengths", "labelled", "values")
_ROUNDS = 2


class MeansSession:
    """Two rounds of a stratified sample, corrected by what is known of every row.

    Make one with `start` or `resume`. Not thread-safe.
    """

    def __init__(
        self,
        params: MeansParams,
        population: Population,
        controls: Mapping[str, ArrayLike],
        groups: Mapping[str, ArrayLike],
    ) -> None:
        if params.budget > len(population):
            raise InvalidParamsError(
                f"budget is {params.budget}, but there are {len(population)} rows"
            )
        columns = given_columns(controls, population)
        numbers = given_groups(groups, population)
        held = population.names.held
        strata = np.zeros(len(population), np.int64)
        if params.stratify_by is not None:
            by = stratifier(columns, params.stratify_by)
            strata = STRATA_CUTS[params.strata_cut](by, strata=params.strata)
        table = np.column_stack([np.empty((len(population), 0)), *columns.values()])
        shuffled = hashed_order(held, seed=params.seed, purpose="means")
        self._params = params
        self._population = population
        self._data_hash = fingerprint(strata, table, *numbers)
        self._controls = Controls.of(table, numbers, strata)
        self._order: Rows = shuffled[np.argsort(strata[shuffled], kind="stable")]
        hashes = keyed_hashes(held, seed=params.seed, purpose="means folds")
        self._folds = (hashes % np.uint64(FOLDS)).astype(np.int64)
        self._drawn = DrawnValues(population.names, params.statistics)

    @classmethod
    def start(
        cls,
        params: MeansParams,
        *,
        controls: Mapping[str, ArrayLike] | None = None,
        groups: Mapping[str, ArrayLike] | None = None,
        ids: ArrayLike | None = None,
        among: AmongLike | None = None,
    ) -> "MeansSession":
        """Start estimates over the rows that controls, groups or ids number.

        Args:
            params: of the estimates.
            controls: columns (n,) of numbers known of every row, by name: proxies,
                predictions of the statistics, anything that goes with them.
            groups: columns (n,) of integers or words known of every row, by name: the
                inverted list of each row, its source.
            ids: (n,) names of the rows; None numbers them.
            among: rows of the population: a mask (n,) of bool, or their ids where `ids`
                are given, else rows; None for all.

        Raises:
            InvalidInputError: nothing that says how many rows there are, or controls,
                groups or ids that do not fit.
            DimensionMismatchError: columns of different lengths.
            InvalidParamsError: a budget above the rows, or no such stratify_by.
        """
        n = _count(controls or {}, groups or {}, ids)
        population = Population.of(ids, among, n=n)
        return cls(params, population, controls or {}, groups or {})

    @property
    def params(self) -> MeansParams:
        """Parameters of the estimates."""
        return self._params

    @property
    def among(self) -> Among | None:
        """The rows of the population; None for all."""
        return self._population.among

    @property
    def labelled_ids(self) -> Ids:
        """Ids that are labelled, in the order they were drawn."""
        drawn = self._drawn
        return self._population.names.ids_of(drawn.rows[drawn.labelled])

    @property
    def labels_used(self) -> int:
        """Rows labelled so far."""
        return int(self._drawn.labelled.sum())

    @property
    def done(self) -> bool:
        """Whether the whole budget is labelled."""
        return self.labels_used == self._params.budget

    def next_batch(self) -> Selection:
        """The rows to label next: the rest of this round, or else the next round.

        The same until labels arrive; empty when the budget is spent.
        """
        if not len(self._drawn.pending) and len(self._drawn.lengths) < _ROUNDS:
            self._draw_round()
        rows = self._drawn.pending
        strata = self._controls.strata[rows]
        return Selection(
            rows=rows_in_all(rows, self._population.among),
            ids=self._population.names.ids_of(rows),
            scores=np.ones(len(rows), np.float32),
            weights=np.ones(len(rows), np.float32),
            why={"stratum": strata},
            summary={
                "round": len(self._drawn.lengths),
                "rounds": _ROUNDS,
                "labels_used": self.labels_used,
                "budget": self._params.budget,
            },
            provenance=self._provenance(),
        )

    def submit(self, ids: ArrayLike, values: ArrayLike) -> int:
        """Take the values of queried rows, some or all of them.

        Args:
            ids: (m,) of rows that `next_batch` returned.
            values: (m, J), a column a statistic in their order: numbers, 0 and 1 for a
                share, NaN where a row has no value for an "avg". One statistic may be
                (m,).

        Returns:
            Number of rows that were new.

        Raises:
            UnknownIdError: an id that no row has.
            InvalidInputError: an id that was not queried, values that contradict
                earlier ones, or that are none.
            DimensionMismatchError: not one value for each id and statistic.
            NonFiniteError: infinity, or NaN where the statistic is no "avg".
        """
        return self._drawn.write(ids, values)

    def estimates(self) -> JointEstimates:
        """The estimates, whose intervals hold together.

        Raises:
            NotReadyError: the budget is not spent.
        """
        if not self.done:
            raise NotReadyError(
                f"the estimates need all {self._params.budget} labels,"
                f" {self.labels_used} are there"
            )
        rows = self._drawn.rows
        strata = self._controls.strata[rows]
        in_first = np.arange(len(rows)) < self._drawn.lengths[0]
        sample = Sample(
            rows=rows,
            strata=strata,
            folds=self._folds[rows],
            values=self._drawn.values,
            in_first=in_first,
            rounds=self._plan.rounds(
                self._first_round, self._tally(strata[~in_first]), folds=FOLDS
            ),
        )
        return conclude(sample, self._controls, self._params, self._provenance())

    def state(self) -> dict[str, Any]:
        """All but the controls and groups, as JSON values for `resume`."""
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self._params),
                "data_hash": self._data_hash,
                "ids_hash": ids_hash(self._population.names.held),
                **state_of(self._population.among),
                **self._drawn.state(),
            }
        )

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        *,
        controls: Mapping[str, ArrayLike] | None = None,
        groups: Mapping[str, ArrayLike] | None = None,
        ids: ArrayLike | None = None,
    ) -> "MeansSession":
        """Continue from `state()`, with the same controls, groups and ids.

        Raises:
            CorruptDataError: not such a state, or of other controls, groups or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        n = _count(controls or {}, groups or {}, ids)
        population = Population.of_state(saved, ids, n=n)
        with rebuilding("params"):
            params = saved.params("params", MeansParams)
            session = cls(params, population, controls or {}, groups or {})
        check_origin(
            saved,
            data="controls",
            data_hash=session._data_hash,
            ids_hash=ids_hash(population.names.held),
        )
        session._drawn.restore(saved)
        session._check_rounds(saved)
        return session

    def _check_rounds(self, saved: Saved) -> None:
        lengths, first = self._drawn.lengths, self._params.first_labels
        planned = [first, self._params.budget - first]
        if lengths != planned[: len(lengths)]:
            saved.refuse("lengths", f"are {lengths}, planned were {planned}")
        if not lengths:
            return
        draws = self._plan.first
        rows = self._next(draws, after=np.zeros_like(draws))
        if not np.array_equal(self._drawn.rows[:first], rows):
            saved.refuse("rows", "begin with others than the seed draws")
        if len(lengths) > 1 and not self._drawn.labelled[:first].all():
            saved.refuse("labelled", "lacks rows of the first round")

    @property
    def _plan(self) -> Plan:
        return Plan(
            sizes=self._controls.sizes,
            statistics=self._params.statistics,
            first_labels=self._params.first_labels,
            budget=self._params.budget,
        )

    @property
    def _first_round(self) -> FirstRound:
        """The labels of the first round, which are all there."""
        drawn = self._drawn
        rows = drawn.rows[: drawn.lengths[0]]
        return FirstRound(
            strata=self._controls.strata[rows],
            folds=self._folds[rows],
            values=drawn.values[: drawn.lengths[0]],
        )

    def _draw_round(self) -> None:
        plan = self._plan
        if not self._drawn.lengths:
            rows = self._next(plan.first, after=np.zeros_like(plan.first))
        else:
            rows = self._next(plan.second(self._first_round), after=plan.first)
        if len(rows):
            self._drawn.add_round(rows)

    def _next(self, draws: Counts, *, after: Counts) -> Rows:
        return next_rows(self._order, self._controls.sizes, draws, after=after)

    def _tally(self, strata: Counts) -> Counts:
        return np.bincount(strata, minlength=len(self._controls.sizes))

    def _provenance(self) -> dict[str, Any]:
        return provenance(
            "means",
            params=asdict(self._params),
            seed=self._params.seed,
            data_hash=self._data_hash,
        ) | origin_of(self._population.among)


def _count(
    controls: Mapping[str, ArrayLike],
    groups: Mapping[str, ArrayLike],
    ids: ArrayLike | None,
) -> int:
    columns = {f"control {name!r}": values for name, values in controls.items()}
    columns |= {f"groups {name!r}": values for name, values in groups.items()}
    if ids is not None:
        columns["ids"] = ids
    if not columns:
        raise InvalidInputError("give controls, groups or ids: they number the rows")
    name, values = next(iter(columns.items()))
    try:
        return len(values)  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidInputError(
            f"{name} must have an entry for each row, got {values!r:.80}"
        ) from error
