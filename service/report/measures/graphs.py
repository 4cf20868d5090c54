"""Numbers of a neighbour graph that show its hubs, outliers and duplicates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from gleann.index import KnnGraph
from gleann.index.arrays import Distances, Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GraphMeasures:
    """Numbers of a graph of n rows with k neighbours each.

    Attributes:
        in_degree: int64 (n,), how many rows have this one as a neighbour.
        nearest: float32 (n,), distance to the nearest neighbour.
        last: float32 (n,), distance to the k-th neighbour.
        mutual: share of the edges whose reverse is an edge too.
        components: number of parts without an edge between them.
        largest: rows of the largest part.
    """

    in_degree: NDArray[np.int64]
    nearest: Distances
    last: Distances
    mutual: float
    components: int
    largest: int

    @property
    def unlisted(self) -> int:
        """Rows that are no row's neighbour."""
        return int((self.in_degree == 0).sum())

    def hubs(self, *, most: int) -> Rows:
        """The rows with the highest in-degree; ties by lower row."""
        return np.argsort(-self.in_degree, kind="stable")[:most]

    def isolated(self, *, most: int) -> Rows:
        """The rows farthest from their nearest neighbour; ties by lower row."""
        return np.argsort(-self.nearest.astype(np.float64), kind="stable")[:most]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two rows and their distance."""

    row: int
    other: int
    distance: float


def measure_graph(graph: KnnGraph) -> GraphMeasures:
    """Compute all numbers; a graph without edges has distances of 0."""
    n = len(graph)
    distances = graph.distances.reshape(n, graph.k)
    empty = np.zeros(n, np.float32)
    # A copy of the rows, which scipy may sort in place.
    ones = np.ones(len(graph.rows), np.int8)
    edges = csr_array((ones, graph.rows.copy(), graph.indptr), shape=(n, n))
    both_ways = edges.multiply(edges.T).nnz
    count, part = connected_components(edges, directed=False)
    return GraphMeasures(
        in_degree=np.bincount(graph.rows, minlength=n),
        nearest=distances[:, 0] if graph.k else empty,
        last=distances[:, -1] if graph.k else empty,
        mutual=both_ways / max(len(graph.rows), 1),
        components=int(count),
        largest=int(np.bincount(part).max()) if n else 0,
    )


def closest_pairs(graph: KnnGraph, *, most: int) -> list[Pair]:
    """The pairs of nearest rows, each once, nearest first; ties by lower rows."""
    if not graph.k:
        return []
    n = len(graph)
    nearest = graph.distances.reshape(n, graph.k)[:, 0]
    order = np.argsort(nearest, kind="stable")
    pairs: dict[tuple[int, int], float] = {}
    for row in order.tolist():
        other = int(graph.neighbours[row, 0])
        pairs.setdefault((min(row, other), max(row, other)), float(nearest[row]))
        if len(pairs) == most:
            break
    return [Pair(row=a, other=b, distance=d) for (a, b), d in pairs.items()]
