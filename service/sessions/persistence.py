"""Labelling sessions of any kind: open ones in memory, every step of theirs on disk."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from sqlite3 import Row
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.errors import InvalidInputError, NotReadyError, UnknownJobError
from gleann.service.state.live_index import View
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.values import Selected, SessionInfo, SessionKind

if TYPE_CHECKING:
    from gleann.selection.active import ActiveSession
    from gleann.selection.result import Selection
    from gleann.service.sessions.start_estimate import EstimateLike

    OpenSession: TypeAlias = ActiveSession | EstimateLike

Keep: TypeAlias = Callable[[], SessionInfo]
"""Writes down what was worked out before: a quick call, for a transaction."""

_DESCRIBE = """
SELECT sessions.*, indexes.name AS index_name
FROM sessions JOIN indexes ON indexes.number = sessions.index_number
"""


class SessionKeeper:
    """The sessions of one data directory, whatever they ask; `Sessions` is to be used.

    A session belongs to a sealed version, which stays on disk as long as it is open.
    Sessions take turns: whoever calls a method that changes one is inside `changing`,
    which is entered before a transaction, never inside one. Such a method does what
    takes time, and returns what writes it down.
    """

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry = registry
        self._store = store
        self._open: dict[str, Any] = {}
        # A turn is there as long as somebody has it or waits for it.
        self._turns: WeakValueDictionary[str, RLock] = WeakValueDictionary()
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

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Keep others from a session, and take back in memory what is not written down.

        Raises:
            UnknownJobError: there is none of that name.
        """
        with self.turn(name):
            try:
                yield
            except BaseException:
                self._drop(name)
                raise

    def info(self, name: str) -> SessionInfo:
        """Describe a session.

        Raises:
            UnknownJobError: there is none of that name.
            CorruptDataError: it was damaged on the disk; it can only be closed.
        """
        row = self._row(name)
        self._store.require_whole("sessions", name)
        return _info(row)

    def list(
        self, *, index: str, after: int, limit: int
    ) -> list[tuple[int, SessionInfo]]:
        """Sessions numbered above `after`, oldest first, with their numbers.

        Those that were damaged on the disk are left out.
        """
        rows = self._store.rows(
            f"{_DESCRIBE} WHERE sessions.number > ? AND (? = '' OR indexes.name = ?)"
            " ORDER BY sessions.number LIMIT ?",
            after,
            index,
            index,
            limit,
        )
        damaged = self._store.damaged("sessions")
        return [
            (row["number"], _info(row)) for row in rows if row["name"] not in damaged
        ]

    def next_batch(self, name: str, kind: SessionKind) -> Selected:
        """What to label next; kept, so that a restart asks for the same."""
        with self.changing(name):
            session = self._session(name, kind)
            batch = selected_of(session.next_batch())
            self._saved(name, session)()
        return batch

    def close(self, name: str) -> int:
        """Forget a session.

        Returns:
            The number of its index, of which versions may be `swept` now.
        """
        with self._store.transaction() as transaction:
            row = self._row(name)
            transaction.run("DELETE FROM sessions WHERE name = ?", name)
            transaction.after_commit(lambda: self._drop(name))
            transaction.after_commit(lambda: self._store.mended("sessions", name))
        return int(row["index_number"])

    def _created(
        self,
        kind: SessionKind,
        view: View,
        session: "OpenSession",
        *,
        proxy: NDArray[np.float64] | None,
    ) -> Keep:
        name = f"sessions/{kind}-{token_hex(8)}"
        labelled, state = _labelled(session), json.dumps(session.state())
        packed = None if proxy is None else proxy.astype("<f8").tobytes()

        def keep() -> SessionInfo:
            now = time.time()
            with self._store.transaction() as transaction:
                if self._registry.view(view.name).version != view.version:
                    raise NotReadyError(
                        f"{view.name!r} was built again meanwhile: retry"
                    )
                transaction.run(
                    "INSERT INTO sessions (name, kind, index_number, version, labelled,"
                    " created, updated, state, proxy)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    name,
                    kind,
                    view.number,
                    view.version,
                    labelled,
                    now,
                    now,
                    state,
                    packed,
                )
                transaction.after_commit(lambda: self._open.update({name: session}))
                return self.info(name)

        return keep

    def _row(self, name: str) -> Row:
        row = self._store.row(f"{_DESCRIBE} WHERE sessions.name = ?", name)
        if row is None:
            raise UnknownJobError(f"there is no session {name[:80]!r}")
        return row

    def _session(self, name: str, kind: SessionKind) -> Any:
        """The open session; the caller has its turn."""
        row = self._row(name)
        self._store.require_whole("sessions", name)
        if row["kind"] != kind:
            raise InvalidInputError(f"{name} is of kind {row['kind']}, not {kind}")
        if name not in self._open:
            self._open[name] = self._resumed(row)
        return self._open[name]

    def _resumed(self, row: Row) -> "OpenSession":
        """The session of a row, as it was saved."""
        raise NotImplementedError

    def _index(self, row: Row) -> SoarIndex:
        return self._registry.sealed_version(row["index_number"], row["version"])

    def _saved(self, name: str, session: "OpenSession") -> Keep:
        labelled, state = _labelled(session), json.dumps(session.state())

        def keep() -> SessionInfo:
            with self._store.transaction() as transaction:
                transaction.run(
                    "UPDATE sessions SET state = ?, labelled = ?, updated = ?"
                    " WHERE name = ?",
                    state,
                    labelled,
                    time.time(),
                    name,
                )
                return self.info(name)

        return keep

    def _drop(self, name: str) -> None:
        self._open.pop(name, None)


def selected_of(selection: "Selection") -> Selected:
    """A batch of the library as the service answers with it."""
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
