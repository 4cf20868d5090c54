"""Joins the components of a neighbour graph, as single linkage would."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.metric import pair_distances, prepare
from gleann.index.parallel.blocks import block_slices
from gleann.selection.sklearn.csr import symmetric, with_edges
from gleann.selection.sklearn.metrics import NamedMetric

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ASKING = 256
LOOKED_AT = 1 << 14
"""Rows whose distances are held at once: those that ask, and those looked at."""


def connect(graph: "csr_matrix", points: Vectors, metric: NamedMetric) -> "csr_matrix":
    """Add edges to a symmetric graph until it has one component.

    Every component but the largest gets the shortest edge that leaves it, and so on
    until one is left (Boruvka 1926): at least half of the components go each time.
    These are the edges by which single linkage would join the components. Which edge
    is shortest is decided in float32, its distance is that of float64. Takes O(m n d),
    for the m rows outside the largest component.

    Args:
        graph: (n, n) distances in `metric`, symmetric.
        points: (n, d), as they are indexed.
        metric: of both.
    """
    from scipy.sparse.csgraph import connected_components

    rows = prepare(points, metric.metric, name="X")
    while True:
        count, labels = connected_components(graph, directed=False)
        if count == 1:
            return graph
        sources, targets = _leaving(rows, labels)
        found = pair_distances(rows[sources], rows[targets][:, None], metric.metric)
        values = metric.shown(found[:, 0], graph.data.dtype)
        graph = symmetric(with_edges(graph, sources, targets, values))


def _leaving(rows: Vectors, labels: NDArray[np.int32]) -> tuple[Rows, Rows]:
    """The shortest edge out of every component but the largest, lower rows of equals.

    Args:
        rows: (n, d), prepared.
        labels: (n,) the component of each.
    """
    largest = np.bincount(labels).argmax()
    asking = np.flatnonzero(labels != largest)
    nearest, apart = _nearest_elsewhere(rows, labels, asking)
    order = np.lexsort((asking, apart, labels[asking]))
    ordered = labels[asking][order]
    first = np.ones(len(order), np.bool_)
    first[1:] = np.diff(ordered) != 0
    best = order[first]
    return asking[best], nearest[best]


def _nearest_elsewhere(
    rows: Vectors, labels: NDArray[np.int32], asking: Rows
) -> tuple[Rows, NDArray[np.float32]]:
    """The nearest row of another component for each of `asking`.

    Returns:
        rows (m,), and about their squared distances (m,).
    """
    # Around the middle, where squares are smallest and round least.
    centred = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    squares = np.einsum("ij,ij->i", centred, centred)
    nearest = np.zeros(len(asking), np.int64)
    apart = np.full(len(asking), np.inf, np.float32)
    for block in block_slices(len(asking), ASKING):
        own = asking[block]
        for seen in block_slices(len(rows), LOOKED_AT):
            scores = squares[seen] - 2 * (centred[own] @ centred[seen].T)
            scores += squares[own, None]
            scores[labels[own, None] == labels[None, seen]] = np.inf
            best = scores.argmin(axis=1)
            least = scores[np.arange(len(own)), best]
            nearer = least < apart[block]
            nearest[block][nearer] = seen.start + best[nearer]
            apart[block][nearer] = least[nearer]
    return nearest, apart
