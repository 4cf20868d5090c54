"""gleann as a backend of vicinity, and so of semhash.

vicinity knows its backends by an enumeration of its own, so this one is handed to
`Vicinity(items, backend)`, and what it saved is opened with `load` of this module. For
semhash, put it in place of the backend that is there:

    hashed.index.backend = GleannBackend.from_vectors(hashed.index.vectors)
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vicinity import Metric as VicinityMetric
from vicinity import Vicinity
from vicinity.backends.base import AbstractBackend, BaseArgs
from vicinity.backends.basic import BasicVectorStore

from gleann.index import BuildParams, SearchParams, SoarIndex, as_vectors
from gleann.index.errors import InvalidParamsError
from gleann.selection.sklearn.metrics import NamedMetric, metric_named
from gleann.service.adapters.grown_index import GrownIndex

FOLDER = "index.gleann"

_METRICS = {
    VicinityMetric.COSINE: "cosine",
    VicinityMetric.EUCLIDEAN: "euclidean",
    VicinityMetric.L2_SQUARED: "sqeuclidean",
}

Hits = list[tuple[NDArray[np.int64], NDArray[np.float32]]]
"""Positions and distances of each query's neighbours."""


class GleannType(StrEnum):
    """The name under which vicinity writes this backend into its files."""

    GLEANN = "gleann"


@dataclass
class GleannArgs(BaseArgs):
    """Arguments of the backend.

    Attributes:
        metric: cosine, euclidean or l2sq.
        target_recall: share of the true neighbours that `query` finds; `threshold`
            finds all.
        seed: the only source of randomness.
    """

    metric: VicinityMetric = VicinityMetric.COSINE
    target_recall: float = 0.95
    seed: int = 0


class GleannBackend(AbstractBackend[GleannArgs]):
    """Vectors numbered by position, as vicinity's own backends number them.

    Inserted vectors are searched together with the index; it is built anew once they
    are a quarter of it. Not thread-safe while it changes.
    """

    argument_class = GleannArgs
    supported_metrics = frozenset(_METRICS)

    def __init__(self, rows: GrownIndex, arguments: GleannArgs) -> None:
        super().__init__(arguments)
        self._rows = rows
        self._metric = _named(arguments.metric)

    @classmethod
    def from_vectors(
        cls,
        vectors: ArrayLike,
        metric: str | VicinityMetric = VicinityMetric.COSINE,
        target_recall: float = 0.95,
        seed: int = 0,
        **_: Any,
    ) -> Self:
        """A backend of vectors (n, d).

        Raises:
            InvalidParamsError: a metric that is not supported.
            InvalidInputError: vectors that cannot be used, such as zero vectors under
                cosine.
        """
        wanted = VicinityMetric.from_string(metric)
        params = BuildParams(metric=_named(wanted).metric, seed=seed)
        arguments = GleannArgs(metric=wanted, target_recall=target_recall, seed=seed)
        SearchParams(target_recall=target_recall)  # refuses what is out of its range
        return cls(GrownIndex(SoarIndex.build(vectors, params)), arguments)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def backend_type(self) -> Any:
        """The name in files, a `GleannType`: vicinity's enumeration is its own."""
        return GleannType.GLEANN

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self._rows.dim

    def query(self, vectors: ArrayLike, k: int) -> Hits:
        """The k nearest vectors of each query, or as many as there are, nearest first.

        Raises:
            InvalidParamsError: k below 1.
            InvalidInputError: queries that cannot be used.

        Warns:
            RecallWarning: the index is not known to reach the recall.
        """
        queries = as_vectors(vectors, name="vectors", dim=self.dim)
        params = SearchParams(k=k, target_recall=self.arguments.target_recall)
        found = self._rows.search(queries, params)
        return [self._hits(*line) for line in found]

    def threshold(self, vectors: ArrayLike, threshold: float, max_k: int) -> Hits:
        """All vectors within a distance of each query, its nearest `max_k` at most.

        Raises:
            InvalidInputError: queries that cannot be used.
        """
        queries = as_vectors(vectors, name="vectors", dim=self.dim)
        if threshold < 0:
            nothing = np.empty(0, np.int64), np.empty(0, np.float32)
            return [nothing] * len(queries)
        radius = self._metric.radius(float(threshold))
        found = self._rows.search_radius(queries, radius, limit=max_k)
        return [self._hits(*line) for line in found]

    def insert(self, vectors: ArrayLike) -> None:
        """Add vectors (m, d) behind the others.

        Raises:
            InvalidInputError: vectors that cannot be used.
        """
        self._rows.insert(as_vectors(vectors, dim=self.dim))

    def delete(self, indices: list[int]) -> None:
        """Remove the vectors at these positions; those behind them move up.

        Raises:
            InvalidInputError: a position that is not there, or one twice.
        """
        self._rows.delete(indices)

    def save(self, path: Path) -> None:
        """Write the index into a folder that is there."""
        self._rows.sealed().save(path / FOLDER)
        self.arguments.dump(path / "arguments.json")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Open what `save` wrote.

        Raises:
            MissingFileError: no index is there.
            CorruptDataError: it is damaged.
        """
        index = SoarIndex.load(path / FOLDER)
        return cls(GrownIndex(index), GleannArgs.load(path / "arguments.json"))

    def _hits(
        self, positions: NDArray[np.int64], distances: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return positions, self._metric.shown(distances, np.dtype(np.float32))


def load(folder: str | Path) -> Vicinity[Any]:
    """Open what `Vicinity.save` wrote with this backend, as `Vicinity.load` would.

    Raises:
        MissingFileError: no index is there.
        CorruptDataError: it is damaged.
    """
    path = Path(folder)
    saved = json.loads((path / "data.json").read_text("utf-8"))
    store = path / "store"
    return Vicinity(
        saved["items"],
        GleannBackend.load(path),
        metadata=saved["metadata"],
        vector_store=BasicVectorStore.load(store) if store.exists() else None,
    )


def _named(metric: VicinityMetric) -> NamedMetric:
    """The metric of an index.

    Raises:
        InvalidParamsError: it has none.
    """
    if metric not in _METRICS:
        known = ", ".join(sorted(one.value for one in _METRICS))
        raise InvalidParamsError(
            f"metric must be one of {known} for gleann, got {metric.value!r}"
        )
    return metric_named(_METRICS[metric])
