"""Sparse matrices of neighbours, as scikit-learn stores them.

`csr_matrix` and not `csr_array`: consumers such as hdbscan rely on its two dimensions.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def graph_of(rows: Rows, values: NDArray[Any], *, n: int) -> "csr_matrix":
    """A graph (m, n) of neighbours (m, k), in the order they have.

    Args:
        rows: (m, k), positions of the neighbours.
        values: (m, k) distances, or ones.
        n: columns of the graph.
    """
    m, k = rows.shape
    offsets = np.arange(0, m * k + 1, k) if k else np.zeros(m + 1, np.int64)
    return sparse(offsets, rows.ravel(), values.ravel(), n=n)


def sparse(
    offsets: NDArray[np.int64], columns: Rows, values: NDArray[Any], *, n: int
) -> "csr_matrix":
    """A graph (m, n) whose row i has `columns[offsets[i]:offsets[i + 1]]`."""
    from scipy.sparse import csr_matrix

    small = max(n, len(columns)) <= np.iinfo(np.int32).max
    dtype = np.int32 if small else np.int64
    parts = values, columns.astype(dtype), offsets.astype(dtype)
    return csr_matrix(parts, shape=(len(offsets) - 1, n))


def symmetric(graph: "csr_matrix") -> "csr_matrix":
    """The edges of a graph (n, n) in both directions; zeros stay stored."""
    return with_edges(graph, graph.indices, sources_of(graph), graph.data)


def with_diagonal(graph: "csr_matrix") -> "csr_matrix":
    """A graph (n, n) in which every row is also its own neighbour, at 0."""
    own = np.arange(graph.shape[0])
    return with_edges(graph, own, own, np.zeros(len(own)))


def with_edges(
    graph: "csr_matrix", source: Rows, target: Rows, values: NDArray[Any]
) -> "csr_matrix":
    """A graph (n, n) with more edges (m,)."""
    return of_edges(
        np.concatenate([sources_of(graph), source]),
        np.concatenate([graph.indices, target]),
        np.concatenate([graph.data, values]),
        n=graph.shape[0],
    )


def sources_of(graph: "csr_matrix") -> Rows:
    """The row (e,) of every stored value."""
    return np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))


def of_edges(
    source: Rows, target: Rows, values: NDArray[Any], *, n: int
) -> "csr_matrix":
    """A graph (n, n) of edges in any order, each kept once, with its least value."""
    order = np.lexsort((values, target, source))
    source, target, values = source[order], target[order], values[order]
    first = np.ones(len(source), np.bool_)
    first[1:] = (np.diff(source) != 0) | (np.diff(target) != 0)
    counts = np.bincount(source[first], minlength=n)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return sparse(offsets, target[first], values[first], n=n)
