"""The audit log: a JSON line for every change, and for every call that was refused.

A line tells who, when, from where, what on which index, the outcome and counts. It
never has vectors, payload, ids, messages of errors or keys. A thread writes the lines,
so that a disk that hangs or fails does not stop calls; lines that are lost are counted.
"""

import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from time import monotonic

from google.protobuf.message import Message

from gleann.index.errors import GleannError, StorageError
from gleann.service.calls.context import CallContext, current_call
from gleann.service.security.gate import Gate, field_of
from gleann.service.security.rules import RULES
from gleann.service.server.rate_limited_log import Rare, RareLog
from gleann.service.status import code_of, reason_of

MOST_WAITING = 10_000
"""Lines that wait for the disk; later ones are lost."""
CLOSE_SECONDS = 2.0
BAD_KEY = "BAD_KEY"
"""The reason of a call without a good key."""

_REOPEN, _END = b"reopen", b"end"
"""Among the lines, so that those before are written before; no line is like them."""

_log = logging.getLogger(__name__)

Answer = Callable[[Message, None], Message]
Allow = Callable[[CallContext, Message], None]


class AuditLog:
    """Appends lines to a file in a thread of its own.

    Attributes:
        lost: number of lines that could not be written.
    """

    def __init__(self, path: Path | None) -> None:
        """Open the file; with None, nothing is written.

        Raises:
            StorageError: it cannot be opened.
        """
        self.lost = 0
        self._path = path
        self._rare = RareLog(_log)
        self._strangers = Rare()
        self._is_torn = False
        self._lines: Queue[bytes] = Queue(MOST_WAITING)
        self._file = -1 if path is None else _opened(path)
        self._thread = Thread(target=self._serve, name="gleann-audit", daemon=True)
        if path is not None:
            self._thread.start()

    def audited(self, path: str, answer: Answer, gate: Gate) -> Answer:
        """A method that is audited if it changes something."""
        if self._path is None or not RULES[path].changes:
            return answer

        def audited(request: Message, context: None) -> Message:
            index, begun = _index_of(gate, path, request), monotonic()
            try:
                response = answer(request, context)
            except GleannError as error:
                self._changed(path, request, index, begun, error=error)
                raise
            except Exception:
                self._changed(path, request, index, begun, error=GleannError())
                raise
            self._changed(path, request, index, begun, response=response)
            return response

        return audited

    def streamed(
        self, call: CallContext, *, code: str, index: str, changed: int, seconds: float
    ) -> None:
        """Add a stream of upserts that has ended; "" is the index of none begun."""
        if index:
            self._add(
                call,
                code=code,
                index=index[:80],
                counts={"changed": changed},
                seconds=round(seconds, 6),
            )

    def guarded(self, path: str, allow: Allow) -> Allow:
        """A check of rights whose refusals are audited."""
        if self._path is None:
            return allow

        def guarded(call: CallContext, request: Message) -> None:
            try:
                allow(call, request)
            except GleannError as error:
                self.refused(call, reason_of(type(error)), names=_names(path, request))
                raise

        return guarded

    def refused(
        self, call: CallContext, reason: str, *, names: dict[str, str] | None = None
    ) -> None:
        """Add a refused call; of calls without a good key, one a host in ten seconds.

        Otherwise a stranger could fill the disk. A line has the number of those left
        out before it.
        """
        counts = {}
        if reason == BAD_KEY:
            left_out = self._strangers.admit(call.peer.rpartition(":")[0])
            if left_out is None:
                return
            counts = {"left_out": left_out}
        code = "UNAUTHENTICATED" if reason == BAD_KEY else "PERMISSION_DENIED"
        self._add(call, code=code, reason=reason, counts=counts, **(names or {}))

    def reopen(self) -> None:
        """Open the file of that name anew, after it was moved away.

        Lines that were added before are in the old file.
        """
        if self._path is not None:
            self._put(_REOPEN)

    def close(self) -> None:
        """Write what waits, for two seconds at most; then the thread ends."""
        if self._path is not None:
            self._put(_END)
            self._thread.join(CLOSE_SECONDS)

    def _changed(
        self,
        path: str,
        request: Message,
        index: str,
        begun: float,
        *,
        response: Message | None = None,
        error: GleannError | None = None,
    ) -> None:
        code, reason = _outcome(error)
        self._add(
            current_call(),
            code=code,
            reason=reason,
            **(_names(path, request) | {"index": index}),
            counts=_counts(request, response),
            answer=str(getattr(response, "name", "")),
            seconds=round(monotonic() - begun, 6),
        )

    def _add(self, call: CallContext, **fields: object) -> None:
        if self._path is None:
            return
        line: dict[str, object] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "key": call.caller.name,
            "peer": call.peer,
            "method": call.method,
            "call_id": call.call_id,
        }
        line |= {name: value for name, value in fields.items() if value not in ("", {})}
        self._put(json.dumps(line).encode() + b"\n")

    def _put(self, line: bytes) -> None:
        try:
            self._lines.put_nowait(line)
        except Full:
            self._lose(f"{MOST_WAITING} lines wait for the disk")

    def _lose(self, why: str) -> None:
        self.lost += 1
        self._rare.warn("audit", f"a line of the audit log {self._path} is lost: {why}")

    def _serve(self) -> None:
        while (line := self._lines.get()) != _END:
            if line == _REOPEN:
                self._open_again()
            else:
                self._write(line)
        os.close(self._file)

    def _open_again(self) -> None:
        assert self._path is not None, "the thread runs where there is a file"
        try:
            file = _opened(self._path)
        except StorageError as error:
            _log.error("%s; the audit log goes on in the old file", error)
            return
        os.close(self._file)
        self._file, self._is_torn = file, False

    def _write(self, line: bytes) -> None:
        """Append a line; one that begins after half of another has a line end first."""
        left = b"\n" + line if self._is_torn else line
        try:
            while left:
                left = left[os.write(self._file, left) :]
                self._is_torn = bool(left)
        except OSError as error:
            self._lose(error.strerror or str(error))


