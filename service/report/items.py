"""Where a page takes the contents of single rows from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.service.report.examples import Example

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classes:
    """A class for every row.

    Attributes:
        name: of the column.
        values: (n,) numbers or texts.
    """

    name: str
    values: NDArray[np.generic]


class Items(Protocol):
    """The rows of a job as a reader knows them."""

    @property
    def classes(self) -> Classes | None:
        """The class of every row, or None."""

    def examples(self, rows: Rows, facts: Sequence[Facts]) -> list[Example]:
        """Ids, texts and pictures of `rows`, each with its facts."""

    def note(self) -> str:
        """Which pictures are not shown, or ""."""
