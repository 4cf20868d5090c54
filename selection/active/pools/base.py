"""The contract of a candidate pool: the rows a batch may be picked from."""

from dataclasses import dataclass
from typing import Protocol

from gleann.index.arrays import Mask, Rows
from gleann.selection.active.models.hyperplanes import Hyperplanes
from gleann.selection.active.questions import LabelArray
from gleann.selection.saved import Saved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelState:
    """Labels and classifiers of a session before a batch is picked.

    Attributes:
        rows: (m,) labelled, ascending.
        labels: (m, q), one row for each of `rows`.
        batch: number of the next batch, from 1.
        hyperplanes: of each question's classifier; None where one is not linear.
    """

    rows: Rows
    labels: LabelArray
    batch: int
    hyperplanes: tuple[Hyperplanes, ...] | None


class Pool(Protocol):
    """The rows that may be picked; it grows by neighbours and shrinks by closing."""

    @property
    def entered(self) -> Mask:
        """(n,), True for every row that ever was a candidate."""

    @property
    def looked_at(self) -> int:
        """How many rows ever were candidates."""

    def candidates(self) -> Rows:
        """Rows that may be picked now, ascending."""

    def close(self, rows: Rows) -> None:
        """Remove `rows` for good: queried, labelled or ignored."""

    def grow(self, rows: Rows, /) -> Rows:
        """Add the neighbours of `rows`; return the candidates this added, ascending."""

    def undo(self, closed: Rows, joined: Rows, /) -> None:
        """Undo closing `closed`, and the entry of `joined` that followed."""

    def update(self, state: LabelState) -> None:
        """Update the pool before a batch; most pools ignore it."""

    def state(self) -> dict[str, list[int]]:
        """The pool as JSON values for `restore`, without its closed rows."""

    def restore(self, state: Saved) -> None:
        """Rebuild from `state`, before any row is closed."""
