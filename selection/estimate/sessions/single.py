"""An estimate session with one proxy: ABae in rounds."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.among import Among, AmongLike
from gleann.selection.estimate.baselines.abae_widths import abae_width
from gleann.selection.estimate.labels.known import (
    Known,
    KnownRows,
    known_rows,
    require_open_rows,
)
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.planning import LabelPlan, plan_from
from gleann.selection.estimate.population import Population, count_of
from gleann.selection.estimate.result import Estimate, Precision, conclude
from gleann.selection.estimate.round_sizes import first_labels, next_labels
from gleann.selection.estimate.sessions.core import CORE_PARTS, SessionCore
from gleann.selection.estimate.sessions.saved_draws import (
    draws_of_round,
    sized_budgets,
)
from gleann.selection.estimate.stratified.allocate import Draws
from gleann.selection.estimate.stratified.estimators import Design, round_draws
from gleann.selection.estimate.stratified.strata import (
    STRATA_CUTS,
    Proxy,
    drawing_order,
    next_rows,
)
from gleann.selection.estimate.stratified.tally import Evidence, Tally, gather
from gleann.selection.estimate.stratified.weighted import ChancedLabels
from gleann.selection.provenance import check_format, fingerprint
from gleann.selection.result import Selection, clipped_scores
from gleann.selection.saved import Saved, rebuilding

FORMAT = "gleann.estimate/2"
_PARTS = (*CORE_PARTS, "round_budgets", "draws", "answers", "values")


class EstimateSession:
    """ABae in rounds: a pilot over all strata, then labels where they help most.

    Kang et al. 2021, https://arxiv.org/abs/2108.06313; `selection/DEPARTURES.md` lists
    the differences. Make one with `start` or `resume`. Not thread-safe.
    """

    def __init__(self, core: SessionCore[KnownRows], proxy: Proxy) -> None:
        params, known = core.params, core.known
        self._core = core
        self._proxy = proxy
        open_rows = np.delete(np.arange(len(proxy)), known.rows)
        cut = STRATA_CUTS[params.strata_cut](proxy[open_rows], strata=params.strata)
        self._stratum_nos = np.full(len(proxy), -1, np.int64)
        self._stratum_nos[open_rows] = cut
        sizes = np.bincount(cut)
        self._order = open_rows[drawing_order(cut, seed=params.seed)]
        self._design = Design(
            sizes=sizes.astype(np.float64),
            proxy_means=np.bincount(cut, weights=proxy[open_rows]) / sizes,
            round_budgets=(
                () if params.sizes_rounds else params.round_budgets(len(sizes))
            ),
            target=params.statistic,
            floor=params.floor,
            known=known.totals,
            value_range=params.value_range,
            allocation=params.allocation,
        )
        # Returned by `design`, and read again every round.
        for array in (self._design.sizes, self._design.proxy_means):
            array.flags.writeable = False
        self._draws: list[Draws] = []
        self._made: tuple[tuple[int, tuple[int, ...]], Estimate] | None = None

    @classmethod
    def start(
        cls,
        proxy: ArrayLike,
        params: EstimateParams,
        *,
        ids: ArrayLike | None = None,
        known: Known | None = None,
        among: AmongLike | None = None,
    ) -> "EstimateSession":
        """Start an estimate over rows with these proxies.

        Args:
            proxy: (n,) cheap scores, higher where the predicate is likelier to hold.
                A good one makes narrow intervals. The interval of a count holds for a
                proxy of any quality; that of an average or a sum too where
                `Estimate.interval_valid` says so, with values as its note supposes.
            params: of the estimate.
            ids: (n,) names of the rows; None numbers them.
            known: labels known before, however the rows were chosen, such as those that
                made the proxy. They are counted exactly, do not cost budget, and are
                not queried again; the estimate is over the other rows.
            among: rows of the population: a mask (n,) of bool, or their ids where `ids`
                are given, else rows; None for all. Proxies, sizes, totals and means are
                of these rows; labels known before of others are left out, and
                `provenance` says how many.

        Raises:
            InvalidInputError: proxies that are not finite numbers, or below 0 under
                the cut "sqrt_mass"; ids or known labels that do not fit.
            InvalidParamsError: a budget above the rows without a label.
        """
        population = Population.of(ids, among, n=count_of(proxy))
        checked = population.proxy(proxy)
        before = known_rows(known, population, params)
        require_open_rows(params, n=len(checked), known=before)
        data_hash = fingerprint(checked)
        core = SessionCore.of(params, population, before, data_hash=data_hash)
        return cls(core, checked)

    @property
    def params(self) -> EstimateParams:
        """Parameters of the estimate."""
        return self._core.params

    @property
    def among(self) -> Among | None:
        """The rows of the population; None for all."""
        return self._core.among

    @property
    def done(self) -> bool:
        """Whether the whole budget is labelled, or the interval is narrow enough."""
        return self.labels_used == self.budget or self._stopped()

    @property
    def budget(self) -> int:
        """Labels to spend; a second round allocated later replaces the plan."""
        if self._core.params.sizes_rounds:
            return self._core.params.budget
        return sum(self._design.round_budgets)

    @property
    def labels_used(self) -> int:
        """Rows labelled so far, those known before not among them."""
        return self._core.answers.used

    @property
    def labelled_rows(self) -> Rows:
        """Rows (m,) labelled so far, those known before not among them."""
        return self._core.in_all(self._core.answers.labelled_rows)

    @property
    def pilot(self) -> Evidence | None:
        """Evidence of the pilot; None before it is fully labelled."""
        return self._evidence() if self._core.answers.finished else None

    @property
    def design(self) -> Design:
        """The sampling design, fixed before any label was known."""
        return self._design

    def begins_as(self, other: "EstimateSession") -> bool:
        """Whether both were started with the same parameters and known labels."""
        return (
            self._core.params == other.params
            and self._core.known.state() == other._core.known.state()
        )

    def allocate_second_round(self, labels: int) -> None:
        """Set the number of labels of the second of two rounds.

        For a budget that several estimates share; it may depend on the pilots.

        Raises:
            InvalidParamsError: fewer labels than strata, or more than rows are left.
            NotReadyError: the second round has been drawn.
        """
        strata = len(self._design.sizes)
        left = int(self._design.sizes.sum()) - self._design.round_budgets[0]
        if not strata <= labels <= left:
            raise InvalidParamsError(
                f"labels must be in {strata}..{left} (strata to rows left), got"
                f" {labels}"
            )
        if len(self._draws) > 1:
            raise NotReadyError("the second round has been drawn already")
        self._design = replace(
            self._design, round_budgets=(self._design.round_budgets[0], labels)
        )

    def next_batch(self) -> Selection:
        """The rows to label next: the rest of this round, or else the next round.

        The same until labels arrive; empty when the budget is spent or the interval
        is narrow enough. The weight of a row is the number of unlabelled rows of its
        stratum, before its round, that it represents in the estimate.
        """
        stopped = self._stopped()
        if not len(self._core.answers.pending) and self._rounds_left() and not stopped:
            self._plan_round()
        rows = self._core.answers.pending
        strata = self._stratum_nos[rows]
        draws = self._draws[-1]
        left = self._design.sizes - self._drawn_before() + draws
        return Selection(
            rows=self._core.in_all(rows),
            ids=self._core.names.ids_of(rows),
            scores=clipped_scores(self._proxy[rows]),
            weights=(left[strata] / draws[strata]).astype(np.float32),
            why={"stratum": strata, "proxy": self._proxy[rows]},
            summary={
                "round": len(self._draws),
                "rounds": len(self._design.round_budgets),
                "labels_used": self.labels_used,
                "budget": self.budget,
                "stopped": stopped,
            },
            provenance=self._provenance(),
        )

    def submit(
        self, ids: ArrayLike, positives: ArrayLike, values: ArrayLike | None = None
    ) -> int:
        """Take labels of queried rows, some or all of them.

        A label may be submitted twice; the second time changes nothing.

        Args:
            ids: (m,) of rows that `next_batch` returned.
            positives: (m,) bool: whether the predicate holds.
            values: (m,) the value to add up or average; read only where positive, and
                not needed for a count.

        Returns:
            Number of new labels.

        Raises:
            UnknownIdError: an id that no row has.
            InvalidInputError: an id that was not queried, a label that contradicts an
                earlier one, or missing values.
            DimensionMismatchError: lengths differ.
            NonFiniteError: a value of a positive that is NaN or infinite.
        """
        target = self._core.params.statistic
        return self._core.answers.write_positives(ids, positives, values, target=target)

    def estimate(self) -> Estimate:
        """The estimate from the finished rounds; labels of a pending round wait.

        Raises:
            NotReadyError: the first round is not fully labelled.
        """
        rounds = self._core.answers.finished
        if not rounds:
            need = (self._design.round_budgets or (self._first_labels(),))[0]
            raise NotReadyError(
                f"the first round needs {need} labels, {self.labels_used} are there"
            )
        budgets = self._design.round_budgets
        about = (len(rounds), budgets)
        if self._made is None or self._made[0] != about:
            evidence, precision = (
                self._evidence(),
                self._core.params.precision(
                    len(budgets), drawn=[len(rows) for rows in rounds]
                ),
            )
            made = conclude(
                self._design,
                evidence,
                precision=precision,
                provenance=self._provenance(),
            )
            self._made = (about, self._beside_abae(made, evidence.total, precision))
        return self._core.params.presented(self._made[1])

    def plan(
        self, *, width: float | None = None, relative_width: float | None = None
    ) -> LabelPlan:
        """How many labels an interval of this width will take, from those so far.

        Args:
            width: of the interval, in the unit of the target; or give `relative_width`.
            relative_width: the same as a share of the estimate.

        Raises:
            InvalidParamsError: no width or two.
            NotReadyError: the first round is not labelled, or gave no interval.
        """
        made = self.estimate()
        counts = self._evidence().total
        return plan_from(
            made, self._design, counts, width=width, relative_width=relative_width
        )

    def state(self) -> dict[str, Any]:
        """All but the proxies, as JSON values for `resume`."""
        return self._core.state(
            FORMAT,
            round_budgets=list(self._design.round_budgets),
            draws=[draws.tolist() for draws in self._draws],
            **self._core.answers.state(),
        )

    @classmethod
    def resume(
        cls, state: dict[str, Any], proxy: ArrayLike, *, ids: ArrayLike | None = None
    ) -> "EstimateSession":
        """Continue from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other proxies or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        population = Population.of_state(saved, ids, n=count_of(proxy))
        checked = population.proxy(proxy)
        n = len(checked)
        core = SessionCore.resume(
            saved,
            population,
            partial(KnownRows.of_state, n=n),
            data="proxies",
            data_hash=fingerprint(checked),
        )
        with rebuilding("params"):
            require_open_rows(core.params, n=n, known=core.known)
            session = cls(core, checked)
        session._restore_draws(saved)
        session._core.answers.restore(saved)
        return session

    def _restore_draws(self, saved: Saved) -> None:
        """Rebuild the allocated budgets and the draws of each round."""
        if self._core.params.sizes_rounds:
            budgets = sized_budgets(saved, most=self._core.params.budget)
            self._design = replace(self._design, round_budgets=budgets)
        else:
            self._restore_second_budget(saved)
        planned = self._design.round_budgets
        sizes = self._design.sizes.astype(np.int64)
        for number in range(len(saved.items("draws", at_most=len(planned)))):
            before, labels = self._drawn_before(), planned[number]
            self._draw(
                draws_of_round(
                    saved, number, sizes=sizes, before=before, planned=labels
                )
            )

    def _restore_second_budget(self, saved: Saved) -> None:
        planned = self._design.round_budgets
        budgets = saved.integers("round_budgets", low=1, length=len(planned)).tolist()
        if tuple(budgets) != planned:
            if len(planned) != 2 or budgets[0] != planned[0]:
                saved.refuse("round_budgets", f"are {budgets}, planned were {planned}")
            with rebuilding("round_budgets"):
                self.allocate_second_round(budgets[1])

    def _provenance(self) -> dict[str, Any]:
        origin = self._core.provenance("abae")
        # The allocated second round may differ from the plan of `params`.
        return origin | {"round_budgets": list(self._design.round_budgets)}

    def _rounds_left(self) -> bool:
        if self._core.params.sizes_rounds:
            return self.labels_used < self._core.params.budget
        return len(self._design.round_budgets) > len(self._draws)

    def _first_labels(self) -> int:
        return first_labels(self._core.params, len(self._design.sizes))

    def _plan_round(self) -> None:
        if self._core.params.sizes_rounds:
            labels = self._first_labels()
            if self._draws:
                counts = self._evidence().total
                labels = next_labels(
                    self._core.params,
                    self.estimate(),
                    self._design,
                    counts,
                    left=self._core.params.budget - self.labels_used,
                    strata=len(self._design.sizes),
                )
            budgets = (*self._design.round_budgets, labels)
            self._design = replace(self._design, round_budgets=budgets)
        rounds = self._evidence().rounds if self._draws else ()
        self._draw(round_draws(self._design, rounds))

    def _drawn_before(self) -> Draws:
        none = np.zeros(len(self._design.sizes), np.int64)
        return np.sum([none, *self._draws], axis=0)

    def _draw(self, draws: Draws) -> None:
        sizes = self._design.sizes.astype(np.int64)
        rows = next_rows(self._order, sizes, draws, after=self._drawn_before())
        self._core.answers.add_round(rows)
        self._draws.append(draws)

    def _evidence(self) -> Evidence:
        return gather(
            [
                (
                    self._stratum_nos[rows],
                    self._core.answers.labels[rows] == 1,
                    self._core.answers.values[rows],
                )
                for rows in self._core.answers.finished
            ],
            strata=len(self._design.sizes),
        )

    def _beside_abae(
        self, made: Estimate, seen: Tally, precision: Precision
    ) -> Estimate:
        """The estimate, with the expected interval width of ABae as written."""
        rows = np.concatenate(self._core.answers.finished)
        open_rows = np.flatnonzero(self._stratum_nos >= 0)
        labels = ChancedLabels(
            rows=np.searchsorted(open_rows, rows),
            positives=self._core.answers.labels[rows] == 1,
            values=self._core.answers.values[rows],
            chances=(seen.labelled / self._design.sizes)[self._stratum_nos[rows]],
        )
        width = abae_width(
            self._proxy[open_rows],
            labels,
            self._core.params,
            quantile=precision.quantile,
            known=self._design.known,
        )
        return replace(made, abae_width=width)

    def _stopped(self) -> bool:
        """Whether the interval after the last round is narrow enough."""
        if (
            not self._core.params.may_stop
            or not self._draws
            or len(self._core.answers.pending)
        ):
            return False
        return self._core.params.is_narrow(self.estimate())
