"""Store of labelling sessions: open ones in memory, every step on disk."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from gleann.index.errors import (
    CorruptDataError,
    InvalidInputError,
    NotReadyError,
    UnknownJobError,
)
from gleann.service import steady_clock
from gleann.service.calls.context import current_call
from gleann.service.calls.visible import visible_rows
from gleann.service.sessions.open_sessions import OpenSessions
from gleann.service.sessions.resume import Session, resume
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.values import Limits, Selected, SessionInfo, SessionKind
from gleann.service.views.live_index import View, sealed_index

if TYPE_CHECKING:
    from gleann.selection.result import Selection

Keep: TypeAlias = Callable[[], SessionInfo]
"""Writes down what was worked out before: a quick call, for a transaction."""

_DESCRIBE = """
SELECT sessions.number, sessions.name, sessions.kind, sessions.index_number,
    sessions.version, sessions.labelled, sessions.created, sessions.updated,
    sessions.owner,
    indexes.name AS index_name
FROM sessions JOIN indexes ON indexes.number = sessions.index_number
"""
"""Without the state and the proxies, which may be large."""


class SessionStore:
    """The sessions of one data directory, of every kind.

    Operations of one kind only are in `ActiveSessions`, `RoundsSessions`,
    `EstimateSessions`, `GroupSessions`, `PromiseSessions` and `MeansSessions`, which
    share this store.

    A session belongs to a sealed version, which stays on disk as long as it is open.
    One thread at a time changes a session: the caller of a changing method must be
    inside `changing`, entered before a transaction, never inside one. Such a method
    does the slow work and returns a function that saves the result.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store,
        *,
        limits: Callable[[], Limits] = Limits,
    ) -> None:
        """Make the store of a data directory.

        Args:
            registry: the indexes.
            store: the database.
            limits: the caps on requests, which may change.
        """
        self.limits = limits
        self._registry = registry
        self._store = store
        self._open = OpenSessions()
        # A turn exists as long as a thread has it or waits for it.
        self._turns: WeakValueDictionary[str, RLock] = WeakValueDictionary()
        self._guard = Lock()

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Lock a session against other threads.

        Raises:
            UnknownJobError: no session has this name.
        """
        self._row(name)
        with self._guard:
            turn = self._turns.setdefault(name, RLock())
        with turn:
            yield

    def in_turn(self) -> "list[str]":
        """The sessions that somebody has, or waits for."""
        with self._guard:
            return list(self._turns)

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Lock a session; drop its changes in memory that were not saved.

        Raises:
            UnknownJobError: no session has this name.
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
            UnknownJobError: no session has this name.
            CorruptDataError: it is damaged on disk; it can only be closed.
        """
        row = self._row(name)
        self._store.require_whole("sessions", name)
        return _info(row)

    def list(
        self, *, index: str, after: int, limit: int
    ) -> list[tuple[int, SessionInfo]]:
        """Sessions with numbers above `after`, oldest first, and their numbers.

        Damaged sessions are left out, and those that the caller may not see.
        """

        def read(after: int, limit: int) -> list[Row]:
            return self._store.rows(
                f"{_DESCRIBE} WHERE sessions.number > ?"
                " AND (? = '' OR indexes.name = ?) ORDER BY sessions.number LIMIT ?",
                after,
                index,
                index,
                limit,
            )

        rows = visible_rows(read, after=after, limit=limit)
        damaged = self._store.damaged("sessions")
        return [
            (row["number"], _info(row)) for row in rows if row["name"] not in damaged
        ]

    def in_memory(self) -> Mapping[int, Sequence[object]]:
        """The sessions that are in memory, by the number of their index."""
        found: defaultdict[int, tuple[object, ...]] = defaultdict(tuple)
        for name, session in self._open.all().items():
            row = self._store.row(
                "SELECT index_number FROM sessions WHERE name = ?", name
            )
            if row is not None:
                found[int(row["index_number"])] += (session,)
        return found

    def close(self, name: str) -> int:
        """Delete a session.

        Returns:
            The number of its index, whose unused versions can now be removed.
        """
        with self._store.transaction() as transaction:
            row = self._row(name)
            transaction.run("DELETE FROM sessions WHERE name = ?", name)
            transaction.after_commit(lambda: self._drop(name))
            transaction.after_commit(lambda: self._store.mended("sessions", name))
        return int(row["index_number"])

    def created(
        self,
        kind: SessionKind,
        view: View,
        session: Session,
        *,
        labelled: int,
        proxy: NDArray[np.float64] | bytes | None = None,
    ) -> Keep:
        """The function that saves a session that was started on the index of `view`.

        It raises NotReadyError if the index has been rebuilt since.

        Args:
            kind: kind of the session.
            view: its sealed version is that of the session.
            session: the library's session.
            labelled: number of its labels.
            proxy: float64, its proxies, or what else is needed to resume it.
        """
        name = f"sessions/{kind}-{token_hex(8)}"
        owner = current_call().caller.name
        state = json.dumps(session.state())
        if isinstance(proxy, np.ndarray):
            proxy = proxy.astype("<f8").tobytes()

        def keep() -> SessionInfo:
            self._store.disk.require_room()
            now = steady_clock.now()
            with self._store.transaction() as transaction:
                if self._registry.view(view.name).version != view.version:
                    raise NotReadyError(
                        f"{view.name!r} was built again meanwhile: retry"
                    )
                transaction.run(
                    "INSERT INTO sessions (name, kind, index_number, version, labelled,"
                    " created, updated, state, proxy, owner)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    name,
                    kind,
                    view.number,
                    view.version,
                    labelled,
                    now,
                    now,
                    state,
                    proxy,
                    owner,
                )
                transaction.after_commit(lambda: self._hold(name, session, view))
                return self.info(name)

        return keep

    def _row(self, name: str) -> Row:
        row = self._store.row(f"{_DESCRIBE} WHERE sessions.name = ?", name)
        if row is None:
            raise UnknownJobError(f"there is no session {name[:80]!r}")
        return row

    def opened(self, name: str, kind: SessionKind) -> Any:
        """The open session, resumed if necessary; the caller must have locked it.

        Raises:
            UnknownJobError: no session has this name.
            InvalidInputError: it has another kind.
            CorruptDataError: it is damaged on disk.
        """
        row = self._row(name)
        self._store.require_whole("sessions", name)
        if row["kind"] != kind:
            raise InvalidInputError(f"{name} is of kind {row['kind']}, not {kind}")
        session = self._open.get(name)
        if session is None:
            state, proxy = self._read(name)
            index = self._sealed(row)
            session = resume(state, index, proxy, kind=kind)
            self._open.add(name, session, rows=len(index), busy=self.in_turn())
        return session

    def next_batch(
        self,
        name: str,
        opened: Callable[[str], Any],
        saved: Callable[[str, Any], Keep],
    ) -> Selected:
        """The next batch; saved, so that a restart returns the same one.

        Args:
            name: of the session.
            opened: the session, once it is locked.
            saved: the function that saves it.
        """
        with self.changing(name):
            session = opened(name)
            batch = selected_of(session.next_batch())
            saved(name, session)()
        return batch

    def index_of(self, name: str) -> SoarIndex:
        """The sealed version that a session belongs to."""
        return self._sealed(self._row(name))

    def saved(
        self,
        name: str,
        session: Session,
        *,
        labelled: int,
        proxy: bytes | None = None,
    ) -> Keep:
        """The function that saves the current state of a session.

        Args:
            name: of the session.
            session: open.
            labelled: number of its labels.
            proxy: what `resume` needs besides the state; None leaves what is kept.
        """
        state = json.dumps(session.state())

        def keep() -> SessionInfo:
            self._store.disk.require_room()
            with self._store.transaction() as transaction:
                transaction.run(
                    "UPDATE sessions SET state = ?, labelled = ?, updated = ?,"
                    " proxy = coalesce(?, proxy) WHERE name = ?",
                    state,
                    labelled,
                    steady_clock.now(),
                    proxy,
                    name,
                )
                return self.info(name)

        return keep

    def _read(self, name: str) -> tuple[dict[str, object], bytes | None]:
        """The state of a saved session, and its proxies.

        Raises:
            CorruptDataError: the stored bytes are not those that were saved.
        """
        row = self._store.row("SELECT state, proxy FROM sessions WHERE name = ?", name)
        assert row is not None
        try:
            state = json.loads(row["state"])
        except (TypeError, ValueError, RecursionError) as error:
            raise CorruptDataError(
                f"session {name} cannot be read from the database: {error}"
            ) from error
        if not isinstance(state, dict):
            raise CorruptDataError(f"session {name}: its state is no object")
        return state, row["proxy"]

    def _hold(self, name: str, session: Session, view: View) -> None:
        rows = len(sealed_index(view))
        self._open.add(name, session, rows=rows, busy=self.in_turn())

    def _sealed(self, row: Row) -> SoarIndex:
        return self._registry.sealed_version(row["index_number"], row["version"])

    def _drop(self, name: str) -> None:
        self._open.drop(name)


def selected_of(selection: "Selection") -> Selected:
    """Convert a batch of the library to the service's `Selected`."""
    return Selected(
        ids=selection.ids,
        scores=selection.scores,
        weights=selection.weights,
        why=selection.why,
        summary=dict(selection.summary),
        provenance=selection.provenance,
    )


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
