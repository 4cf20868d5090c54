"""The `Operation` message: the stored state and the progress of a running job."""

import time
from dataclasses import dataclass, field
from sqlite3 import Row

from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2

from gleann.index import Progress
from gleann.service.jobs.command_line import command_line
from gleann.service.jobs.run_log import lines_of
from gleann.v1 import index_pb2

ENDED = ("done", "failed", "cancelled")
"""States in which an operation has ended."""

_STATES = {
    "queued": index_pb2.JOB_STATE_QUEUED,
    "running": index_pb2.JOB_STATE_RUNNING,
    "paused": index_pb2.JOB_STATE_PAUSED,
    "done": index_pb2.JOB_STATE_DONE,
    "failed": index_pb2.JOB_STATE_FAILED,
    "cancelled": index_pb2.JOB_STATE_CANCELLED,
}


@dataclass(slots=True, kw_only=True)
class Live:
    """Progress of running work, in memory only."""

    progress: Progress = field(
        default_factory=lambda: Progress(phase="queued", done=0, total=0)
    )
    since: float = 0.0
    base: int = 0

    def take(self, news: Progress) -> None:
        """Record new progress."""
        last = self.progress
        # A new total starts a new count; a rate over both would be meaningless.
        if news.total != last.total or news.done < last.done:
            self.since, self.base = time.monotonic(), news.done
        self.progress = news

    def rate(self) -> float:
        """Items per second since the count began; 0 while unknown."""
        elapsed = time.monotonic() - self.since
        gained = self.progress.done - self.base
        return gained / elapsed if gained > 0 and elapsed > 0 else 0.0


def operation_message(
    row: Row, live: Live, *, last_line: str | None, keep_seconds: float
) -> operations_pb2.Operation:
    """The `Operation` message of a row of the table `operations`.

    Args:
        row: the stored state; the request of a selection is not needed.
        live: its progress, if it runs.
        last_line: of the log of its run; None takes that of the row.
        keep_seconds: how long an operation is kept once it has ended.
    """
    metadata = _metadata(row, live)
    lines = lines_of(row["log"])
    stored = lines[-1] if lines else ""
    metadata.message = stored if last_line is None else last_line
    if row["ended"] is not None:
        _set_moment(metadata.expire_time, row["ended"] + keep_seconds)
    operation = operations_pb2.Operation(name=row["name"])
    operation.metadata.Pack(metadata)
    if row["error"] is not None:
        operation.error.CopyFrom(status_pb2.Status.FromString(row["error"]))
    if row["response"] is not None:
        operation.response.CopyFrom(AnyMessage.FromString(row["response"]))
    operation.done = row["state"] in ENDED
    return operation


def _metadata(row: Row, live: Live) -> index_pb2.OperationMetadata:
    state = row["state"]
    metadata = index_pb2.OperationMetadata(
        kind=row["kind"],
        index=row["index_name"],
        phase=live.progress.phase if state == "running" else state,
        done=live.progress.done,
        total=live.progress.total,
        rate=live.rate(),
        state=_STATES.get(state, index_pb2.JOB_STATE_UNSPECIFIED),
        owner=row["owner"],
        attempts=row["attempts"],
        command=command_line(
            row["kind"],
            row["request"],
            name=row["name"],
            is_retryable=state in ("failed", "cancelled"),
        ),
    )
    if metadata.rate:
        left = live.progress.total - live.progress.done
        metadata.eta_seconds = max(0.0, left / metadata.rate)
    for column, moment in (
        ("created", metadata.create_time),
        ("started", metadata.start_time),
        ("ended", metadata.end_time),
    ):
        if row[column] is not None:
            _set_moment(moment, row[column])
    return metadata


def _set_moment(message: Timestamp, seconds: float) -> None:
    message.FromNanoseconds(int(seconds * 1e9))
