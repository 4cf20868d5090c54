"""gleann: nearest-neighbour search with SOAR spilling, and data selection on top.

The public names load on first use, so that `import gleann` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gleann.index import (
        BuildParams,
        Found,
        SearchParams,
        SoarIndex,
        exact_search,
        recall_at_k,
    )
    from gleann.index.graph.knn_graph import KnnGraph, knn_graph
    from gleann.service.client import Client

__version__ = "0.1.0"

__all__ = [
    "BuildParams",
    "Client",
    "Found",
    "KnnGraph",
    "SearchParams",
    "SoarIndex",
    "__version__",
    "exact_search",
    "knn_graph",
    "recall_at_k",
]

_HOME = {
    "BuildParams": "gleann.index",
    "Client": "gleann.service.client",
    "Found": "gleann.index",
    "KnnGraph": "gleann.index",
    "SearchParams": "gleann.index",
    "SoarIndex": "gleann.index",
    "exact_search": "gleann.index",
    "knn_graph": "gleann.index",
    "recall_at_k": "gleann.index",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gleann' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
