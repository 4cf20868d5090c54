"""Data with near-duplicates, and what the library says of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex

DIM = 8
RADIUS = 0.05


@pytest.fixture(scope="session")
def twins() -> np.ndarray:
    """(300, 8): the last 100 are near the first 100, and ten of those are equal."""
    rng = np.random.default_rng(11)
    rows = rng.normal(size=(300, DIM)).astype(np.float32)
    rows[200:] = rows[:100] + rng.normal(scale=0.03, size=(100, DIM))
    rows[290:] = rows[90:100]
    return rows


@pytest.fixture(scope="session")
def library() -> Callable[..., SoarIndex]:
    """An index of the library, built at once over rows."""

    def build(rows: np.ndarray, ids: Any = None, metric: Any = "l2") -> SoarIndex:
        return SoarIndex.build(
            rows, BuildParams(metric=metric, nlist=6, tune_queries=0), ids=ids
        )

    return build
