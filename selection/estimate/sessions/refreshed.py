"""An estimation session whose proxies come from the index, made anew every round."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import as_vectors
from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.checks import IdMap, kept, require_count
from gleann.selection.estimate.labels.known import (
    Known,
    KnownRows,
    known_rows,
    require_open_rows,
)
from gleann.selection.estimate.labels.round_answers import RoundAnswers
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.proxies.propagate import representatives
from gleann.selection.estimate.refreshed.interval import refreshed_interval
from gleann.selection.estimate.refreshed.rounds import (
    Round,
    refreshed_totals,
    whole_design,
)
from gleann.selection.estimate.refreshed.session_rounds import RefreshedRounds
from gleann.selection.estimate.result import Estimate, conclude_from
from gleann.selection.estimate.stratified.estimators import Design
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

FORMAT = "gleann.estimate-tasti/1"
_PARTS = (
    "params",
    "data_hash",
    "ids_hash",
    "known",
    "first",
    "rounds",
    "answers",
    "values",
)


class TastiSession:
    """Estimates from an index alone: every round's labels make the proxies of the next.

    TASTI (Kang et al. 2022, https://arxiv.org/abs/2009.04540) labels farthest-first
    representatives and scores the other rows by them; each later label is one more.
    The representatives are counted exactly. Before a round, the rows without a label
    are scored and cut anew, unless no round has found a positive since the last cut.
    Make one with `start` or `resume`; use it as an `EstimateSession`. Not safe for
    several threads at once.
    """

    def __init__(
        self,
        vectors: Vectors,
        params: EstimateParams,
        names: IdMap,
        known: KnownRows,
        first: Rows,
    ) -> None:
        self._params = params
        self._names = names
        self._known = known
        self._first = first
        rest = replace(params, budget=params.budget - len(first))
        self._budgets = rest.round_budgets(params.strata)
        self._answers = RoundAnswers(names)
        self._rounds = RefreshedRounds(vectors, params, known, first, self._answers)
        if len(first):
            self._answers.add_round(first)
        self._made: tuple[int, Estimate] | None = None
        self._data_hash = fingerprint(vectors)
        self._ids_hash = ids_hash(names.held)

    @classmethod
    def start(
        cls,
        vectors: ArrayLike,
        params: EstimateParams,
        *,
        first: int | None = None,
        ids: ArrayLike | None = None,
        known: Known | None = None,
    ) -> "TastiSession":
        """Begin an estimate over the rows of an index.

        Args:
            vectors: (n, d), such as `metric_vectors(index)`; near is by plain L2. An
                array that can be written to is copied: later writes change nothing.
            params: how, `budget` covering the representatives. The proxies rank and
                are no probabilities: for a count cut them "geometric".
            first: representatives to label first; None takes a fifth of the budget, or
                none where labels are known.
            ids: (n,) names of the rows; None numbers them.
            known: labels that are there already; they make proxies too, are counted
                exactly and do not cost budget.

        Raises:
            InvalidInputError: vectors, ids or known labels that do not fit.
            InvalidParamsError: a budget above the rows without a label, or too small
                for representatives and strata; nothing to make proxies from; or an
                interval other than "delta".
        """
        points = kept(as_vectors(vectors), vectors)
        names = IdMap(ids, n=len(points))
        before = known_rows(known, names, target=params.target)
        size = _first_size(first, params, known=len(before.rows))
        require_open_rows(params, n=len(points), known=before)
        _require_room(params, first=size)
        picked = np.empty(0, np.int64)
        if size:
            picked = representatives(
                points, k=size, covered=before.rows, seed=params.seed
            )
        return cls(points, params, names, before, picked)

    @property
    def params(self) -> EstimateParams:
        """How the estimate is made; the budget covers the representatives."""
        return self._params

    @property
    def done(self) -> bool:
        """Whether the whole budget is labelled, or the interval is narrow enough."""
        return self.labels_used == self._params.budget or self._stopped()

    @property
    def labels_used(self) -> int:
        """Rows labelled so far, those known before not among them."""
        return self._answers.used

    def next_batch(self) -> Selection:
        """What to label next: the representatives, then one round after the other.

        The same until labels arrive; empty when the budget is spent or the interval
        is narrow enough. Weights are how many rows without a label each row of its
        round stands for; a representative stands for itself.
        """
        stopped = self._stopped()
        left = len(self._rounds.drawn) < len(self._budgets)
        if not len(self._answers.pending) and left and not stopped:
            self._rounds.add(self._rounds.plan(self._design()))
        rows = self._answers.pending
        scores, weights, strata = self._rounds.describe(rows)
        return Selection(
            rows=rows,
            ids=self._names.ids_of(rows),
            scores=clipped_scores(scores),
            weights=weights.astype(np.float32),
            why={"stratum": strata, "proxy": scores},
            summary={
                "round": len(self._rounds.drawn),
                "rounds": len(self._budgets),
                "labels_used": self.labels_used,
                "budget": self._params.budget,
                "stopped": stopped,
            },
            provenance=self._provenance(),
        )

    def submit(
        self, ids: ArrayLike, positives: ArrayLike, values: ArrayLike | None = None
    ) -> int:
        """Take labels, as `EstimateSession.submit`; returns how many were new."""
        target = self._params.target
        return self._answers.write_positives(ids, positives, values, target=target)

    def estimate(self) -> Estimate:
        """What the finished rounds say; labels of an unfinished one wait.

        Raises:
            NotReadyError: the first round is not labelled whole.
        """
        finished = self._rounds.finished
        if not finished:
            need = len(self._first) + self._budgets[0]
            raise NotReadyError(
                f"representatives and first round need {need} labels,"
                f" {self.labels_used} are there"
            )
        if self._made is None or self._made[0] != len(finished):
            self._made = (len(finished), self._conclude(finished))
        return self._made[1]

    def state(self) -> dict[str, Any]:
        """Everything but the vectors, as JSON values; `resume` takes it back."""
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self._params),
                "data_hash": self._data_hash,
                "ids_hash": self._ids_hash,
                "known": self._known.state(),
                "first": self._first.tolist(),
                "rounds": [one.state() for one in self._rounds.drawn],
                **self._answers.state(),
            }
        )

    @classmethod
    def resume(
        cls, state: dict[str, Any], vectors: ArrayLike, *, ids: ArrayLike | None = None
    ) -> "TastiSession":
        """Go on from `state()`, with the same vectors and ids.

        Raises:
            CorruptDataError: not such a state, or of other vectors or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        points = kept(as_vectors(vectors), vectors)
        n = len(points)
        names = IdMap(ids, n=n)
        check_origin(
            saved,
            data="vectors",
            data_hash=fingerprint(points),
            ids_hash=ids_hash(names.held),
        )
        params = saved.params("params", EstimateParams)
        known = KnownRows.of_state(saved.part("known"), n=n)
        first = saved.rows("first", n=n)
        if np.intersect1d(first, known.rows).size:
            saved.refuse("first", "has rows whose labels were known before")
        with rebuilding("params"):
            require_open_rows(params, n=n, known=known)
            _first_size(len(first), params, known=len(known.rows))
            _require_room(params, first=len(first))
            session = cls(points, params, names, known, first)
        session._restore_rounds(saved)
        session._answers.restore(saved)
        return session

    def _restore_rounds(self, saved: Saved) -> None:
        taken = np.concatenate([self._known.rows, self._first])
        parts = saved.parts("rounds", at_most=len(self._budgets))
        for one, labels in zip(parts, self._budgets, strict=False):
            drawn = Round.of_state(one, n=len(self._names), strata=self._params.strata)
            if len(drawn.rows) != labels:
                one.refuse("rows", f"are {len(drawn.rows)}, planned were {labels}")
            if np.intersect1d(drawn.rows, taken).size:
                one.refuse("rows", "were asked for before")
            taken = np.concatenate([taken, drawn.rows])
            self._rounds.add(drawn)

    def _conclude(self, finished: list[Round]) -> Estimate:
        design = whole_design(finished, self._design())
        evidence = self._rounds.evidence(finished, strata=len(design.sizes))
        precision = replace(
            self._params.precision(len(self._budgets)),
            interval=refreshed_interval(finished),
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
        """What was fixed in advance; the strata are those of each round."""
        return Design(
            sizes=np.empty(0),
            proxy_means=np.empty(0),
            round_budgets=self._budgets,
            target=self._params.target,
            floor=self._params.floor,
            known=self._rounds.known,
        )

    def _provenance(self) -> dict[str, Any]:
        return provenance(
            "abae-tasti",
            params={**asdict(self._params), "first": len(self._first)},
            seed=self._params.seed,
            data_hash=self._data_hash,
        )

    def _stopped(self) -> bool:
        """Whether the last round left an interval that is narrow enough."""
        if (
            not self._params.may_stop
            or not self._rounds.drawn
            or len(self._answers.pending)
        ):
            return False
        return self._params.is_narrow(self.estimate())


def _first_size(first: int | None, params: EstimateParams, *, known: int) -> int:
    """How many representatives are asked for.

    Raises:
        InvalidParamsError: fewer than two labels to make proxies from.
    """
    if first is None:
        return 0 if known > 1 else max(2 - known, params.budget // 5)
    require_count("first", first, at_least=0)
    if first + known < 2:
        raise InvalidParamsError(
            f"proxies need at least 2 labels to be made from, got {first}"
            f" representatives and {known} known labels"
        )
    return first


def _require_room(params: EstimateParams, *, first: int) -> None:
    if params.interval != "delta":
        raise InvalidParamsError(
            "rounds of different strata are combined with the interval 'delta', got"
            f" {params.interval!r}"
        )
    if params.budget - first < params.strata:
        raise InvalidParamsError(
            f"{first} representatives leave {params.budget - first} of"
            f" {params.budget} labels, but {params.strata} strata need one label each"
        )
