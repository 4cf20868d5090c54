"""An estimation session that first chooses among several proxies."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.checks import IdMap, require_count
from gleann.selection.estimate.labels.answers import as_positives, as_values
from gleann.selection.estimate.labels.known import (
    Known,
    KnownRows,
    known_rows,
    require_open_rows,
)
from gleann.selection.estimate.labels.round_answers import NOT_QUERIED, RoundAnswers
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.proxies.choice import (
    ProxyChoice,
    as_proxies,
    choose_proxy,
    draw_pilot,
    pilot_chances,
)
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.sessions.overlapping_groups import check_groups
from gleann.selection.estimate.sessions.single import EstimateSession
from gleann.selection.estimate.stratified.strata import Proxy
from gleann.selection.estimate.stratified.weighted import ChancedLabels
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

FORMAT = "gleann.estimate-choosing/3"
_PARTS = (
    "params",
    "known",
    "pilot",
    "proxies",
    "data_hash",
    "ids_hash",
    "answers",
    "values",
    "session",
)


class ChoosingSession:
    """A pilot that judges every proxy, then `EstimateSession` by the best of them.

    The pilot is part of the budget, and its labels are part of the estimate: they are
    counted exactly. Make one with `start` or `resume`; use it as an `EstimateSession`.
    Not safe for several threads at once.
    """

    def __init__(
        self,
        proxies: dict[str, Proxy],
        params: EstimateParams,
        names: IdMap,
        known: KnownRows,
        *,
        pilot: int,
    ) -> None:
        self._proxies = proxies
        self._params = params
        self._names = names
        self._known = known
        self._pilot = pilot
        self._rest = replace(params, budget=params.budget - pilot)
        self._open_rows = np.delete(np.arange(len(names)), known.rows)
        self._chances = np.zeros(len(names))
        self._chances[self._open_rows] = pilot_chances(
            self._open_proxies(), params, pilot=pilot
        )
        self._answers = RoundAnswers(names)
        # Not the stream that orders the strata later.
        rng = np.random.default_rng([params.seed, pilot])
        self._answers.add_round(draw_pilot(self._chances, rng=rng))
        self._choice: ProxyChoice | None = None
        self._session: EstimateSession | None = None
        self._data_hash = fingerprint(*proxies.values())
        self._ids_hash = ids_hash(names.held)

    @classmethod
    def start(
        cls,
        proxies: Mapping[str, ArrayLike],
        params: EstimateParams,
        *,
        pilot: int | None = None,
        ids: ArrayLike | None = None,
        known: Known | None = None,
    ) -> "ChoosingSession":
        """Begin an estimate by whichever proxy turns out best.

        Args:
            proxies: (n,) each, by name, at least two.
            params: how, `budget` covering the pilot as well.
            pilot: labels to choose by; None spends a fifth of the budget.
            ids: (n,) names of the rows; None numbers them.
            known: labels that are there already, as `EstimateSession.start` takes them.
                They do not judge the proxies, which may have been made from them.

        Raises:
            InvalidInputError: proxies, ids or known labels that do not fit.
            InvalidParamsError: a budget above the rows without a label, or too small
                for pilot and strata.
        """
        checked = as_proxies(proxies)
        n = len(next(iter(checked.values())))
        names = IdMap(ids, n=n)
        before = known_rows(known, names, target=params.target)
        size = max(1, params.budget // 5) if pilot is None else pilot
        require_count("pilot", size)
        require_open_rows(params, n=n, known=before)
        _require_room(params, pilot=size)
        return cls(checked, params, names, before, pilot=size)

    @property
    def params(self) -> EstimateParams:
        """How the estimate is made; the budget covers the pilot."""
        return self._params

    @property
    def choice(self) -> ProxyChoice | None:
        """The proxy chosen and why; None before the pilot is labelled."""
        return self._choice

    @property
    def done(self) -> bool:
        """Whether the budget is labelled, or the interval is narrow enough."""
        return self._session is not None and self._session.done

    @property
    def labels_used(self) -> int:
        """Rows labelled so far, the pilot's among them."""
        later = 0 if self._session is None else self._session.labels_used
        return self._answers.used + later

    def next_batch(self) -> Selection:
        """What to label next: what is left of the pilot, then as `EstimateSession`."""
        if self._session is not None:
            return self._session.next_batch()
        rows = self._answers.pending
        chances = self._chances[rows].astype(np.float32)
        return Selection(
            rows=rows,
            ids=self._names.ids_of(rows),
            scores=chances,
            weights=np.reciprocal(chances),
            why={name: proxy[rows] for name, proxy in self._proxies.items()},
            summary={
                "round": 0,
                "labels_used": self.labels_used,
                "budget": self._params.budget,
            },
            provenance=self._provenance(),
        )

    def submit(
        self, ids: ArrayLike, positives: ArrayLike, values: ArrayLike | None = None
    ) -> int:
        """Take labels, as `EstimateSession.submit`; returns how many were new."""
        rows = self._names.rows_of(ids)
        held = as_positives(positives, n=len(rows))
        numbers = as_values(values, held, target=self._params.target)
        labels = held.astype(np.int32)
        if self._session is None:
            new = self._answers.write(rows, labels, numbers)
            if not len(self._answers.pending):
                self._choice, self._session = self._choose()
            return new
        # The pilot is labelled whole: its labels can only be those given before.
        pilot = self._answers.labels[rows] != NOT_QUERIED
        self._answers.write(rows[pilot], labels[pilot], numbers[pilot])
        later = self._names.ids_of(rows[~pilot])
        return self._session.submit(later, held[~pilot], numbers[~pilot])

    def estimate(self) -> Estimate:
        """What is known so far; its note says which proxy was chosen and why.

        Raises:
            NotReadyError: the pilot or the first round is not labelled whole.
        """
        if self._session is None or self._choice is None:
            raise NotReadyError(
                f"the pilot needs {self._pilot} labels, {self._answers.used} are there"
            )
        made = self._session.estimate()
        return replace(
            made,
            note="; ".join(part for part in (self._choice.reason, made.note) if part),
            provenance={**self._provenance(), "choice": asdict(self._choice)},
        )

    def state(self) -> dict[str, Any]:
        """Everything but the proxies, as JSON values; `resume` takes it back."""
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self._params),
                "known": self._known.state(),
                "pilot": self._pilot,
                "proxies": list(self._proxies),
                "data_hash": self._data_hash,
                "ids_hash": self._ids_hash,
                **self._answers.state(),
                "session": None if self._session is None else self._session.state(),
            }
        )

    @classmethod
    def resume(
        cls,
        state: dict[str, Any],
        proxies: Mapping[str, ArrayLike],
        *,
        ids: ArrayLike | None = None,
    ) -> "ChoosingSession":
        """Go on from `state()`, with the same proxies and ids.

        Raises:
            CorruptDataError: not such a state, or of other proxies or ids.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        checked = as_proxies(proxies)
        check_groups(saved.texts("proxies"), list(checked))
        n = len(next(iter(checked.values())))
        names = IdMap(ids, n=n)
        check_origin(
            saved,
            data="proxies",
            data_hash=fingerprint(*checked.values()),
            ids_hash=ids_hash(names.held),
        )
        params = saved.params("params", EstimateParams)
        known = KnownRows.of_state(saved.part("known"), n=n)
        pilot = saved.integer("pilot", low=1)
        with rebuilding("params"):
            require_open_rows(params, n=n, known=known)
            _require_room(params, pilot=pilot)
            session = cls(checked, params, names, known, pilot=pilot)
        session._answers.restore(saved)
        session._restore_chosen(saved)
        return session

    def _restore_chosen(self, saved: Saved) -> None:
        """Go on with the session by the chosen proxy, if the pilot was labelled."""
        state = saved.value("session")
        if (state is None) != bool(len(self._answers.pending)):
            saved.refuse("session", "must be there once the pilot is labelled")
        if state is None:
            return
        with rebuilding("answers"):
            self._choice, begun = self._choose()
        resumed = EstimateSession.resume(
            state, self._proxies[self._choice.name], ids=self._names.held
        )
        if not resumed.begins_as(begun):
            saved.refuse("session", "is not the one that the pilot's labels begin")
        self._session = resumed

    def _open_proxies(self) -> dict[str, Proxy]:
        return {name: proxy[self._open_rows] for name, proxy in self._proxies.items()}

    def _choose(self) -> tuple[ProxyChoice, EstimateSession]:
        """By the pilot's labels; with the session that begins with them."""
        rows = self._answers.rounds[0]
        held, values = self._answers.labels[rows] == 1, self._answers.values[rows]
        labels = ChancedLabels(
            rows=np.searchsorted(self._open_rows, rows),
            positives=held,
            values=values,
            chances=self._chances[rows],
        )
        choice = choose_proxy(self._open_proxies(), labels, self._rest)
        before = self._known
        begun = EstimateSession.start(
            self._proxies[choice.name],
            self._rest,
            ids=self._names.held,
            known=Known(
                ids=self._names.ids_of(np.concatenate([before.rows, rows])),
                positives=np.concatenate([before.positives, held]),
                values=np.concatenate([before.values, values]),
            ),
        )
        return choice, begun

    def _provenance(self) -> dict[str, Any]:
        return provenance(
            "abae-choosing",
            params={**asdict(self._params), "pilot": self._pilot},
            seed=self._params.seed,
            data_hash=self._data_hash,
        )


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
