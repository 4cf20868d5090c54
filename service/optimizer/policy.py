"""When an index is compacted, and how: a pure function of what was measured of it.

Folding costs what reading and writing the files does. Training anew costs many times
that, and is for lists that no longer fit the rows.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

from gleann.service.optimizer_params import CompactionKind, OptimizerParams

Number = TypeVar("Number", int, float)

FIRST_BUILD = 4
"""An index gets its first lists at this multiple of `min_rows`: a scan of fewer rows
takes no longer than a search of lists."""

GROWTH = 2
"""Lists are trained anew when there are so many times as many rows as at the training,
or as few: twice the rows want 1.4 times the lists (`build.arrange.auto_nlist`)."""

FIRST_BACKOFF, LAST_BACKOFF = 10.0, 3600.0
"""Seconds before a compaction that failed is tried again: doubled each time, at most
the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the policy decides by.

    Attributes:
        rows: number of live rows.
        sealed: number of rows of the sealed version; 0 if there is none.
        pending: number of live rows that are newer.
        removed: number of rows of the sealed version that were removed or replaced; of
            the log, if there is none.
        updates: number of rows whose payload was set since, each as often as it was.
        nlist: number of its lists; 0 if it was never built.
        trained: number of rows at the training of its lists; None if unknown.
        added: number of rows in its lists that were added since.
        drift: of its lists, as in `OptimizerParams`; None while unknown.
        drift_after: what `drift` would be after a fold; None where not measured.
        age: seconds since the sealed version was published, or the index was made.
        since: seconds since anything was tried with the index here: since the last
            compaction ended, or the directory was opened.
        failures: number of compactions that failed since one succeeded.
        is_first: whether an import wrote its version with one list, not trained.
    """

    rows: int
    sealed: int = 0
    pending: int = 0
    removed: int = 0
    updates: int = 0
    nlist: int = 0
    trained: int | None = None
    added: int = 0
    drift: float | None = None
    drift_after: float | None = None
    age: float
    since: float
    failures: int = 0
    is_first: bool = False

    @property
    def pending_share(self) -> float:
        """Share of newer rows among all."""
        return self.pending / self.rows if self.rows else 0.0

    @property
    def removed_share(self) -> float:
        """Share of removed rows in the sealed version."""
        return self.removed / self.sealed if self.sealed else 0.0

    @property
    def changes(self) -> int:
        """Number of changes that a new version would have."""
        return self.pending + self.removed + self.updates


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done, and why.

    Attributes:
        kind: "fold", "rebuild" or "none".
        why: one sentence, with the numbers.
        waits: whether it is "none" only because of the time.
    """

    kind: Literal["none"] | CompactionKind
    why: str
    waits: bool = False


def decide(measured: Measured, params: OptimizerParams) -> Decision:
    """Decide what to do with an index now.

    Args:
        measured: its state.
        params: with the defaults filled in.
    """
    if not params.enabled:
        return Decision(kind="none", why="Compaction by itself is turned off.")
    wanted = _wanted(measured, params)
    if wanted.kind == "none":
        return wanted
    wait = waiting_time(measured.failures, params)
    left = wait - min(measured.since, measured.age)
    if left <= 0:
        return wanted
    why = f"{wanted.why[:-1]}; {wanted.kind} in {left:.0f} s."
    return Decision(kind="none", why=why, waits=True)


def waiting_time(failures: int, params: OptimizerParams) -> float:
    """Seconds between two compactions, the last `failures` of which failed."""
    pause = _set(params.min_seconds)
    if failures == 0:
        return pause
    backoff = min(FIRST_BACKOFF * 2.0 ** min(failures - 1, 30), LAST_BACKOFF)
    return max(pause, backoff)


def kind_wanted(measured: Measured, params: OptimizerParams) -> CompactionKind:
    """How to compact an index that is to be compacted now, whatever its state."""
    return "fold" if _misfit(measured, params) is None else "rebuild"


