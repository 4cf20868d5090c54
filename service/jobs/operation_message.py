"""The `Operation` message: the stored state and the progress of a running job."""

import time
from dataclasses import dataclass, field
from sqlite3 import Row

from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import status_pb2

from gleann.index import Progress
from gleann.v1 import index_pb2


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


def operation_message(row: Row, live: Live) -> operations_pb2.Operation:
    """The `Operation` message of a row of the table `operations`.

    Args:
        row: the stored state.
        live: its progress, if it runs.
    """
    metadata = index_pb2.OperationMetadata(
        kind=row["kind"],
        index=row["index_name"],
        phase=live.progress.phase if row["state"] == "running" else row["state"],
        done=live.progress.done,
        total=live.progress.total,
        rate=live.rate(),
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
            moment.FromNanoseconds(int(row[column] * 1e9))
    operation = operations_pb2.Operation(name=row["name"])
    operation.metadata.Pack(metadata)
    if row["error"] is not None:
        operation.error.CopyFrom(status_pb2.Status.FromString(row["error"]))
    if row["response"] is not None:
        operation.response.CopyFrom(AnyMessage.FromString(row["response"]))
    operation.done = row["state"] in ("done", "failed", "cancelled")
    return operation
