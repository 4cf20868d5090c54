"""An estimation session: which rows to label, and what their labels say of all."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.checks import IdMap, as_scores
from gleann.selection.estimate.baselines.abae_widths import abae_width
from gleann.selection.estimate.labels.known import (
    Known,
    KnownRows,
    known_rows,
    require_open_rows,
)
from gleann.selection.estimate.labels.round_answers import RoundAnswers
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.result import Estimate, Precision, conclude
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
from gleann.selection.provenance import (
    check_format,
    check_origin,
    fingerprint,
    ids_hash,
    provenance,
    sealed,
)
from gleann.selection.result import Selection, clipped_scores
from gleann.selection.saved import Saved, rebuilding

FORMAT = "gleann.estimate/2"
_PARTS = (
    "params",
    "data_hash",
    "ids_hash",
    "known",
    "round_budgets",
    "draws",
    "answers",
    "values",
)


class EstimateSession:
    """ABae in rounds: a pilot over all strata, then labels where they help most.

    Kang et al. 2021, https://arxiv.org/abs/2108.06313; where ours differs stands in
    `selection/DEPARTURES.md`. Make one with `start` or `resume`. Not safe for several
    threads at once.
    """

    def __init__(
        self, proxy: Proxy, params: EstimateParams, names: IdMap, known: KnownRows
    ) -> None:
        self._params = params
        self._names = names
        self._proxy = proxy
        self._known = known
        open_rows = np.delete(np.arange(len(proxy)), known.rows)
        cut = STRATA_CUTS[params.strata_cut](proxy[open_rows], strata=params.strata)
        self._stratum_nos = np.full(len(proxy), -1, np.int64)
        self._stratum_nos[open_rows] = cut
        sizes = np.bincount(cut)
        self._order = open_rows[drawing_order(cut, seed=params.seed)]
        self._design = Design(
            sizes=sizes.astype(np.float64),
            proxy_means=np.bincount(cut, weights=proxy[open_rows]) / sizes,
            round_budgets=params.round_budgets(len(sizes)),
            target=params.target,
            floor=params.floor,
            known=known.totals,
        )
        # Told by `design`, and read again every round.
        for array in (self._design.sizes, self._design.proxy_means):
            array.flags.writeable = False
        self._draws: list[Draws] = []
        self._answers = RoundAnswers(names)
        self._made: tuple[tuple[int, tuple[int, ...]], Estimate] | None = None
        self._data_hash = fingerprint(proxy)
        self._ids_hash = ids_hash(names.held)

    @classmethod
    def start(
        cls,
        proxy: ArrayLike,
        params: EstimateParams,
        *,
        ids: ArrayLike | None = None,
        known: Known | None = None,
    ) -> "EstimateSession":
        """Begin an estimate over rows with these proxies.

        Args:
            proxy: (n,) cheap scores, higher where the predicate is likelier to hold.
                Any quality gives honest intervals; a good one gives narrow ones.
            params: how.
            ids: (n,) names of the rows; None numbers them.
            known: labels that are there already, chosen in whatever way, such as those
                that made the proxy. They are counted exactly, do not cost budget, and
                are not asked for again; the estimate is over the other rows.

        Raises:
            InvalidInputError: proxies that are not finite numbers, or below 0 under
                the cut "sqrt_mass"; ids or known labels that do not fit.
            InvalidParamsError: a budget above the rows without a label.
        """
        checked = as_scores(proxy, name="proxy")
        names = IdMap(ids, n=len(checked))
        before = known_rows(known, names, target=params.target)
        require_open_rows(params, n=len(checked), known=before)
        return cls(checked, params, names, before)

    @property
    def params(self) -> EstimateParams:
        """How the estimate is made."""
        return self._params

    @property
    def done(self) -> bool:
        """Whether the whole budget is labelled, or the interval is narrow enough."""
        return self.labels_used == self.budget or self._stopped()

    @property
    def budget(self) -> int:
        """Labels to spend; a second round allocated later replaces the plan."""
        return sum(self._design.round_budgets)

    @property
    def labels_used(self) -> int:
        """Rows labelled so far, those known before not among them."""
        return self._answers.used

    @property
    def pilot(self) -> Evidence | None:
        """What the pilot found; None before it is labelled whole."""
        return self._evidence() if self._answers.finished else None

    @property
    def design(self) -> Design:
        """What was fixed before any label was seen."""
        return self._design

    def begins_as(self, other: "EstimateSession") -> bool:
        """Whether both began with the same parameters and known labels."""
        return (
            self._params == other.params and self._known.state() == other._known.state()
        )

    def allocate_second_round(self, labels: int) -> None:
        """Spend `labels` on the second of two rounds instead of what was planned.

        For budgets that several estimates share; it may depend on what the pilots
        found.

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
        """What to label next: what is left of this round, or else the next round.

        The same until labels arrive; empty when the budget is spent or the interval
        is narrow enough. Weights are how many of the rows that earlier rounds left each
        row of its round stands for, which is how the estimate counts it.
        """
        stopped = self._stopped()
        if not len(self._answers.pending) and self._rounds_left() and not stopped:
            self._plan_round()
        rows = self._answers.pending
        strata = self._stratum_nos[rows]
        draws = self._draws[-1]
        left = self._design.sizes - self._drawn_before() + draws
        return Selection(
            rows=rows,
            ids=self._names.ids_of(rows),
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
        """Take labels of rows that were asked for, some or all of them.

        A label that was given before may be given again and changes nothing.

        Args:
            ids: (m,) of rows that `next_batch` returned.
            positives: (m,) bool: whether the predicate holds.
            values: (m,) the value to add up or average; read only where positive, and
                not needed for a count.

        Returns:
            How many labels were new.

        Raises:
            UnknownIdError: an id that no row has.
            InvalidInputError: an id that was not asked for, a label that contradicts an
                earlier one, or missing values.
            DimensionMismatchError: lengths differ.
            NonFiniteError: a value of a positive that is NaN or infinite.
        """
        target = self._params.target
        return self._answers.write_positives(ids, positives, values, target=target)

    def estimate(self) -> Estimate:
        """What the finished rounds say; labels of an unfinished one wait.

        Raises:
            NotReadyError: the first round is not labelled whole.
        """
        rounds = self._answers.finished
        if not rounds:
            need = self._design.round_budgets[0]
            raise NotReadyError(
                f"the first round needs {need} labels, {self.labels_used} are there"
            )
        budgets = self._design.round_budgets
        about = (len(rounds), budgets)
        if self._made is None or self._made[0] != about:
            evidence, precision = self._evidence(), self._params.precision(len(budgets))
            made = conclude(
                self._design,
                evidence,
                precision=precision,
                provenance=self._provenance(),
            )
            self._made = (about, self._beside_abae(made, evidence.total, precision))
        return self._made[1]

    def state(self) -> dict[str, Any]:
        """Everything but the proxies, as JSON values; `resume` takes it back."""
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self._params),
                "data_hash": self._data_hash,
                "ids_hash": self._ids_hash,
                "known": self._known.state(),
                "round_budgets": list(self._design.round_budgets),
                "draws": [draws.tolist() for draws in self._draws],
                **self._answers.state(),
            }
        )

    @classmethod
    def resume(
        cls, state: dict[str, Any], proxy: ArrayLike, *, ids: ArrayLike | None = None
    ) -> "EstimateSession":
        """Go on from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other proxies or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        params = saved.params("params", EstimateParams)
        checked = as_scores(proxy, name="proxy")
        n = len(checked)
        names = IdMap(ids, n=n)
        check_origin(
            saved,
            data="proxies",
            data_hash=fingerprint(checked),
            ids_hash=ids_hash(names.held),
        )
        known = KnownRows.of_state(saved.part("known"), n=n)
        with rebuilding("params"):
            require_open_rows(params, n=n, known=known)
            session = cls(checked, params, names, known)
        session._restore_draws(saved)
        session._answers.restore(saved)
        return session

    def _restore_draws(self, saved: Saved) -> None:
        """Rebuild the allocated budgets and the draws of each round."""
        planned = self._design.round_budgets
        budgets = saved.integers("round_budgets", low=1, length=len(planned)).tolist()
        if tuple(budgets) != planned:
            if len(planned) != 2 or budgets[0] != planned[0]:
                saved.refuse("round_budgets", f"are {budgets}, planned were {planned}")
            with rebuilding("round_budgets"):
                self.allocate_second_round(budgets[1])
        for number, draws in enumerate(saved.items("draws", at_most=len(planned))):
            self._restore_round(Saved({"draws": draws}), number)

    def _restore_round(self, saved: Saved, number: int) -> None:
        sizes = self._design.sizes.astype(np.int64)
        draws = saved.integers("draws", low=0, high=int(sizes.max()), length=len(sizes))
        if draws.sum() != (planned := self._design.round_budgets[number]):
            saved.refuse(
                "draws",
                f"of round {number} are {draws.sum()} rows, planned were {planned}",
            )
        if (draws > sizes - self._drawn_before()).any():
            saved.refuse(
                "draws", f"of round {number} are more than there are rows left"
            )
        self._draw(draws)

    def _provenance(self) -> dict[str, Any]:
        origin = provenance(
            "abae",
            params=asdict(self._params),
            seed=self._params.seed,
            data_hash=self._data_hash,
        )
        # The allocated second round may differ from the plan of `params`.
        return origin | {"round_budgets": list(self._design.round_budgets)}

    def _rounds_left(self) -> int:
        return len(self._design.round_budgets) - len(self._draws)

    def _plan_round(self) -> None:
        rounds = self._evidence().rounds if self._draws else ()
        self._draw(round_draws(self._design, rounds))

    def _drawn_before(self) -> Draws:
        none = np.zeros(len(self._design.sizes), np.int64)
        return np.sum([none, *self._draws], axis=0)

    def _draw(self, draws: Draws) -> None:
        sizes = self._design.sizes.astype(np.int64)
        rows = next_rows(self._order, sizes, draws, after=self._drawn_before())
        self._answers.add_round(rows)
        self._draws.append(draws)

    def _evidence(self) -> Evidence:
        return gather(
            [
                (
                    self._stratum_nos[rows],
                    self._answers.labels[rows] == 1,
                    self._answers.values[rows],
                )
                for rows in self._answers.finished
            ],
            strata=len(self._design.sizes),
        )

    def _beside_abae(
        self, made: Estimate, seen: Tally, precision: Precision
    ) -> Estimate:
        """The estimate, and what ABae as written would have been expected to give."""
        rows = np.concatenate(self._answers.finished)
        open_rows = np.flatnonzero(self._stratum_nos >= 0)
        labels = ChancedLabels(
            rows=np.searchsorted(open_rows, rows),
            positives=self._answers.labels[rows] == 1,
            values=self._answers.values[rows],
            chances=(seen.labelled / self._design.sizes)[self._stratum_nos[rows]],
        )
        width = abae_width(
            self._proxy[open_rows],
            labels,
            self._params,
            quantile=precision.quantile,
            known=self._design.known,
        )
        return replace(made, abae_width=width)

    def _stopped(self) -> bool:
        """Whether the last round left an interval that is narrow enough."""
        if not self._params.may_stop or not self._draws or len(self._answers.pending):
            return False
        return self._params.is_narrow(self.estimate())
