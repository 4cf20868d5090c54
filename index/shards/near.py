"""The nearest rows of queries, put together from those of parts of the rows."""

from collections.abc import Iterable

import numpy as np

from gleann.index.arrays import Distances, Rows

Near = tuple[Rows, Distances]
"""Rows int64 (nq, w), nearest first, ties by lower row, and distances float32."""


def merge_near(parts: Iterable[Near], *, count: int, k: int) -> Near:
    """The k nearest rows of all parts, or all where there are fewer.

    Args:
        parts: of consecutive rows each, in the order of the rows; any number.
        count: queries.
        k: rows wanted.
    """
    rows = np.empty((count, 0), np.int64)
    distances = np.empty((count, 0), np.float32)
    for more, apart in parts:
        rows = np.concatenate([rows, more], axis=1)
        distances = np.concatenate([distances, apart], axis=1)
        # Stable: what was there before has lower rows.
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        rows = np.take_along_axis(rows, order, axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
    return rows, distances
