"""One run of queued requests, and how it ends."""

from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from gleann.index.errors import CancelledError, GleannError
from gleann.service.jobs.operation_message import Live
from gleann.service.jobs.queue import Demand, Entry
from gleann.service.status import status_of


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """The operations that one run satisfies; it runs under the first one.

    Attributes:
        kind: of the operations.
        index: they work on.
        first: the operation under which it runs.
        names: of the operations that are not cancelled.
        demand: of the first.
        live: its progress.
        cancelled: whether it must stop.
    """

    kind: str
    index: str
    first: str
    names: list[str]
    demand: Demand
    live: Live = field(default_factory=Live)
    cancelled: bool = False

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
    """How a run ended: the state of its operations, and their answer or error."""

    state: str
    error: bytes | None = None
    response: bytes | None = None

    @classmethod
    def done(cls, response: Message) -> "Outcome":
        """It ended well."""
        return cls(state="done", response=packed(response))

    @classmethod
    def failed(cls, error: GleannError) -> "Outcome":
        """It failed."""
        return cls(state="failed", error=status_of(error).SerializeToString())

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
