"""How the last compactions of each index went."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from sqlite3 import Row

from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from gleann.service import steady_clock
from gleann.service.optimizer_params import CompactionKind
from gleann.service.state.store import Store
from gleann.service.views.live_index import View
from gleann.v1 import index_pb2

KIND = "optimize"
"""The kind of operations that compact."""

MOST_LOOKED_AT = 20
"""Operations of an index that are read to count failures after a start."""

_LAST = """
SELECT o.state, o.ended, o.request, o.error FROM operations o, indexes i
WHERE o.kind = ? AND o.ended IS NOT NULL AND i.number = ?
AND o.index_name = i.name AND o.created >= i.created
ORDER BY o.number DESC LIMIT ?
"""

_KINDS: dict[int, CompactionKind] = {
    index_pb2.COMPACTION_KIND_FOLD: "fold",
    index_pb2.COMPACTION_KIND_REBUILD: "rebuild",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The compactions of an index so far.

    Attributes:
        kind: of the last one; None before the first.
        ended: when it ended, in seconds since 1970; None before the first.
        error: why it failed; None if it did not.
        failures: number of those that failed since one succeeded.
    """

    kind: CompactionKind | None = None
    ended: float | None = None
    error: str | None = None
    failures: int = 0


class History:
    """The compactions of all indexes, those of earlier processes too."""

    def __init__(
        self, store: Store, clock: Callable[[], float] = steady_clock.now
    ) -> None:
        self._store = store
        self._clock = clock
        self._pasts: dict[int, Past] = {}

    def of(self, view: View) -> Past:
        """The compactions of an index."""
        past = self._pasts.get(view.number)
        if past is None:
            # Without a lock: a reader may be in a transaction, which is one.
            rows = self._store.rows(_LAST, KIND, view.number, MOST_LOOKED_AT)
            past = self._pasts.setdefault(view.number, _past_of(rows))
        return past

    def note(self, view: View, kind: CompactionKind, *, error: str | None) -> None:
        """Record the end of a compaction, and why it failed if it did."""
        failures = 0 if error is None else self.of(view).failures + 1
        self._pasts[view.number] = Past(
            kind=kind, ended=self._clock(), error=error, failures=failures
        )


def _past_of(rows: list[Row]) -> Past:
    """The past that operations, the newest first, tell."""
    if not rows:
        return Past()
    failures = 0
    for row in rows:
        if row["state"] == "done":
            break
        failures += 1
    last = rows[0]
    past = Past(ended=last["ended"], kind=_kind_of(last), failures=failures)
    return replace(past, error=_error_of(last)) if failures else past


def _kind_of(row: Row) -> CompactionKind | None:
    try:
        request = index_pb2.OptimizeIndexRequest.FromString(row["request"])
    except (DecodeError, TypeError):
        return None
    return _KINDS.get(request.kind)


def _error_of(row: Row) -> str:
    try:
        return status_pb2.Status.FromString(row["error"]).message
    except (DecodeError, TypeError):
        return "it is not known why"