def _opened(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise StorageError(f"audit_log {path}: {error.strerror}") from error


def _outcome(error: GleannError | None) -> tuple[str, str]:
    """The code of a call and its reason."""
    if error is None:
        return "OK", ""
    if type(error) is GleannError:  # stands for a bug
        return "INTERNAL", "INTERNAL"
    return code_of(error).name, reason_of(type(error))


def _index_of(gate: Gate, path: str, request: Message) -> str:
    """The index that a request works on; "" where that cannot be found out now."""
    try:
        return gate.index_of(path, request)
    except GleannError:
        return ""  # the call itself says why


def _names(path: str, request: Message) -> dict[str, str]:
    """The index and the resource that a request names, shortened."""
    rule = RULES[path]
    named = {"index": rule.index, "resource": rule.resource}
    return {
        name: field_of(request, field)[:80]
        for name, field in named.items()
        if field is not None
    }


def _counts(request: Message, response: Message | None) -> dict[str, int]:
    """Numbers of what a request has and what was changed."""
    found: dict[str, int] = {}
    fields = request.DESCRIPTOR.fields_by_name
    if "ids" in fields and request.HasField("ids"):
        found["ids"] = _ids(getattr(request, "ids"))  # noqa: B009  not in `Message`
    for name in ("vectors", "payload"):
        if name in fields and request.HasField(name):
            found[name] = int(getattr(request, name).count)
    if response is not None and "count" in response.DESCRIPTOR.fields_by_name:
        found["changed"] = int(getattr(response, "count"))  # noqa: B009
    return found


def _ids(ids: object) -> int:
    """The number of ids of a message `Ids`, which may be a bad one."""
    numbers: bytes = getattr(ids, "int64s", b"")
    strings = getattr(ids, "strings", None)
    if strings is None:
        return len(numbers) // 8
    return len(numbers) // 8 or len(strings.values) or len(strings.lengths) // 4
