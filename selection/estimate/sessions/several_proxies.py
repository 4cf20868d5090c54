"""An estimate session with several proxies: a pilot chooses one of them."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.among import Among, AmongLike
from gleann.selection.checks import require_count
from gleann.selection.estimate.labels.answers import as_positives, as_values
from gleann.selection.estimate.labels.known import (
    Known,
    KnownRows,
    known_rows,
    require_open_rows,
)
from gleann.selection.estimate.labels.round_answers import NOT_QUERIED
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.population import Population, counts_of
from gleann.selection.estimate.proxies.choice import (
    ProxyChoice,
    candidates_of,
    choose_proxy,
    draw_pilot,
    pilot_chances,
)
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.sessions.core import CORE_PARTS, SessionCore
from gleann.selection.estimate.sessions.overlapping_groups import check_groups
from gleann.selection.estimate.sessions.single import EstimateSession
from gleann.selection.estimate.stratified.strata import Proxy
from gleann.selection.estimate.stratified.weighted import ChancedLabels
from gleann.selection.provenance import (
    check_format,
    fingerprint,
)
from gleann.selection.result import Selection
from gleann.selection.saved import Saved, rebuilding

FORMAT = "gleann.estimate-choosing/3"
_PARTS = (*CORE_PARTS, "pilot", "proxies", "answers", "values", "session")


class ChoosingSession:
    """A pilot to choose among the proxies, then `EstimateSession` with the best one.

    The pilot is part of the budget, and its labels are part of the estimate: they are
    counted exactly. Make one with `start` or `resume`; use it as an `EstimateSession`.
    Not thread-safe.
    """

    def __init__(
        self,
        core: SessionCore[KnownRows],
        proxies: dict[str, Proxy],
        *,
        pilot: int,
    ) -> None:
        params, n = core.params, len(core.names)
        self._core = core
        self._proxies = proxies
        self._pilot = pilot
        self._rest = replace(params, budget=params.budget - pilot)
        self._open_rows = np.delete(np.arange(n), core.known.rows)
        self._chances = np.zeros(n)
        self._chances[self._open_rows] = pilot_chances(
            self._open_proxies(), params, pilot=pilot
        )
        # Not the stream that orders the strata later.
        rng = np.random.default_rng([params.seed, pilot])
        self._core.answers.add_round(draw_pilot(self._chances, rng=rng))
        self._choice: ProxyChoice | None = None
        self._session: EstimateSession | None = None

    @classmethod
    def start(
        cls,
        proxies: Mapping[str, ArrayLike],
        params: EstimateParams,
        *,
        pilot: int | None = None,
        ids: ArrayLike | None = None,
        known: Known | None = None,
        among: AmongLike | None = None,
    ) -> "ChoosingSession":
        """Start an estimate by the best of several proxies.

        Args:
            proxies: (n,) each, by name, at least two.
            params: of the estimate; `budget` includes the pilot.
            pilot: labels to choose by; None spends a fifth of the budget.
            ids: (n,) names of the rows; None numbers them.
            known: labels known before, as for `EstimateSession.start`. They do not
                affect the choice of the proxy, which may have been made from them.
            among: rows of the population, as for `EstimateSession.start`.

        Raises:
            InvalidInputError: proxies, ids or known labels that do not fit.
            InvalidParamsError: a budget above the rows without a label, or too small
                for pilot and strata.
        """
        population = Population.of(ids, among, n=counts_of(proxies))
        checked = population.proxies(proxies)
        before = known_rows(known, population, params)
        size = max(1, params.budget // 5) if pilot is None else pilot
        require_count("pilot", size)
        require_open_rows(params, n=len(population), known=before)
        _require_room(params, pilot=size)
        data_hash = fingerprint(*checked.values())
        core = SessionCore.of(params, population, before, data_hash=data_hash)
        return cls(core, checked, pilot=size)

    @property
    def params(self) -> EstimateParams:
        """Parameters of the estimate; the budget includes the pilot."""
        return self._core.params

    @property
    def choice(self) -> ProxyChoice | None:
        """The proxy chosen and why; None before the pilot is labelled."""
        return self._choice

    @property
    def among(self) -> Among | None:
        """The rows of the population; None for all."""
        return self._core.among

    @property
    def done(self) -> bool:
        """Whether the budget is labelled, or the interval is narrow enough."""
        return self._session is not None and self._session.done

    @property
    def labels_used(self) -> int:
        """Rows labelled so far, including the pilot's."""
        later = 0 if self._session is None else self._session.labels_used
        return self._core.answers.used + later

    @property
    def labelled_rows(self) -> Rows:
        """Rows (m,) labelled so far, including the pilot's."""
        pilot = self._core.answers.labelled_rows
        if self._session is not None:
            pilot = np.concatenate([pilot, self._session.labelled_rows])
        return self._core.in_all(pilot)

    def next_batch(self) -> Selection:
        """The rows to label next: the rest of the pilot, then as `EstimateSession`."""
        if self._session is not None:
            return self._core.placed(self._session.next_batch())
        rows = self._core.answers.pending
        chances = self._chances[rows].astype(np.float32)
        return Selection(
            rows=self._core.in_all(rows),
            ids=self._core.names.ids_of(rows),
            scores=chances,
            weights=np.reciprocal(chances),
            why={name: proxy[rows] for name, proxy in self._proxies.items()},
            summary={
                "round": 0,
                "labels_used": self.labels_used,
                "budget": self._core.params.budget,
            },
            provenance=self._provenance(),
        )

    def submit(
        self, ids: ArrayLike, positives: ArrayLike, values: ArrayLike | None = None
    ) -> int:
        """Take labels as `EstimateSession.submit`; returns the number of new ones."""
        rows = self._core.names.rows_of(ids)
        held = as_positives(positives, n=len(rows))
        numbers = as_values(values, held, target=self._core.params.statistic)
        labels = held.astype(np.int32)
        if self._session is None:
            new = self._core.answers.write(rows, labels, numbers)
            if not len(self._core.answers.pending):
                self._choice, self._session = self._choose()
            return new
        # The pilot is fully labelled: its labels can only be repeated.
        pilot = self._core.answers.labels[rows] != NOT_QUERIED
        self._core.answers.write(rows[pilot], labels[pilot], numbers[pilot])
        later = self._core.names.ids_of(rows[~pilot])
        return self._session.submit(later, held[~pilot], numbers[~pilot])

    def estimate(self) -> Estimate:
        """The estimate so far; its note names the chosen proxy and the reason.

        Raises:
            NotReadyError: the pilot or the first round is not fully labelled.
        """
        if self._session is None or self._choice is None:
            used = self._core.answers.used
            raise NotReadyError(
                f"the pilot needs {self._pilot} labels, {used} are there"
            )
        made = self._session.estimate()
        return replace(
            made,
            note="; ".join(part for part in (self._choice.reason, made.note) if part),
            provenance={**self._provenance(), "choice": asdict(self._choice)},
        )

    def state(self) -> dict[str, Any]:
        """All but the proxies, as JSON values for `resume`."""
        return self._core.state(
            FORMAT,
            pilot=self._pilot,
            proxies=list(self._proxies),
            **self._core.answers.state(),
            session=None if self._session is None else self._session.state(),
        )

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        proxies: Mapping[str, ArrayLike],
        *,
        ids: ArrayLike | None = None,
    ) -> "ChoosingSession":
        """Continue from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other proxies or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        population = Population.of_state(saved, ids, n=counts_of(proxies))
        checked = population.proxies(proxies)
        check_groups(saved.texts("proxies"), list(checked))
        n = len(population)
        core = SessionCore.resume(
            saved,
            population,
            partial(KnownRows.of_state, n=n),
            data="proxies",
            data_hash=fingerprint(*checked.values()),
        )
        pilot = saved.integer("pilot", low=1)
        with rebuilding("params"):
            require_open_rows(core.params, n=n, known=core.known)
            _require_room(core.params, pilot=pilot)
            session = cls(core, checked, pilot=pilot)
        session._core.answers.restore(saved)
        session._restore_chosen(saved)
        return session

    def _restore_chosen(self, saved: Saved) -> None:
        """Resume the session of the chosen proxy, if the pilot was labelled."""
        state = saved.value("session")
        if (state is None) != bool(len(self._core.answers.pending)):
            saved.refuse("session", "must be there once the pilot is labelled")
        if state is None:
            return
        with rebuilding("answers"):
            self._choice, begun = self._choose()
        resumed = EstimateSession.resume(
            state, self._proxy_of(self._choice.name), ids=self._core.names.held
        )
        if not resumed.begins_as(begun):
            saved.refuse("session", "is not the one that the pilot's labels begin")
        self._session = resumed

    def _proxy_of(self, name: str) -> Proxy:
        """The proxy that was chosen, over all rows."""
        return candidates_of(self._proxies, self._rest)[name]

    def _open_proxies(self) -> dict[str, Proxy]:
        return {name: proxy[self._open_rows] for name, proxy in self._proxies.items()}

    def _choose(self) -> tuple[ProxyChoice, EstimateSession]:
        """The choice by the pilot's labels, and the session that starts with them."""
        rows = self._core.answers.rounds[0]
        held, values = (
            self._core.answers.labels[rows] == 1,
            self._core.answers.values[rows],
        )
        labels = ChancedLabels(
            rows=np.searchsorted(self._open_rows, rows),
            positives=held,
            values=values,
            chances=self._chances[rows],
        )
        choice = choose_proxy(
            candidates_of(self._open_proxies(), self._rest), labels, self._rest
        )
        before = self._core.known
        begun = EstimateSession.start(
            self._proxy_of(choice.name),
            self._rest,
            ids=self._core.names.held,
            known=Known(
                ids=self._core.names.ids_of(np.concatenate([before.rows, rows])),
                positives=np.concatenate([before.positives, held]),
                values=np.concatenate([before.values, values]),
            ),
        )
        return choice, begun

    def _provenance(self) -> dict[str, Any]:
        return self._core.provenance("abae-choosing", pilot=self._pilot)


def _require_room(params: EstimateParams, *, pilot: int) -> None:
    """Refuse a pilot that does not leave a label for each stratum.

    Raises:
        InvalidParamsError: with the numbers.
    """
    if params.budget - pilot < params.strata:
        raise InvalidParamsError(
            f"a pilot of {pilot} leaves {params.budget - pilot} of {params.budget}"
            f" labels, but {params.strata} strata need one label each"
        )
