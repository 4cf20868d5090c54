"""An estimate session whose proxies come from the index, updated every round."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import as_vectors
from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.among import Among, AmongLike, SomeVectors, hash_of, vectors_among
from gleann.selection.checks import kept, require_count
from gleann.selection.estimate.labels.known import (
    Known,
    KnownRows,
    known_rows,
    require_open_rows,
)
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.planning import LabelPlan, plan_from
from gleann.selection.estimate.population import Population
from gleann.selection.estimate.proxies.propagate import representatives
from gleann.selection.estimate.refreshed.interval import refreshed_interval
from gleann.selection.estimate.refreshed.round_proxies import RoundProxies
from gleann.selection.estimate.refreshed.rounds import (
    Round,
    refreshed_totals,
    whole_design,
)
from gleann.selection.estimate.refreshed.session_rounds import RefreshedRounds
from gleann.selection.estimate.result import Estimate, conclude_from
from gleann.selection.estimate.round_sizes import first_labels, next_labels
from gleann.selection.estimate.sessions.core import CORE_PARTS, SessionCore
from gleann.selection.estimate.stratified.estimators import Design
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import check_format
from gleann.selection.result import Selection, clipped_scores
from gleann.selection.saved import Saved, rebuilding

FORMAT = "gleann.estimate-tasti/1"
_PARTS = (*CORE_PARTS, "first", "rounds", "answers", "values")


class TastiSession:
    """Estimates from an index alone: the labels so far make the proxies of each round.

    TASTI (Kang et al. 2022, https://arxiv.org/abs/2009.04540) labels farthest-first
    representatives and scores the other rows by them; here each later label is one
    more, and by default the first are a uniform sample that counts in the estimate.
    Representatives are counted exactly. Before a round, the unlabelled rows
    are scored and cut into strata again, unless no round has found a positive since the
    last cut. Make one with `start` or `resume`; use it as an `EstimateSession`. Not
    thread-safe.
    """

    def __init__(
        self,
        core: SessionCore[KnownRows],
        vectors: Vectors | SomeVectors,
        first: Rows,
        *,
        progress: ProgressCallback | None = None,
    ) -> None:
        params = core.params
        self._core = core
        self._first = first
        given = len(first) + len(core.known.rows)
        self._budgets = _planned(params, first=len(first), given=given)
        self._rounds = RefreshedRounds(
            params,
            core.known,
            first,
            core.answers,
            partial(RoundProxies, vectors, origin=core.data_hash, progress=progress),
        )
        if len(first):
            self._core.answers.add_round(first)
        self._made: tuple[int, Estimate] | None = None

    @classmethod
    def start(  # noqa: PLR0913 (all of it is data; how is in `params`)
        cls,
        vectors: ArrayLike,
        params: EstimateParams,
        *,
        first: int | None = None,
        ids: ArrayLike | None = None,
        known: Known | None = None,
        among: AmongLike | None = None,
        progress: ProgressCallback | None = None,
    ) -> "TastiSession":
        """Start an estimate over the rows of an index.

        Args:
            vectors: (n, d), such as `metric_vectors(index)`; near is by plain L2. An
                array that can be written to is copied: later writes change nothing.
            params: of the estimate; `budget` includes the representatives. The proxies
                rank and are no probabilities: for a count cut them "geometric".
            first: representatives to label first. They are not drawn at random, so they
                count for themselves only, and cost more labels than they save unless
                the concept is rare and compact. None takes none (with the allocation
                "even" a fifth of the budget, where no labels are known): the first
                round is then a uniform sample.
            ids: (n,) names of the rows; None numbers them.
            known: labels known before; they make proxies too, are counted exactly and
                do not cost budget.
            among: rows of the population, as for `EstimateSession.start`.
            progress: called as representatives are chosen, and before each round as
                rows are scored.

        Raises:
            InvalidInputError: vectors, ids or known labels that do not fit.
            InvalidParamsError: a budget above the rows without a label, or too small
                for representatives and strata; nothing to make proxies from; or the
                interval "bootstrap", which rounds of other strata do not have.
        """
        points = kept(as_vectors(vectors), vectors)
        population = Population.of(ids, among, n=len(points))
        own = vectors_among(points, population.among)
        before = known_rows(known, population, params)
        size = _first_size(first, params, known=len(before.rows))
        require_open_rows(params, n=len(population), known=before)
        _require_room(params, first=size)
        picked = np.empty(0, np.int64)
        if size:
            picked = representatives(
                own[:],
                k=size,
                covered=before.rows,
                seed=params.seed,
                progress=progress,
            )
        core = SessionCore.of(params, population, before, data_hash=hash_of(own))
        return cls(core, own, picked, progress=progress)

    @property
    def params(self) -> EstimateParams:
        """Parameters of the estimate; the budget includes the representatives."""
        return self._core.params

    @property
    def among(self) -> Among | None:
        """The rows of the population; None for all."""
        return self._core.among

    @property
    def done(self) -> bool:
        """Whether the whole budget is labelled, or the interval is narrow enough."""
        return self.labels_used == self._core.params.budget or self._stopped()

    @property
    def labels_used(self) -> int:
        """Rows labelled so far, those known before not among them."""
        return self._core.answers.used

    @property
    def representatives(self) -> int:
        """Number of representatives, labelled first."""
        return len(self._first)

    @property
    def labelled_rows(self) -> Rows:
        """Rows (m,) labelled so far, those known before not among them."""
        return self._core.in_all(self._core.answers.labelled_rows)

    def next_batch(self) -> Selection:
        """The rows to label next: the representatives, then one round after the other.

        The same until labels arrive; empty when the budget is spent or the interval
        is narrow enough. The weight of a row is the number of unlabelled rows of its
        stratum that it represents in its round; a representative has weight 1.
        """
        stopped = self._stopped()
        left = self.labels_used < self._core.params.budget
        if not len(self._core.answers.pending) and left and not stopped:
            self._size_round()
            self._rounds.add(self._rounds.plan(self._design()))
        rows = self._core.answers.pending
        scores, weights, strata = self._rounds.describe(rows)
        return Selection(
            rows=self._core.in_all(rows),
            ids=self._core.names.ids_of(rows),
            scores=clipped_scores(scores),
            weights=weights.astype(np.float32),
            why={"stratum": strata, "proxy": scores},
            summary={
                "round": len(self._rounds.drawn),
                "rounds": len(self._budgets),
                "labels_used": self.labels_used,
                "budget": self._core.params.budget,
                "stopped": stopped,
            },
            provenance=self._provenance(),
        )

    def submit(
        self, ids: ArrayLike, positives: ArrayLike, values: ArrayLike | None = None
    ) -> int:
        """Take labels as `EstimateSession.submit`; returns the number of new ones."""
        target = self._core.params.statistic
        return self._core.answers.write_positives(ids, positives, values, target=target)

    def estimate(self) -> Estimate:
        """The estimate from the finished rounds; labels of a pending round wait.

        Raises:
            NotReadyError: the first round is not fully labelled.
        """
        finished = self._rounds.finished
        if not finished:
            budgets = self._budgets or (self._next_labels(),)
            need = len(self._first) + budgets[0]
            raise NotReadyError(
                f"representatives and first round need {need} labels,"
                f" {self.labels_used} are there"
            )
        if self._made is None or self._made[0] != len(finished):
            self._made = (len(finished), self._conclude(finished))
        return self._core.params.presented(self._made[1])

    def plan(
        self, *, width: float | None = None, relative_width: float | None = None
    ) -> LabelPlan:
        """How many labels a width will take, as `EstimateSession.plan`."""
        finished = self._rounds.finished
        made = self.estimate()
        design = whole_design(finished, self._design())
        counts = self._rounds.evidence(finished, strata=len(design.sizes)).total
        return plan_from(
            made, design, counts, width=width, relative_width=relative_width
        )

    def state(self) -> dict[str, Any]:
        """All but the vectors, as JSON values for `resume`."""
        return self._core.state(
            FORMAT,
            first=self._first.tolist(),
            rounds=[one.state() for one in self._rounds.drawn],
            **self._core.answers.state(),
        )

    @property
    def scans(self) -> int:
        """How many sets of labels `proxy_sums` has: it is new where this has grown."""
        return self._rounds.proxies.stages

    def proxy_sums(self) -> dict[str, NDArray[np.generic]]:
        """What proxies are made from so far, for `resume`; at most 32 bytes a row.

        Without it, a resumed session scans all labels again when a round needs them.
        """
        return self._rounds.proxies.saved()

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        vectors: ArrayLike,
        *,
        ids: ArrayLike | None = None,
        proxy_sums: Mapping[str, NDArray[np.generic]] | None = None,
        progress: ProgressCallback | None = None,
    ) -> "TastiSession":
        """Continue from `state()`, with the same vectors and ids.

        Args:
            state: of the session.
            vectors: (n, d).
            ids: (n,) names of the rows; None numbers them.
            proxy_sums: of `proxy_sums`, then or earlier; ignored if damaged, or of
                other labels.
            progress: as for `start`.

        Raises:
            CorruptDataError: not such a state, or of other vectors or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        points = kept(as_vectors(vectors), vectors)
        population = Population.of_state(saved, ids, n=len(points))
        own, n = vectors_among(points, population.among), len(population)
        core = SessionCore.resume(
            saved,
            population,
            partial(KnownRows.of_state, n=n),
            data="vectors",
            data_hash=hash_of(own),
        )
        params, known = core.params, core.known
        first = saved.rows("first", n=n)
        if np.intersect1d(first, known.rows).size:
            saved.refuse("first", "has rows whose labels were known before")
        with rebuilding("params"):
            require_open_rows(params, n=n, known=known)
            _first_size(len(first), params, known=len(known.rows))
            _require_room(params, first=len(first))
            session = cls(core, own, first, progress=progress)
        session._restore_rounds(saved)
        session._core.answers.restore(saved)
        if proxy_sums:
            session._rounds.restore_proxies(proxy_sums)
        return session

    def _restore_rounds(self, saved: Saved) -> None:
        taken = np.concatenate([self._core.known.rows, self._first])
        if self._core.params.sizes_rounds:
            self._restore_budgets(saved)
        parts = saved.parts("rounds", at_most=len(self._budgets))
        for one, labels in zip(parts, self._budgets, strict=False):
            drawn = Round.of_state(
                one, n=len(self._core.names), strata=self._core.params.strata
            )
            if len(drawn.rows) != labels:
                one.refuse("rows", f"are {len(drawn.rows)}, planned were {labels}")
            if np.intersect1d(drawn.rows, taken).size:
                one.refuse("rows", "were asked for before")
            taken = np.concatenate([taken, drawn.rows])
            self._rounds.add(drawn)

    def _restore_budgets(self, saved: Saved) -> None:
        """The sizes of rounds that the labels determined."""
        most = self._core.params.budget
        parts = saved.parts("rounds", at_most=most)
        budgets = [len(one.rows("rows", n=len(self._core.names))) for one in parts]
        if not all(budgets) or sum(budgets) + len(self._first) > most:
            saved.refuse("rounds", f"are {budgets} labels, the budget is {most}")
        self._budgets = tuple(budgets)

    def _size_round(self) -> None:
        """Plan one more round where the labels determine its size."""
        if self._core.params.sizes_rounds:
            self._budgets = (*self._budgets, self._next_labels())

    def _next_labels(self) -> int:
        params = self._core.params
        finished = self._rounds.finished
        if not finished:
            rest = replace(params, budget=params.budget - len(self._first))
            return first_labels(rest, params.strata)
        design = whole_design(finished, self._design())
        counts = self._rounds.evidence(finished, strata=len(design.sizes)).total
        left = params.budget - self.labels_used
        # The next cut may have more strata than those before, up to this many.
        return next_labels(
            params, self.estimate(), design, counts, left=left, strata=params.strata
        )

    def _conclude(self, finished: list[Round]) -> Estimate:
        design = whole_design(finished, self._design())
        evidence = self._rounds.evidence(finished, strata=len(design.sizes))
        precision = replace(
            self._core.params.precision(
                len(self._budgets), drawn=[len(one.rows) for one in finished]
            ),
            interval=refreshed_interval(
                finished,
                self._rounds.side_by_side(finished, strata=len(design.sizes)),
                name=self._core.params.interval,
            ),
        )
        made = conclude_from(
            design,
            refreshed_totals(finished, evidence, design),
            evidence,
            precision=precision,
            provenance=self._provenance(),
        )
        width = self._rounds.abae_width(finished, quantile=precision.quantile)
        return replace(made, abae_width=width)

    def _design(self) -> Design:
        """The sampling design; the strata are those of each round."""
        return Design(
            sizes=np.empty(0),
            proxy_means=np.empty(0),
            round_budgets=self._budgets,
            target=self._core.params.statistic,
            floor=self._core.params.floor,
            known=self._rounds.known,
            value_range=self._core.params.value_range,
            allocation=self._core.params.allocation,
        )

    def _provenance(self) -> dict[str, Any]:
        return self._core.provenance("abae-tasti", first=len(self._first))

    def _stopped(self) -> bool:
        """Whether the interval after the last round is narrow enough."""
        if (
            not self._core.params.may_stop
            or not self._rounds.drawn
            or len(self._core.answers.pending)
        ):
            return False
        return self._core.params.is_narrow(self.estimate())


def _planned(params: EstimateParams, *, first: int, given: int) -> tuple[int, ...]:
    """Labels of each round; none yet where the labels determine them.

    Without representatives or known labels, a first round of a fifth of the budget is
    drawn uniformly: its labels make the first proxies, and are part of the estimate.
    """
    if params.sizes_rounds:
        return ()
    rest = params.budget - first
    uniform = min(rest // 5, rest - params.strata) if given < 2 else 0
    later = replace(params, budget=rest - uniform).round_budgets(params.strata)
    return (uniform, *later) if uniform else later


def _first_size(first: int | None, params: EstimateParams, *, known: int) -> int:
    """Number of representatives to label.

    Raises:
        InvalidParamsError: fewer than two labels to make proxies from.
    """
    adaptive = params.allocation == "adaptive"
    if first is None:
        return 0 if known > 1 or adaptive else max(2 - known, params.budget // 5)
    require_count("first", first, at_least=0)
    if first + known < 2 and not adaptive:
        raise InvalidParamsError(
            f"proxies need at least 2 labels to be made from, got {first}"
            f" representatives and {known} known labels"
        )
    return first


def _require_room(params: EstimateParams, *, first: int) -> None:
    if params.interval == "bootstrap":
        raise InvalidParamsError(
            "rounds of different strata have no interval by resamples: take 'auto',"
            " 'polya' or 'delta', got 'bootstrap'"
        )
    if params.budget - first < params.strata:
        raise InvalidParamsError(
            f"{first} representatives leave {params.budget - first} of"
            f" {params.budget} labels, but {params.strata} strata need one label each"
        )