def _wanted(measured: Measured, params: OptimizerParams) -> Decision:
    """What to do, without regard to the time since the last compaction."""
    if measured.rows == 0 and not measured.removed:
        return Decision(kind="none", why="It is empty.")
    if measured.rows == 0:
        # Files and log have what was deleted until then.
        why = f"It is empty: all of its {measured.removed:,} vectors were removed."
        return Decision(kind="rebuild", why=why)
    misfit = _misfit(measured, params)
    if measured.sealed == 0:
        return _first(measured, params)
    reason = _reason(measured, params)
    # While the lists have drifted, no recall can be promised, of few rows neither.
    has_drifted = _why_drifted(measured, params) is not None
    worth = has_drifted or measured.rows >= _set(params.min_rows) or reason is not None
    if misfit is not None and worth:
        return Decision(kind="rebuild", why=misfit)
    if reason is not None:
        return Decision(kind="fold", why=reason)
    return Decision(kind="none", why=f"{_changes(measured)}.")


def _first(measured: Measured, params: OptimizerParams) -> Decision:
    floor = FIRST_BUILD * _set(params.min_rows)
    why = f"It is not built and has {measured.rows:,} vectors"
    if measured.rows >= floor:
        return Decision(kind="rebuild", why=f"{why}, at least {floor:,}.")
    return Decision(kind="none", why=f"{why}, fewer than {floor:,}.")


def _reason(measured: Measured, params: OptimizerParams) -> str | None:
    """Why the changes are to be in a sealed version; None if they need not."""
    if measured.changes >= _set(params.min_rows):
        share = _set(params.pending_share)
        if measured.pending_share >= share:
            return f"{_changes(measured)}: at least {share:.1%} are newer."
        share = _set(params.removed_share)
        if measured.removed_share >= share:
            return f"{_changes(measured)}: at least {share:.1%} were removed."
        # They take no time of searches, but the log and memory grow with them.
        if measured.updates >= share * measured.sealed:
            return (
                f"The payload of {measured.updates:,} vectors was set since the sealed"
                f" version of {measured.sealed:,}: at least {share:.1%}."
            )
    longest = _set(params.max_seconds)
    if measured.changes and longest and measured.age >= longest:
        return (
            f"{_changes(measured)}, and the sealed version is {measured.age:,.0f} s"
            f" old, at least {longest:,.0f}."
        )
    return None


def _misfit(measured: Measured, params: OptimizerParams) -> str | None:
    """Why the lists do not fit the rows; None if they do."""
    rows, nlist, trained = measured.rows, measured.nlist, measured.trained
    if measured.sealed == 0 or measured.is_first:
        return _why_untrained(measured, params)
    if rows < nlist:
        return f"It has {rows:,} vectors, fewer than its {nlist:,} lists."
    if trained is not None:
        there = f"It has {rows:,} vectors, and its lists were trained with {trained:,}"
        if rows >= GROWTH * trained:
            return f"{there}: it grew by a factor of {GROWTH}."
        if GROWTH * rows <= trained:
            return f"{there}: it shrank by a factor of {GROWTH}."
    return _why_drifted(measured, params)


def _why_drifted(measured: Measured, params: OptimizerParams) -> str | None:
    """Why the lists do not fit the rows that were added; None if they do."""
    drift, added, rows = measured.drift, measured.added, measured.sealed
    if measured.drift_after is not None:
        drift, rows = measured.drift_after, measured.rows
        added += measured.pending
    limit = _set(params.drift)
    if drift is None or drift < limit or added < _set(params.pending_share) * rows:
        return None
    return (
        f"The {added:,} vectors added since the training are {drift:.2f} times as far"
        f" from their centroids as those before, at least {limit:.2f}."
    )


def _why_untrained(measured: Measured, params: OptimizerParams) -> str | None:
    """Why an index without trained lists is to have some; None if it need not."""
    if measured.sealed == 0:
        return "It is not built."
    floor = FIRST_BUILD * _set(params.min_rows)
    if measured.rows < floor:
        return None
    return (
        f"It has {measured.rows:,} vectors in the one list that an import wrote, at"
        f" least {floor:,}."
    )


def _changes(measured: Measured) -> str:
    """The changes since the last version, with their shares."""
    return (
        f"{measured.pending:,} of {measured.rows:,} vectors"
        f" ({measured.pending_share:.1%}) are newer than the sealed version, and"
        f" {measured.removed:,} of its {measured.sealed:,}"
        f" ({measured.removed_share:.1%}) were removed"
    )


def _set(value: Number | None) -> Number:
    """A parameter, after the defaults were filled in."""
    assert value is not None, "the defaults are complete"
    return value
