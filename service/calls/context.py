"""`CallContext`: the call that the current thread answers.

The edge enters it for each call, so that code far below can ask whether anybody still
waits for the answer. Work of jobs and calls in process has the context `IN_PROCESS`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic

from gleann.index.errors import CancelledError, DeadlineError
from gleann.service.calls.caller import LOCAL, Caller
from gleann.service.telemetry.traces import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """A call.

    Attributes:
        caller: who makes it.
        call_id: names the call in logs and in its answer; "" in process.
        method: such as "/gleann.v1.SearchService/Search"; "" in process.
        peer: the address of the connection; "" in process.
        client: version and protocol of the client, such as "0.1.0 2"; "" where it does
            not name them.
        ends: deadline by `time.monotonic`; None waits without limit.
        is_active: whether the caller still waits for the answer.
        arrived: when it arrived, by `time.monotonic`; None in process.
        trace: of it; None where it is not traced.
    """

    caller: Caller = LOCAL
    call_id: str = ""
    method: str = ""
    peer: str = ""
    client: str = ""
    ends: float | None = None
    is_active: Callable[[], bool] = lambda: True
    arrived: float | None = None
    trace: Trace | None = None

    def seconds_left(self) -> float | None:
        """Seconds until the deadline, at least 0; None without one."""
        return None if self.ends is None else max(0.0, self.ends - monotonic())

    def require_awaited(self) -> None:
        """Stop work for which nobody waits; cheap enough between blocks of a scan.

        Raises:
            DeadlineError: the deadline has passed.
            CancelledError: the caller has left.
        """
        if self.ends is not None and monotonic() >= self.ends:
            raise DeadlineError("the deadline of the call has passed")
        if not self.is_active():
            raise CancelledError("the caller has left")


IN_PROCESS = CallContext()
_current: ContextVar[CallContext] = ContextVar("gleann call", default=IN_PROCESS)


def current_call() -> CallContext:
    """The call that this thread answers."""
    return _current.get()


@contextmanager
def answering(call: CallContext) -> Iterator[CallContext]:
    """Make a call the current one of this thread."""
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)
