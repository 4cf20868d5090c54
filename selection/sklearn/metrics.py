"""Metric names of scikit-learn, and rows placed for the metrics of an index."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index import as_vectors
from gleann.index.arrays import Distances, Vectors
from gleann.index.checks import require_number, require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.params import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedMetric:
    """A metric by the name that scikit-learn has for it.

    Attributes:
        name: as it was given.
        metric: of the index.
        rooted: whether distances are the square roots of those of the index.
    """

    name: str
    metric: Metric
    rooted: bool = False

    def shown(self, distances: Distances, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Distances of the index in this metric, as `dtype`."""
        wide = distances.astype(dtype)
        return np.sqrt(wide, out=wide) if self.rooted else wide

    def radius(self, radius: float) -> float:
        """A radius in this metric, as a distance of the index.

        Raises:
            InvalidParamsError: nothing can be within it.
        """
        require_number("radius", radius)
        if not 0 <= radius < float("inf"):
            raise InvalidParamsError(
                f"radius must be a finite number >= 0, got {radius}"
            )
        return radius * radius if self.rooted else radius


METRICS = {
    "euclidean": NamedMetric(name="euclidean", metric="l2", rooted=True),
    "l2": NamedMetric(name="l2", metric="l2", rooted=True),
    "sqeuclidean": NamedMetric(name="sqeuclidean", metric="l2"),
    "cosine": NamedMetric(name="cosine", metric="cosine"),
}
"""What `metric` may be."""


def metric_named(name: str) -> NamedMetric:
    """The metric by its name.

    Raises:
        InvalidParamsError: a name that is not in `METRICS`.
    """
    require_one_of("metric", name, tuple(METRICS))
    return METRICS[name]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Centre:
    """The point that is taken off rows before they become float32.

    Far from zero float32 does not tell float64 rows apart. Euclidean distances do
    not change when all rows move.

    Attributes:
        point: float64 (d,); None leaves rows as they are.
    """

    point: NDArray[np.float64] | None

    @classmethod
    def of(cls, rows: NDArray[Any], metric: NamedMetric) -> "Centre":
        """The mean of rows (n, d), where float32 would round them."""
        if metric.metric == "cosine" or rows.dtype in (np.float16, np.float32):
            return cls(point=None)
        return cls(point=rows.mean(axis=0, dtype=np.float64))

    def placed(self, rows: NDArray[Any]) -> Vectors:
        """Rows (n, d) as float32 around the point.

        Raises:
            InvalidInputError: what `as_vectors` refuses.
        """
        if self.point is None:
            return as_vectors(rows, name="X")
        placed = np.empty(rows.shape, np.float32)
        with np.errstate(over="ignore"):
            for block in block_slices(len(rows), BLOCK_VALUES // rows.shape[1]):
                placed[block] = rows[block].astype(np.float64) - self.point
        return as_vectors(placed, name="X")
