"""The vector index: inverted lists with SOAR spilling."""

from gleann.index.checks import as_vectors
from gleann.index.evaluate import recall_at_k
from gleann.index.exact import exact_search
from gleann.index.found import Found, FoundWithin, SearchStats
from gleann.index.graph.knn_graph import KnnGraph, knn_graph
from gleann.index.graph.of_rows import knn_graph_of
from gleann.index.ids.checks import as_ids
from gleann.index.params import BuildParams, SearchParams
from gleann.index.progress import Progress
from gleann.index.soar_index import SoarIndex

__all__ = [
    "BuildParams",
    "Found",
    "FoundWithin",
    "KnnGraph",
    "Progress",
    "SearchParams",
    "SearchStats",
    "SoarIndex",
    "as_ids",
    "as_vectors",
    "exact_search",
    "knn_graph",
    "knn_graph_of",
    "recall_at_k",
]
