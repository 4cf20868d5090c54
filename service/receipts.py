"""Idempotent requests: the same `request_id` returns the first answer."""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from gleann.index.errors import AlreadyExistsError, InvalidParamsError
from gleann.service.store import Store

KEPT_SECONDS = 7 * 24 * 3600
MAX_LENGTH = 256


class _Request(Protocol):
    request_id: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...  # noqa: N802


R = TypeVar("R", bound=Message)
Q = TypeVar("Q", bound=_Request)


class Receipts:
    """Answers that were given, kept for a week."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self) -> None:
        """Forget answers older than a week."""
        with self._store.transaction() as transaction:
            transaction.run(
                "DELETE FROM requests WHERE created < ?", time.time() - KEPT_SECONDS
            )

    def once(self, request: Q, answer: Callable[[Q], R], kind: type[R]) -> R:
        """Answer a request, or return the answer it got before.

        The answer and what it changed are committed together, so a request that was cut
        off was either carried out and has its answer here, or never happened.

        Raises:
            AlreadyExistsError: the request_id belongs to a different request.
            InvalidParamsError: the request_id is too long.
            CorruptDataError: the answer it got was damaged on the disk.
        """
        if not request.request_id:
            return answer(request)
        if len(request.request_id) > MAX_LENGTH:
            raise InvalidParamsError(
                f"request_id has {len(request.request_id)} characters,"
                f" at most {MAX_LENGTH} are kept"
            )
        content = request.SerializeToString(deterministic=True)
        digest = sha256(type(request).__name__.encode() + content).hexdigest()
        with self._store.transaction() as transaction:
            earlier = self._store.row(
                "SELECT * FROM requests WHERE request_id = ?", request.request_id
            )
            if earlier is not None:
                self._store.require_whole("requests", request.request_id)
                return _same(earlier["digest"], digest, earlier["response"], kind)
            response = answer(request)
            transaction.run(
                "INSERT INTO requests (request_id, digest, response, created)"
                " VALUES (?, ?, ?, ?)",
                request.request_id,
                digest,
                response.SerializeToString(),
                time.time(),
            )
            return response


def _same(earlier: str, digest: str, response: bytes, kind: type[R]) -> R:
    if earlier != digest:
        raise AlreadyExistsError("request_id was used for a different request")
    return kind.FromString(response)
