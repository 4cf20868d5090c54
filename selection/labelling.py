"""Labelling by an oracle: its answers go into a session, some rows at a time."""

from collections.abc import Callable
from typing import Protocol

from gleann.index import Progress
from gleann.index.arrays import Ids
from gleann.selection.checks import require_count
from gleann.selection.progress import ProgressCallback
from gleann.selection.result import Selection


class Budgeted(Protocol):
    """Parameters with a budget."""

    @property
    def budget(self) -> int:
        """Rows to label."""


class CountingSession(Protocol):
    """A session whose labels can be counted, for progress reports."""

    @property
    def params(self) -> Budgeted:
        """Its parameters."""

    @property
    def labels_used(self) -> int:
        """Rows labelled so far."""


class BatchSession(CountingSession, Protocol):
    """A session that queries one batch at a time."""

    def next_batch(self) -> Selection:
        """The rows to label next; empty at the end."""


def label_all(
    session: BatchSession,
    label: Callable[[Ids], object],
    *,
    chunk: int,
    progress: ProgressCallback | None,
) -> None:
    """Label rows until the session queries no more.

    Exceptions of `label` and `progress` pass through; the labels of earlier chunks stay
    in the session, and a second call continues from there.

    Args:
        session: new, or partly labelled.
        label: submits the answers for so many ids to the session.
        chunk: rows per call of `label`.
        progress: called after each chunk.
    """
    require_count("chunk", chunk)
    while len(batch := session.next_batch()):
        label(batch.ids[:chunk])
        report(progress, session)


def report(progress: ProgressCallback | None, session: CountingSession) -> None:
    """Report the number of labels so far, of the budget."""
    if progress is not None:
        done, total = session.labels_used, session.params.budget
        progress(Progress(phase="label", done=done, total=total))
