"""Strata of rows, of which every epoch takes the same share."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import SoarIndex
from gleann.index.arrays import ListNos, Rows
from gleann.index.lists import assignment
from gleann.selection.groups import Groups


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strata:
    """The rows of a plan, stratum after stratum.

    Attributes:
        rows: int64 (m,), those of each stratum ascending.
        starts: int64 (s + 1,), where in `rows` each stratum begins and the last ends.
        labels: the name of each stratum.
    """

    rows: Rows
    starts: Rows
    labels: tuple[Hashable, ...]

    @classmethod
    def of(cls, strata: ArrayLike, rows: Rows) -> "Strata":
        """The strata that `rows` (m,), ascending, have.

        Args:
            strata: (m,) the stratum of each: integers, strings or other words.
            rows: of the plan.

        Raises:
            InvalidInputError: no words, or not one-dimensional.
        """
        groups = Groups.of(strata)
        order = np.argsort(groups.numbers, kind="stable")
        sizes = np.bincount(groups.numbers, minlength=len(groups.labels))
        return cls(
            rows=rows[order],
            starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            labels=groups.labels,
        )


def list_strata(index: SoarIndex) -> ListNos:
    """The primary list (n,) of each row: strata that cover the space of the vectors."""
    return assignment(index.data.lists, n=len(index))[0]
