"""What a candidate pool is: the rows a batch may be drawn from."""

from dataclasses import dataclass
from typing import Protocol

from gleann.index.arrays import Mask, Rows
from gleann.selection.active.models.hyperplanes import Boundaries
from gleann.selection.active.questions import Labels
from gleann.selection.saved import Saved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """Where a session stands before a batch is picked.

    Attributes:
        rows: (m,) labelled, ascending.
        labels: (m, q) theirs.
        batch: number of the batch to come, from 1.
        boundaries: of the classifiers, one a question; None where one is not linear.
    """

    rows: Rows
    labels: Labels
    batch: int
    boundaries: tuple[Boundaries, ...] | None


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
        """Take `rows` out for good: asked for, labelled or ignored."""

    def grow(self, rows: Rows) -> Rows:
        """Add the neighbours of `rows`; return the candidates this added, ascending."""

    def undo(self, closed: Rows, joined: Rows) -> None:
        """Take back that `closed` were closed, and that `joined` came of it."""

    def consult(self, standing: Standing) -> None:
        """Before a batch: for a pool that asks the classifier, or is made anew."""

    def state(self) -> dict[str, list[int]]:
        """What `restore` needs, as JSON values; closed rows are kept elsewhere."""

    def restore(self, state: Saved) -> None:
        """Take back what `state` told, before any row is closed."""
