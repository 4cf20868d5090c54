"""Expiry of finished operations, results, stored answers and positions of streams.

They are removed in small batches, one transaction each, so that writers wait only
briefly. Unfinished operations stay, however old.
"""

import logging
from collections.abc import Callable
from math import inf
from sqlite3 import Row
from threading import Event, Thread

from google.protobuf.message import DecodeError

from gleann.index.errors import CorruptDataError, GleannError
from gleann.service import steady_clock
from gleann.service.state.store import Store
from gleann.v1 import coreset_pb2

SECONDS_BETWEEN = 600.0
FIRST_AFTER = 30.0
"""Seconds until the first look: opening a directory comes first."""
BATCH = 100
DAY = 24 * 3600.0

_ENDED = "state IN ('done', 'failed', 'cancelled')"
_OLD_RECEIPTS = """
DELETE FROM requests WHERE rowid IN (
    SELECT rowid FROM requests WHERE created < ? LIMIT ?)
"""
_OLD_STREAMS = """
DELETE FROM streams WHERE rowid IN (
    SELECT rowid FROM streams WHERE updated < ? LIMIT ?)
"""
_OLD_OPERATIONS = f"""
DELETE FROM operations WHERE number IN (
    SELECT number FROM operations WHERE {_ENDED} AND ended < ? LIMIT ?)
"""
_TOO_MANY_OPERATIONS = f"""
DELETE FROM operations WHERE number IN (
    SELECT number FROM operations WHERE {_ENDED}
    ORDER BY number DESC LIMIT ? OFFSET ?)
"""
_NEXT_SELECTIONS = """
SELECT rowid, name, description FROM selections
WHERE rowid > ? ORDER BY rowid LIMIT ?
"""

_log = logging.getLogger(__name__)


class Expiry:
    """Removes expired rows while the directory is open."""

    def __init__(
        self,
        store: Store,
        *,
        keep_days: int,
        keep_operations: int,
        expire: Callable[[float], int] = lambda _: 0,
    ) -> None:
        """Set the retention.

        Args:
            store: the database.
            keep_days: days to keep operations after their end, selections and receipts
                after their creation, and positions of streams after their last batch.
            keep_operations: number of finished operations to keep, the latest ones.
            expire: removes what is kept elsewhere and was made before a time, in
                seconds since 1970; returns how many.
        """
        self._store = store
        self._keep_seconds = keep_days * DAY
        self._keep_operations = keep_operations
        self._expire = expire
        self._unreadable: set[int] = set()
        self._closed = Event()
        self._thread = Thread(target=self._serve, name="gleann-expiry", daemon=True)

    def open(self) -> None:
        """Start the background thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the background thread."""
        self._closed.set()
        self._thread.join()

    def sweep(self, now: float) -> int:
        """Remove rows expired at `now` (seconds since 1970); return their number."""
        before = now - self._keep_seconds
        return (
            self._repeat(_OLD_RECEIPTS, before, BATCH)
            + self._repeat(_OLD_STREAMS, before, BATCH)
            + self._repeat(_OLD_OPERATIONS, before, BATCH)
            + self._repeat(_TOO_MANY_OPERATIONS, BATCH, self._keep_operations)
            + self._sweep_selections(before)
            + self._expire(before)
        )

    def _serve(self) -> None:
        pause = FIRST_AFTER
        while not self._closed.wait(pause):
            pause = SECONDS_BETWEEN
            try:
                removed = self.sweep(steady_clock.now())
            except GleannError:
                _log.exception("what is too old could not be removed")
                continue
            except Exception:  # noqa: BLE001  the edge: the next look may succeed
                _log.exception("the look for what is too old failed inside")
                continue
            if removed:
                _log.info(
                    "removed %d old operations, results, receipts, streams", removed
                )

    def _repeat(self, sql: str, *values: float) -> int:
        removed = 0
        while not self._closed.is_set():
            with self._store.transaction() as transaction:
                batch = transaction.run(sql, *values).rowcount
            removed += batch
            if batch < BATCH:
                break
        return removed

    def _sweep_selections(self, before: float) -> int:
        """Remove selections, oldest first; only their message has the creation time."""
        removed = last = 0
        while not self._closed.is_set():
            rows = self._store.rows(_NEXT_SELECTIONS, last, BATCH)
            dated = [(row, self._made(row)) for row in rows]
            old = [row["rowid"] for row, made in dated if made < before]
            with self._store.transaction() as transaction:
                for rowid in old:
                    transaction.run("DELETE FROM selections WHERE rowid = ?", rowid)
            removed += len(old)
            unreadable = sum(made == inf for _, made in dated)
            if len(old) + unreadable < BATCH:
                break
            last = rows[-1]["rowid"]
        return removed

    def _made(self, row: Row) -> float:
        """Creation time of a selection; infinity if damaged, which is logged once."""
        try:
            self._store.require_whole("selections", row["name"])
            selection = coreset_pb2.Selection.FromString(row["description"])
        except (CorruptDataError, DecodeError, TypeError) as error:
            if row["rowid"] not in self._unreadable:
                self._unreadable.add(row["rowid"])
                _log.error("a selection stays, however old: %s", error)
            return inf
        made = selection.create_time
        return float(made.seconds + made.nanos / 1e9)
