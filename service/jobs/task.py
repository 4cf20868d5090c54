"""`Task`: one piece of long work, as passed to the code that performs it."""

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import Message

from gleann.index import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of work.

    Attributes:
        operation: its name, "operations/3f2a".
        request: the serialized request.
        progress: callback for progress; raises when the work must stop.
        conclude: stores the response, in the open transaction: the work is done once
            that is committed, and is not run again after a crash.
        is_rerun: whether an earlier run of it was interrupted by a crash.
    """

    operation: str
    request: bytes
    progress: Callable[[Progress], None]
    conclude: Callable[[Message], None]
    is_rerun: bool


class EarlyEndError(Exception):
    """Raised by `Task.progress` where work is to end now and to be run again later."""
