"""The vector index: inverted lists with SOAR spilling.

Names load on first use: their modules import NumPy and each other, and a command that
takes an exception from `gleann.index.errors` needs none of them.
"""

import typing

from gleann import _lazy

if typing.TYPE_CHECKING:
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

_HOME = {
    "BuildParams": "gleann.index.params",
    "Found": "gleann.index.found",
    "FoundWithin": "gleann.index.found",
    "KnnGraph": "gleann.index.graph.knn_graph",
    "Progress": "gleann.index.progress",
    "SearchParams": "gleann.index.params",
    "SearchStats": "gleann.index.found",
    "SoarIndex": "gleann.index.soar_index",
    "as_ids": "gleann.index.ids.checks",
    "as_vectors": "gleann.index.checks",
    "exact_search": "gleann.index.exact",
    "knn_graph": "gleann.index.graph.knn_graph",
    "knn_graph_of": "gleann.index.graph.of_rows",
    "recall_at_k": "gleann.index.evaluate",
}


if not typing.TYPE_CHECKING:  # or mypy would believe in any name
    __getattr__ = _lazy.lazy_names(globals(), _HOME)

    def __dir__() -> list[str]:
        return __all__
