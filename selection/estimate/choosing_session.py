"""An estimation session that first chooses among several proxies."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.errors import InvalidParamsError, NotReadyError
from gleann.selection.checks import IdMap, require_count
from gleann.selection.estimate.answers import as_positives, as_values
from gleann.selection.estimate.book import NOT_ASKED, AnswerBook
from gleann.selection.estimate.choosing import (
    ProxyChoice,
    as_proxies,
    choose_proxy,
    draw_pilot,
    pilot_chances,
)
from gleann.selection.estimate.known import Known
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.session import EstimateSession
from gleann.selection.estimate.strata import Proxy
from gleann.selection.estimate.weighted import ChancedLabels
from gleann.selection.origin import check_format, check_origin, ids_hash
from gleann.selection.pool import Selection, fingerprint, provenance

FORMAT = "gleann.estimate-choosing/2"


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
        *,
        pilot: int,
    ) -> None:
        self._proxies = proxies
        self._params = params
        self._names = names
        self._pilot = pilot
        self._rest = replace(params, budget=params.budget - pilot)
        self._chances = pilot_chances(proxies, params, pilot=pilot)
        self._book = AnswerBook(names)
        # Not the stream that orders the strata later.
        rng = np.random.default_rng([params.seed, pilot])
        self._book.ask(draw_pilot(self._chances, rng=rng))
        self._choice: ProxyChoice | None = None
        self._session: EstimateSession | None = None
        self._data_hash = fingerprint(*proxies.values())
        self._ids_hash = ids_hash(names.ids)

    @classmethod
    def start(
        cls,
        proxies: Mapping[str, ArrayLike],
        params: EstimateParams,
        *,
        pilot: int | None = None,
        ids: ArrayLike | None = None,
    ) -> "ChoosingSession":
        """Begin an estimate by whichever proxy turns out best.

        Args:
            proxies: (n,) each, by name, at least two.
            params: how, `budget` covering the pilot as well.
            pilot: labels to choose by; None spends a fifth of the budget.
            ids: (n,) names of the rows; None numbers them.

        Raises:
            InvalidInputError: proxies or ids that do not fit.
            InvalidParamsError: a budget above n, or too small for pilot and strata.
        """
        checked = as_proxies(proxies)
        n = len(next(iter(checked.values())))
        size = max(1, params.budget // 5) if pilot is None else pilot
        require_count("pilot", size)
        if params.budget > n:
            raise InvalidParamsError(
                f"budget is {params.budget}, but there are {n} rows"
            )
        if params.budget - size < params.strata:
            raise InvalidParamsError(
                f"a pilot of {size} leaves {params.budget - size} of {params.budget}"
                f" labels, but {params.strata} strata need one label each"
            )
        return cls(checked, params, IdMap(ids, n=n), pilot=size)

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
        return self._book.used + later

    def next_batch(self) -> Selection:
        """What to label next: what is left of the pilot, then as `EstimateSession`."""
        if self._session is not None:
            return self._session.next_batch()
        rows = self._book.pending
        chances = self._chances[rows].astype(np.float32)
        return Selection(
            rows=rows,
            ids=self._names.ids[rows],
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
            new = self._book.write(rows, labels, numbers)
            if not len(self._book.pending):
                self._choose()
            return new
        # The pilot is labelled whole: its labels can only be those given before.
        pilot = self._book.labels[rows] != NOT_ASKED
        self._book.write(rows[pilot], labels[pilot], numbers[pilot])
        later = self._names.ids[rows[~pilot]]
        return self._session.submit(later, held[~pilot], numbers[~pilot])

    def estimate(self) -> Estimate:
        """What is known so far; its note says which proxy was chosen and why.

        Raises:
            NotReadyError: the pilot or the first round is not labelled whole.
        """
        if self._session is None or self._choice is None:
            raise NotReadyError(
                f"the pilot needs {self._pilot} labels, {self._book.used} are there"
            )
        made = self._session.estimate()
        return replace(
            made,
            note="; ".join(part for part in (self._choice.reason, made.note) if part),
            provenance={**self._provenance(), "choice": asdict(self._choice)},
        )

    def state(self) -> dict[str, Any]:
        """Everything but the proxies, as JSON values; `resume` takes it back."""
        return {
            "format": FORMAT,
            "params": asdict(self._params),
            "pilot": self._pilot,
            "proxies": list(self._proxies),
            "data_hash": self._data_hash,
            "ids_hash": self._ids_hash,
            **self._book.state(),
            "session": None if self._session is None else self._session.state(),
        }

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
        check_format(state, expected=FORMAT)
        params = EstimateParams(**state["params"])
        session = cls.start(proxies, params, pilot=state["pilot"], ids=ids)
        check_origin(
            state,
            data="proxies",
            data_hash=session._data_hash,
            ids_hash=session._ids_hash,
        )
        session._book.restore(state)
        if state["session"] is not None:
            session._choose()
            name = session._choice.name if session._choice else ""
            session._session = EstimateSession.resume(
                state["session"], session._proxies[name], ids=ids
            )
        return session

    def _choose(self) -> None:
        rows = self._book.asked[0]
        held, values = self._book.labels[rows] == 1, self._book.values[rows]
        labels = ChancedLabels(
            rows=rows, positives=held, values=values, chances=self._chances[rows]
        )
        self._choice = choose_proxy(self._proxies, labels, self._rest)
        self._session = EstimateSession.start(
            self._proxies[self._choice.name],
            self._rest,
            ids=self._names.ids,
            known=Known(ids=self._names.ids[rows], positives=held, values=values),
        )

    def _provenance(self) -> dict[str, Any]:
        return provenance(
            "abae-choosing",
            params={**asdict(self._params), "pilot": self._pilot},
            seed=self._params.seed,
            data_hash=self._data_hash,
        )
