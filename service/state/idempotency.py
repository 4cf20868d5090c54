"""Idempotent requests: a repeated `request_id` returns the first answer."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b, sha256
from threading import Condition
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from gleann.index.errors import (
    AlreadyExistsError,
    InvalidParamsError,
    NotReadyError,
)
from gleann.service import steady_clock
from gleann.service.calls.context import current_call
from gleann.service.state.store import Store

MAX_LENGTH = 256
_END = "\0"
"""Ends the name of a caller, which never has it."""

_BLAKE = "blake2b:"

WAIT_SECONDS = 10.0
"""Longest wait for the answer to an equal request that is under way."""


class _Request(Protocol):
    request_id: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...  # noqa: N802


R = TypeVar("R", bound=Message)
Q = TypeVar("Q", bound=_Request)


class Receipts:
    """Stored answers to requests with a request_id; `Expiry` removes old ones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._answering: dict[str, str] = {}
        self._answered = Condition()

    def once(
        self, request: Q, prepare: Callable[[Q], Callable[[], R]], kind: type[R]
    ) -> R:
        """Answer a request, or return its stored answer.

        The answer and the change are committed together, so an interrupted request was
        either completed and has a stored answer, or had no effect. Concurrent requests
        with the same id wait for the answer.

        Args:
            request: the request message.
            prepare: does the slow work, outside any transaction; returns a function
                that makes the change and the answer, in an exclusive transaction.
            kind: class of the answer.

        Raises:
            AlreadyExistsError: the request_id belongs to a different request.
            InvalidParamsError: the request_id is too long, or has a NUL character.
            CorruptDataError: the stored answer is damaged.
            NotReadyError: an equal request is still running after a long wait.
        """
        name = request.request_id
        if not name:
            return prepare(request)()
        if len(name) > MAX_LENGTH:
            raise InvalidParamsError(
                f"request_id has {len(name)} characters, at most {MAX_LENGTH} are kept"
            )
        if _END in name:
            raise InvalidParamsError("request_id has a NUL character")
        content = request.SerializeToString(deterministic=True)
        digest = digest_of(type(request).__name__, content)
        name = _of_caller(name)
        with self._alone(name, digest):
            if (earlier := self._earlier(name)) is not None:
                if not earlier["digest"].startswith(_BLAKE):
                    digest = first_digest_of(type(request).__name__, content)
                _require_same(earlier["digest"], digest)
                return kind.FromString(earlier["response"])
            commit = prepare(request)
            with self._store.transaction() as transaction:
                response = commit()
                transaction.run(
                    "INSERT INTO requests (request_id, digest, response, created)"
                    " VALUES (?, ?, ?, ?)",
                    name,
                    digest,
                    response.SerializeToString(),
                    steady_clock.now(),
                )
                return response

    def _earlier(self, name: str) -> sqlite3.Row | None:
        row = self._store.row("SELECT * FROM requests WHERE request_id = ?", name)
        if row is not None:
            self._store.require_whole("requests", name)
        return row

    @contextmanager
    def _alone(self, name: str, digest: str) -> Iterator[None]:
        """Lock this request_id against concurrent requests.

        The lock is in memory only: no other process has the directory open, and a
        request interrupted by a crash has changed nothing.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        with self._answered:
            while (other := self._answering.get(name)) is not None:
                _require_same(other, digest)
                if not self._answered.wait(deadline - time.monotonic()):
                    raise NotReadyError(
                        f"the request with request_id {name.rpartition(_END)[2]!r} is"
                        " still being answered: ask again later"
                    )
            self._answering[name] = digest
        try:
            yield
        finally:
            with self._answered:
                del self._answering[name]
                self._answered.notify_all()


def _of_caller(request_id: str) -> str:
    """The stored form of a request_id: callers with different keys share none."""
    caller = current_call().caller.name
    return f"{caller}{_END}{request_id}" if caller else request_id


def digest_of(kind: str, content: bytes) -> str:
    """The digest of a request: clients name every change, so it is a fast one."""
    state = blake2b(kind.encode(), digest_size=32)
    state.update(content)
    return _BLAKE + state.hexdigest()


def first_digest_of(kind: str, content: bytes) -> str:
    """The digest of a request as earlier versions of gleann stored it."""
    return sha256(kind.encode() + content).hexdigest()


def _require_same(earlier: str, digest: str) -> None:
    if earlier != digest:
        raise AlreadyExistsError("request_id was used for a different request")
