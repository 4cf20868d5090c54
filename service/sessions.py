"""Labelling sessions: open ones in memory, every step of theirs on disk."""

import json
import time
from collections.abc import Iterator
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
    InvalidInputError,
    NotReadyError,
    UnknownJobError,
)
from gleann.service import estimate_sessions
from gleann.service.estimate_sessions import sealed_index
from gleann.service.live_index import View
from gleann.service.registry import Registry
from gleann.service.store import Store
from gleann.service.values import Labels, Scores, Selected, SessionInfo, SessionKind

if TYPE_CHECKING:
    from gleann.selection.active import ActiveParams, ActiveSession, StopAdvice
    from gleann.selection.estimate import Estimate
    from gleann.selection.pool import Selection
    from gleann.service.estimate_sessions import EstimateLike, Started

    _Open: TypeAlias = ActiveSession | EstimateLike

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

        index = sealed_index(view)
        session = ActiveSession.start(
            index.vectors,
            params,
            ids=index.ids,
            rows=view.require(as_ids(ids, n=len(ids))),
            labels=labels,
            neighbours=IndexNeighbours(index),
        )
        return self._create("active", view, session, proxy=None)

    def start_estimate(self, view: View, started: "Started") -> SessionInfo:
        """Keep an estimate that was started on the index of `view`.

        Raises:
            NotReadyError: the index was built again meanwhile.
        """
        return self._create(started.kind, view, started.session, proxy=started.proxy)

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

    def next_batches(self, name: str) -> dict[str, Selected]:
        """What to label next for each group, "" where the answer names the group."""
        with self.turn(name):
            session = self._session(name, "groups")
            if hasattr(session, "next_batches"):
                batches = session.next_batches()
            else:
                batch = session.next_batch()
                batches = {"": batch} if len(batch) else {}
            self._save(name, session)
        return {group: _selected(batch) for group, batch in batches.items()}

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

    def submit_positives(
        self,
        name: str,
        group: str,
        ids: Ids,
        positives: NDArray[np.bool_],
        values: NDArray[np.float64] | None,
    ) -> SessionInfo:
        """Take answers (m,) of one group's current batch, where groups overlap.

        Raises:
            InvalidInputError: answers of this session name the group.
        """
        with self._change(name):
            session = self._session(name, "groups")
            if not hasattr(session, "next_batches"):
                raise InvalidInputError(
                    f"answers of {name} name the group: give groups, not positives"
                    f" of {group!r}"
                )
            session.submit(group, ids, positives, values)
            return self._save(name, session)

    def submit_groups(
        self,
        name: str,
        ids: Ids,
        groups: Labels,
        values: NDArray[np.float64] | None,
    ) -> SessionInfo:
        """Take group numbers (m,) of the current batch, where each item has one.

        Raises:
            InvalidInputError: every group of this session asks its own question.
        """
        with self._change(name):
            session = self._session(name, "groups")
            if hasattr(session, "next_batches"):
                raise InvalidInputError(
                    f"every group of {name} asks its own question: name the group, and"
                    " give positives"
                )
            session.submit(ids, groups, values)
            return self._save(name, session)

    def estimates(self, name: str) -> "dict[str, Estimate]":
        """The estimate of each group from the labels so far."""
        with self.turn(name):
            made: dict[str, Estimate] = self._session(name, "groups").estimates()
        return made

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
        proxy = None if row["proxy"] is None else np.frombuffer(row["proxy"], "<f8")
        return estimate_sessions.resume(state, index, proxy)

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
