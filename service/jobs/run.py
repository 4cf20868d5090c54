"""One run of queued requests, and how it ends."""

from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from gleann.index.errors import CancelledError, GleannError
from gleann.service.jobs.operation_message import Live
from gleann.service.jobs.queue import Demand, Entry
from gleann.service.jobs.run_log import RunLog
from gleann.service.status import status_of


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """The operations that one run satisfies; it runs under the first one.

    Attributes:
        kind: of the operations.
        index: they work on.
        first: the operation under which it runs.
        names: of the operations that are not cancelled.
        ended: names of those whose end it has stored.
        demand: of the first.
        live: its progress.
        log: its lines since it was taken from the queue.
        first_line: number of the last line in the log of each of its operations when
            it began.
        cancelled: whether it must stop.
        paused: whether it must stop until it is resumed.
        written: when its log was written last, by `time.monotonic`.
    """

    kind: str
    index: str
    first: str
    names: list[str]
    demand: Demand
    live: Live = field(default_factory=Live)
    log: RunLog = field(default_factory=RunLog)
    ended: list[str] = field(default_factory=list)
    first_line: dict[str, int] = field(default_factory=dict)
    cancelled: bool = False
    paused: bool = False
    written: float = 0.0

    @classmethod
    def of(cls, entries: list[Entry]) -> "Run":
        """The run of requests that are taken together."""
        first = entries[0]
        return cls(
            kind=first.kind,
            index=first.index,
            first=first.name,
            names=[entry.name for entry in entries],
            demand=first.demand,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended: the state of its operations, and their answer or error.

    Attributes:
        state: "done", "failed" or "cancelled".
        why: the error and its causes, of a run that failed.
        error: a serialised google.rpc.Status, or None.
        response: a serialised google.protobuf.Any, or None.
    """

    state: str
    why: str = ""
    error: bytes | None = None
    response: bytes | None = None

    @classmethod
    def done(cls, response: Message) -> "Outcome":
        """It ended well."""
        return cls(state="done", response=packed(response))

    @classmethod
    def failed(cls, error: GleannError) -> "Outcome":
        """It failed."""
        status = status_of(error).SerializeToString()
        return cls(state="failed", why=_with_causes(error), error=status)

    @classmethod
    def cancelled(cls, name: str) -> "Outcome":
        """It was stopped on request."""
        status = status_of(CancelledError(f"{name} was cancelled"))
        return cls(state="cancelled", error=status.SerializeToString())


def packed(response: Message) -> bytes:
    """A response as it is stored."""
    wrapped = AnyMessage()
    wrapped.Pack(response)
    return wrapped.SerializeToString()


def _with_causes(error: BaseException) -> str:
    """The message of an error, and those of its causes that it does not repeat."""
    text, cause = str(error), error.__cause__
    while cause is not None:
        if str(cause) not in text:
            text = f"{text}; caused by {type(cause).__name__}: {cause}"
        cause = cause.__cause__
    return text
