"""The rows that are known to answer each query, and their near-duplicates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import Distances, Mask, Rows, Vectors
from gleann.index.checks import as_array
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.checks import hold_id_array
from gleann.index.metric import pair_distances
from gleann.index.parallel.blocks import block_slices

PAIR_VALUES = 1 << 22
"""Values of rows that are compared with positives at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Positives:
    """The ids that answer each query, in compressed form.

    Query i has the ids `ids[offsets[i]:offsets[i + 1]]`. An id may answer several
    queries.

    Attributes:
        offsets: (m + 1,) integers, from 0 and ascending.
        ids: (p,) ids of rows of the index.
    """

    offsets: ArrayLike
    ids: ArrayLike

    @classmethod
    def of_lists(cls, lists: Sequence[ArrayLike]) -> "Positives":
        """From the ids of each query, m lists of any lengths.

        Raises:
            InvalidInputError: a query's ids that are none.
        """
        lengths = [len(np.atleast_1d(np.asarray(one))) for one in lists]
        parts = [
            np.atleast_1d(np.asarray(one))
            for one in lists
            if len(np.atleast_1d(np.asarray(one)))
        ]
        joined = np.concatenate(parts) if parts else np.empty(0, np.int64)
        return cls(offsets=np.concatenate([[0], np.cumsum(lengths)]), ids=joined)
