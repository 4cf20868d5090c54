"""Labelling sessions: those of active learning, and estimates."""

import json
from collections.abc import Mapping
from sqlite3 import Row
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids
from gleann.index.checks import as_ids
from gleann.index.errors import DimensionMismatchError, InvalidParamsError
from gleann.service.active_sessions import ActiveSessions
from gleann.service.live_index import View
from gleann.service.session_keeper import sealed_index
from gleann.service.values import SessionInfo

if TYPE_CHECKING:
    from gleann.selection.estimate import Estimate, EstimateParams, Known
    from gleann.service.session_keeper import OpenSession


class Sessions(ActiveSessions):
    """The sessions of one data directory, of every kind."""

    def start_estimate(
        self,
        view: View,
        params: "EstimateParams",
        *,
        ids: Ids,
        proxy: NDArray[np.float64],
    ) -> SessionInfo:
        """Start an estimate with `proxy` (n,) for all `ids` of the index.

        Raises:
            NotReadyError: the index was not built, or has changed since.
            UnknownIdError: an id is not there.
            InvalidInputError: a vector without a proxy.
            InvalidParamsError: a budget above the number of vectors.
        """
        return self._start_estimate(view, params, _in_order(view, ids, proxy))

    def start_estimate_choosing(
        self,
        view: View,
        params: "EstimateParams",
        *,
        proxies: Mapping[str, tuple[Ids, NDArray[np.float64]]],
    ) -> SessionInfo:
        """Start an estimate that a pilot chooses the proxy of.

        Args:
            view: the index.
            params: how.
            proxies: ids (n,) and numbers (n,) by name.

        Raises:
            As `start_estimate`, and InvalidInputError for fewer than two proxies.
        """
        from gleann.selection.estimate import ChoosingSession

        columns = {
            name: _in_order(view, ids, numbers)
            for name, (ids, numbers) in proxies.items()
        }
        ids = sealed_index(view).ids
        session = ChoosingSession.start(columns, params, ids=ids)
        stacked = np.concatenate(list(columns.values()))
        return self._create("estimate", view, session, proxy=stacked)

    def start_estimate_from_examples(
        self,
        view: View,
        params: "EstimateParams",
        *,
        ids: Ids,
        labels: NDArray[np.float64],
        neighbours: int | None,
    ) -> SessionInfo:
        """Start an estimate whose proxy spreads the `labels` (m,) of `ids`.

        Labels that are all 0 or 1 are answers: they are counted exactly and not asked
        for again, except positives whose value is wanted.

        Raises:
            As `start_estimate`.
        """
        from gleann.selection.estimate import Known, propagate_labels

        index = sealed_index(view)
        rows = view.require(as_ids(ids, n=len(ids)))
        chosen = {} if neighbours is None else {"neighbours": neighbours}
        proxy = propagate_labels(index.vectors, rows=rows, labels=labels, **chosen)
        known = _answers_in(labels, target=params.target)
        return self._start_estimate(
            view,
            params,
            proxy.astype(np.float64),
            known=Known(
                ids=index.ids[rows[known]],
                positives=labels[known] == 1,
                values=np.zeros(int(known.sum())),
            ),
        )

    def _start_estimate(
        self,
        view: View,
        params: "EstimateParams",
        proxy: NDArray[np.float64],
        *,
        known: "Known | None" = None,
    ) -> SessionInfo:
        from gleann.selection.estimate import EstimateSession

        if params.budget > len(proxy):
            raise InvalidParamsError(
                f"budget is {params.budget}, but {view.name!r} has {len(proxy)} vectors"
            )
        session = EstimateSession.start(
            proxy, params, ids=sealed_index(view).ids, known=known
        )
        return self._create("estimate", view, session, proxy=proxy)

    def submit_answers(
        self,
        name: str,
        ids: Ids,
        positives: NDArray[np.bool_],
        values: NDArray[np.float64] | None,
    ) -> SessionInfo:
        """Take answers (m,) of the current batch of an estimate session."""
        with self._change(name):
            session = self._session(name, "estimate")
            session.submit(ids, positives, values)
            return self._save(name, session)

    def estimate(self, name: str) -> "Estimate":
        """The estimate from the labels so far."""
        with self.turn(name):
            estimate: Estimate = self._session(name, "estimate").estimate()
        return estimate

    def _resumed(self, row: Row) -> "OpenSession":
        index = self._index(row)
        state = json.loads(row["state"])
        if row["kind"] == "active":
            from gleann.selection.active import ActiveSession
            from gleann.selection.pool import IndexNeighbours

            return ActiveSession.resume(
                state, index.vectors, ids=index.ids, neighbours=IndexNeighbours(index)
            )
        from gleann.selection.estimate import ChoosingSession, EstimateSession

        proxy = np.frombuffer(row["proxy"], "<f8")
        if "proxies" in state:
            columns = proxy.reshape(len(state["proxies"]), -1)
            proxies = dict(zip(state["proxies"], columns, strict=True))
            return ChoosingSession.resume(state, proxies, ids=index.ids)
        return EstimateSession.resume(state, proxy, ids=index.ids)


def _in_order(view: View, ids: Ids, proxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """A proxy (n,) of `ids` in the order of the index's rows."""
    index = sealed_index(view)
    rows = view.require(as_ids(ids, n=len(ids)))
    if len(rows) != len(index):
        raise DimensionMismatchError(
            f"proxy has {len(rows)} numbers, but {view.name!r} has {len(index)} vectors"
        )
    ordered = np.empty(len(index))
    ordered[rows] = proxy
    return ordered


def _answers_in(labels: NDArray[np.float64], *, target: str) -> NDArray[np.bool_]:
    """Which labels (m,) of a proxy are answers too, that need not be asked for.

    None where some are numbers between or beyond 0 and 1, and no positive where the
    target reads its value.
    """
    if not np.isin(labels, (0, 1)).all():
        return np.zeros(len(labels), np.bool_)
    return (labels == 0) | (target == "count")
