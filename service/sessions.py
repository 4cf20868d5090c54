"""Labelling sessions: open ones in memory, every step of theirs on disk."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from sqlite3 import Row
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import Ids
from gleann.index.checks import as_ids
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
    UnknownJobError,
)
from gleann.service.live_index import View
from gleann.service.registry import Registry
from gleann.service.store import Store
from gleann.service.values import Labels, Scores, Selected, SessionInfo, SessionKind

if TYPE_CHECKING:
    from gleann.selection.active import ActiveParams, ActiveSession, StopAdvice
    from gleann.selection.estimate import (
        ChoosingSession,
        Estimate,
        EstimateParams,
        EstimateSession,
        Known,
    )
    from gleann.selection.pool import Selection

    _Open: TypeAlias = ActiveSession | ChoosingSession | EstimateSession

_DESCRIBE = """
SELECT sessions.*, indexes.name AS index_name
FROM sessions JOIN indexes ON indexes.number = sessions.index_number
"""


class Sessions:
    """The sessions of one data directory.

    A session belongs to a sealed version, which stays on disk as long as it is open.
    Sessions take turns: whoever calls a method that changes one holds its turn, and
    takes the turn before a transaction, never inside one.
    """

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry = registry
        self._store = store
        self._open: dict[str, Any] = {}
        self._turns: dict[str, RLock] = {}
        self._guard = Lock()

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Keep others from a session.

        Raises:
            UnknownJobError: there is none of that name.
        """
        self._row(name)
        with self._guard:
            turn = self._turns.setdefault(name, RLock())
        with turn:
            yield

    def start_active(
        self, view: View, params: "ActiveParams", *, ids: Ids, labels: Labels
    ) -> SessionInfo:
        """Start active learning from `labels` (m,) of `ids`.

        Raises:
            NotReadyError: the index was not built, or has changed since.
            UnknownIdError: an id is not there.
            InvalidInputError: seed labels that cannot be used.
        """
        from gleann.selection.active import ActiveSession
        from gleann.selection.pool import IndexNeighbours

        index = _sealed_index(view)
        session = ActiveSession.start(
            index.vectors,
            params,
            ids=index.ids,
            rows=view.require(as_ids(ids, n=len(ids))),
            labels=labels,
            neighbours=IndexNeighbours(index),
        )
        return self._create("active", view, session, proxy=None)

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
        ids = _sealed_index(view).ids
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

        index = _sealed_index(view)
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
            proxy, params, ids=_sealed_index(view).ids, known=known
        )
        return self._create("estimate", view, session, proxy=proxy)

    def info(self, name: str) -> SessionInfo:
        """Describe a session.

        Raises:
            UnknownJobError: there is none of that name.
        """
        return _info(self._row(name))

    def list(
        self, *, index: str, after: int, limit: int
    ) -> list[tuple[int, SessionInfo]]:
        """Sessions numbered above `after`, oldest first, with their numbers."""
        rows = self._store.rows(
            f"{_DESCRIBE} WHERE sessions.number > ? AND (? = '' OR indexes.name = ?)"
            " ORDER BY sessions.number LIMIT ?",
            after,
            index,
            index,
            limit,
        )
        return [(row["number"], _info(row)) for row in rows]

    def next_batch(self, name: str, kind: SessionKind) -> Selected:
        """What to label next; kept, so that a restart asks for the same."""
        with self.turn(name):
            session = self._session(name, kind)
            batch = _selected(session.next_batch())
            self._save(name, session)
        return batch

    def submit_labels(self, name: str, ids: Ids, labels: Labels) -> SessionInfo:
        """Take labels (m,) of the current batch of an active session."""
        with self._change(name):
            session = self._session(name, "active")
            session.submit_labels(ids, labels)
            return self._save(name, session)

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

    def ignore(self, name: str, ids: Ids) -> SessionInfo:
        """Take vectors out of an active session."""
        with self._change(name):
            session = self._session(name, "active")
            session.ignore(ids)
            return self._save(name, session)

    def stop_advice(self, name: str) -> "StopAdvice":
        """Whether to go on labelling."""
        with self.turn(name):
            advice: StopAdvice = self._session(name, "active").stop_advice()
        return advice

    def scores(self, name: str, ids: Ids | None) -> Scores:
        """Class probabilities of `ids` (m,), None for all.

        Raises:
            UnknownIdError: an id is not there.
        """
        with self.turn(name):
            session = self._session(name, "active")
            index = self._index(self._row(name))
            rows = None if ids is None else index.rows_of(ids)
            return Scores(
                ids=index.ids if ids is None else ids,
                classes=np.array(session.classes, np.int64),
                probabilities=session.probabilities(rows),
            )

    def estimate(self, name: str) -> "Estimate":
        """The estimate from the labels so far."""
        with self.turn(name):
            estimate: Estimate = self._session(name, "estimate").estimate()
        return estimate

    def close(self, name: str) -> None:
        """Forget a session."""
        with self._store.transaction() as transaction:
            row = self._row(name)
            transaction.run("DELETE FROM sessions WHERE name = ?", name)
            transaction.after_commit(lambda: self._drop(name))
            transaction.after_commit(lambda: self._registry.sweep(row["index_number"]))

    def _create(
        self,
        kind: SessionKind,
        view: View,
        session: "_Open",
        *,
        proxy: NDArray[np.float64] | None,
    ) -> SessionInfo:
        name = f"sessions/{kind}-{token_hex(8)}"
        now = time.time()
        with self._store.transaction() as transaction:
            if self._registry.view(view.name).version != view.version:
                raise NotReadyError(f"{view.name!r} was built again meanwhile: retry")
            transaction.run(
                "INSERT INTO sessions (name, kind, index_number, version, labelled,"
                " created, updated, state, proxy)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                name,
                kind,
                view.number,
                view.version,
                _labelled(session),
                now,
                now,
                json.dumps(session.state()),
                None if proxy is None else proxy.astype("<f8").tobytes(),
            )
            transaction.after_commit(lambda: self._open.update({name: session}))
            return self.info(name)

    def _row(self, name: str) -> Row:
        row = self._store.row(f"{_DESCRIBE} WHERE sessions.name = ?", name)
        if row is None:
            raise UnknownJobError(f"there is no session {name[:80]!r}")
        return row

    def _session(self, name: str, kind: SessionKind) -> Any:
        """The open session; the caller has its turn."""
        row = self._row(name)
        if row["kind"] != kind:
            raise InvalidInputError(f"{name} is of kind {row['kind']}, not {kind}")
        if name not in self._open:
            self._open[name] = self._resumed(row)
        return self._open[name]

    def _resumed(self, row: Row) -> "_Open":
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

    def _index(self, row: Row) -> SoarIndex:
        return self._registry.sealed_version(row["index_number"], row["version"])

    @contextmanager
    def _change(self, name: str) -> Iterator[None]:
        """Take back in memory what does not get to the disk."""
        with self._store.transaction() as transaction:
            transaction.after_rollback(lambda: self._drop(name))
            yield

    def _save(self, name: str, session: "_Open") -> SessionInfo:
        with self._store.transaction() as transaction:
            transaction.run(
                "UPDATE sessions SET state = ?, labelled = ?, updated = ?"
                " WHERE name = ?",
                json.dumps(session.state()),
                _labelled(session),
                time.time(),
                name,
            )
            return self.info(name)

    def _drop(self, name: str) -> None:
        self._open.pop(name, None)


