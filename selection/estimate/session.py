"""An estimation session: which rows to label, and what their labels say of all."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import (
    CorruptDataError,
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
)
from gleann.selection.checks import IdMap, as_scores, shown
from gleann.selection.estimate.allocate import Draws
from gleann.selection.estimate.answers import as_positives, as_values
from gleann.selection.estimate.estimators import Design, next_draws, pilot_draws
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.result import Estimate, conclude
from gleann.selection.estimate.strata import STRATA_CUTS, Proxy, drawing_order
from gleann.selection.estimate.tally import Tally, moments, tally, total
from gleann.selection.pool import Selection, fingerprint, provenance

FORMAT = "gleann.estimate/1"
NOT_ASKED, UNKNOWN = -2, -1


class EstimateSession:
    """ABae in rounds: a pilot over all strata, then labels where they help most.

    Kang et al. 2021, https://arxiv.org/abs/2108.06313; where ours differs stands in
    `selection/DEPARTURES.md`. Make one with `start` or `resume`. Not safe for several
    threads at once.
    """

    def __init__(self, proxy: Proxy, params: EstimateParams, names: IdMap) -> None:
        self._params = params
        self._names = names
        self._proxy = proxy
        self._stratum_nos = STRATA_CUTS[params.strata_cut](proxy, strata=params.strata)
        sizes = np.bincount(self._stratum_nos)
        self._order = drawing_order(self._stratum_nos, seed=params.seed)
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._design = Design(
            sizes=sizes.astype(np.float64),
            proxy_means=np.bincount(self._stratum_nos, weights=proxy) / sizes,
            round_budgets=params.round_budgets(len(sizes)),
            target=params.target,
            floor=params.floor,
        )
        self._draws: list[Draws] = []
        self._asked: list[Rows] = []
        n = len(proxy)
        self._answers: NDArray[np.int8] = np.full(n, NOT_ASKED, np.int8)
        self._values: NDArray[np.float64] = np.zeros(n)
        self._data_hash = fingerprint(proxy)

    @classmethod
    def start(
        cls,
        proxy: ArrayLike,
        params: EstimateParams,
        *,
        ids: ArrayLike | None = None,
    ) -> "EstimateSession":
        """Begin an estimate over rows with these proxies.

        Args:
            proxy: (n,) cheap scores, higher where the predicate is likelier to hold.
                Any quality gives honest intervals; a good one gives narrow ones.
            params: how.
            ids: (n,) names of the rows; None numbers them.

        Raises:
            InvalidInputError: proxies that are not finite numbers, or below 0 under
                the cut "sqrt_mass"; ids that do not fit.
            InvalidParamsError: a budget above n.
        """
        checked = as_scores(proxy, name="proxy")
        if params.budget > len(checked):
            raise InvalidParamsError(
                f"budget is {params.budget}, but there are {len(checked)} rows"
            )
        return cls(checked, params, IdMap(ids, n=len(checked)))

    @property
    def params(self) -> EstimateParams:
        """How the estimate is made."""
        return self._params

    @property
    def done(self) -> bool:
        """Whether the whole budget is labelled."""
        return self.labels_used == self._params.budget

    @property
    def labels_used(self) -> int:
        """Rows labelled so far."""
        return int((self._answers > UNKNOWN).sum())

    def next_batch(self) -> Selection:
        """What to label next: what is left of this round, or else the next round.

        The same until labels arrive; empty when the budget is spent.
        """
        if not len(self._pending()) and self._rounds_left():
            self._plan_round()
        rows = self._pending()
        strata = self._stratum_nos[rows]
        draws = self._draws[-1]
        return Selection(
            rows=rows,
            ids=self._names.ids[rows],
            scores=self._proxy[rows].astype(np.float32),
            weights=(self._design.sizes[strata] / draws[strata]).astype(np.float32),
            why={"stratum": strata, "proxy": self._proxy[rows]},
            summary={
                "round": len(self._draws),
                "rounds": len(self._design.round_budgets),
                "labels_used": self.labels_used,
                "budget": self._params.budget,
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
        rows = self._names.rows_of(ids)
        held = as_positives(positives, n=len(rows))
        numbers = as_values(values, held, target=self._params.target)
        self._require_asked(rows)
        self._require_same(rows, held, numbers)
        new = int((self._answers[rows] == UNKNOWN).sum())
        self._answers[rows] = held
        self._values[rows] = numbers
        return new

    def estimate(self) -> Estimate:
        """What the finished rounds say; labels of an unfinished one wait.

        Raises:
            NotReadyError: the first round is not labelled whole.
        """
        rounds = self._finished()
        if not rounds:
            need = self._design.round_budgets[0]
            raise NotReadyError(
                f"the first round needs {need} labels, {self.labels_used} are there"
            )
        return conclude(
            self._design,
            rounds,
            confidence=self._params.confidence,
            provenance=self._provenance(),
        )

    def state(self) -> dict[str, Any]:
        """Everything but the proxies, as JSON values; `resume` takes it back."""
        asked = self._all_asked()
        return {
            "format": FORMAT,
            "params": asdict(self._params),
            "data_hash": self._data_hash,
            "draws": [draws.tolist() for draws in self._draws],
            "answers": self._answers[asked].tolist(),
            "values": self._values[asked].tolist(),
        }

    @classmethod
    def resume(
        cls, state: dict[str, Any], proxy: ArrayLike, *, ids: ArrayLike | None = None
    ) -> "EstimateSession":
        """Go on from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other proxies.
        """
        if state.get("format") != FORMAT:
            raise CorruptDataError(
                f"expected a state of format {FORMAT}, got {state.get('format')!r}"
            )
        session = cls.start(proxy, EstimateParams(**state["params"]), ids=ids)
        if session._data_hash != state["data_hash"]:
            raise CorruptDataError(
                f"the state is of proxies {state['data_hash'][:12]},"
                f" these are {session._data_hash[:12]}"
            )
        for draws in state["draws"]:
            session._draw(np.asarray(draws, np.int64))
        asked = session._all_asked()
        session._answers[asked] = state["answers"]
        session._values[asked] = state["values"]
        return session

    def _provenance(self) -> dict[str, Any]:
        return provenance(
            "abae",
            params=asdict(self._params),
            seed=self._params.seed,
            data_hash=self._data_hash,
        )

    def _all_asked(self) -> Rows:
        return np.concatenate([np.empty(0, np.int64), *self._asked])

    def _pending(self) -> Rows:
        if not self._asked:
            return np.empty(0, np.int64)
        rows = self._asked[-1]
        return rows[self._answers[rows] == UNKNOWN]

    def _rounds_left(self) -> int:
        return len(self._design.round_budgets) - len(self._draws)

    def _plan_round(self) -> None:
        if not self._draws:
            self._draw(pilot_draws(self._design))
            return
        self._draw(
            next_draws(
                self._design,
                moments(total(self._finished())),
                labelled=self._drawn_before(),
                budget=self._design.round_budgets[len(self._draws)],
            )
        )

    def _drawn_before(self) -> Draws:
        none = np.zeros(len(self._design.sizes), np.int64)
        return np.sum([none, *self._draws], axis=0)

    def _draw(self, draws: Draws) -> None:
        firsts = self._starts + self._drawn_before()
        spans = [
            self._order[first : first + count]
            for first, count in zip(firsts, draws, strict=True)
        ]
        rows = np.concatenate(spans)
        self._answers[rows] = UNKNOWN
        self._asked.append(rows)
        self._draws.append(draws)

    def _finished(self) -> list[Tally]:
        return [
            tally(
                self._stratum_nos[rows],
                self._answers[rows] == 1,
                self._values[rows],
                strata=len(self._design.sizes),
            )
            for rows in self._asked
            if (self._answers[rows] != UNKNOWN).all()
        ]

    def _require_asked(self, rows: Rows) -> None:
        strange = rows[self._answers[rows] == NOT_ASKED]
        if strange.size:
            raise InvalidInputError(
                f"{strange.size} of {len(rows)} labels are for ids that were not asked"
                f" for: {shown(self._names.ids[strange])}"
            )

    def _require_same(
        self, rows: Rows, held: NDArray[np.bool_], numbers: NDArray[np.float64]
    ) -> None:
        known = self._answers[rows] != UNKNOWN
        other = (self._answers[rows] != held) | (self._values[rows] != numbers)
        changed = rows[known & other]
        if changed.size:
            raise InvalidInputError(
                f"{changed.size} of {len(rows)} labels differ from those given before:"
                f" {shown(self._names.ids[changed])}"
            )
