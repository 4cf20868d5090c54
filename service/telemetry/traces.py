"""`Trace` and `Tracing`: what the rest of the service knows of traces."""

from typing import Literal, Protocol

Kind = Literal["server", "internal"]


class Trace(Protocol):
    """The trace of a call or a job."""

    def add(
        self, name: str, began: float, ended: float, **attributes: str | int | float
    ) -> None:
        """Add a part that has ended; times by `time.monotonic`."""

    def end(self, status: str, **attributes: str | int | float) -> None:
        """End it with a status, such as "OK", "NOT_FOUND", "done" or "failed"."""


class Tracing(Protocol):
    """Makes traces."""

    def begin(self, name: str, kind: Kind, parent: str = "") -> Trace | None:
        """Begin a trace; None where it is not traced."""

    def close(self) -> None:
        """Send what has ended."""


class NoTracing:
    """Traces nothing."""

    def begin(self, name: str, kind: Kind, parent: str = "") -> None:
        """Trace nothing."""

    def close(self) -> None:
        """Nothing is to be sent."""