def _sealed_index(view: View) -> SoarIndex:
    if view.sealed is None:
        raise NotReadyError(f"{view.name!r} was never built: build it first")
    changed = view.delta.count + len(view.sealed) - view.sealed_count
    if changed:
        raise NotReadyError(
            f"{view.name!r} has {changed} changes since version {view.version}:"
            " build it first"
        )
    return view.sealed.index


def _in_order(view: View, ids: Ids, proxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """A proxy (n,) of `ids` in the order of the index's rows."""
    index = _sealed_index(view)
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


def _selected(selection: "Selection") -> Selected:
    return Selected(
        ids=selection.ids,
        scores=selection.scores,
        weights=selection.weights,
        why=selection.why,
        summary=dict(selection.summary),
        provenance=selection.provenance,
    )


def _labelled(session: Any) -> int:
    if hasattr(session, "labels_used"):
        return int(session.labels_used)
    return len(session.labelled_rows)


def _info(row: Row) -> SessionInfo:
    return SessionInfo(
        name=row["name"],
        kind=row["kind"],
        index=row["index_name"],
        version=row["version"],
        labelled=row["labelled"],
        created_at=datetime.fromtimestamp(row["created"], UTC),
        updated_at=datetime.fromtimestamp(row["updated"], UTC),
    )
