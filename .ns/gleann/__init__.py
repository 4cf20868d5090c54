"""gleann: nearest-neighbour search with SOAR spilling, and data selection on top.

The public names load on first use, so that `import gleann` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gleann import _lazy

if TYPE_CHECKING:
    from gleann import data as data
    from gleann.index import (
        BuildParams,
        Found,
        SearchParams,
        SoarIndex,
        exact_search,
        knn_graph_of,
        recall_at_k,
    )
    from gleann.index.filters.condition import Condition
    from gleann.index.graph.knn_graph import KnnGraph, knn_graph
    from gleann.index.payload.payload import Payload
    from gleann.index.payload.schema import Column, Schema
    from gleann.service.client import AsyncClient, Client
    from gleann.service.client.tls import Tls
    from gleann.service.optimizer_params import OptimizerParams

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "BuildParams",
    "Client",
    "Column",
    "Condition",
    "Found",
    "KnnGraph",
    "OptimizerParams",
    "Payload",
    "Schema",
    "SearchParams",
    "SoarIndex",
    "Tls",
    "__version__",
    "data",
    "exact_search",
    "knn_graph",
    "knn_graph_of",
    "recall_at_k",
]

_HOME = {
    "AsyncClient": "gleann.service.client",
    "BuildParams": "gleann.index",
    "Client": "gleann.service.client",
    "Column": "gleann.index.payload.schema",
    "Condition": "gleann.index.filters.condition",
    "Found": "gleann.index",
    "KnnGraph": "gleann.index",
    "OptimizerParams": "gleann.service.optimizer_params",
    "Payload": "gleann.index.payload.payload",
    "Schema": "gleann.index.payload.schema",
    "SearchParams": "gleann.index",
    "SoarIndex": "gleann.index",
    "Tls": "gleann.service.client.tls",
    "exact_search": "gleann.index",
    "knn_graph": "gleann.index",
    "knn_graph_of": "gleann.index",
    "recall_at_k": "gleann.index",
}


_load = _lazy.lazy_names(globals(), _HOME)


def __getattr__(name: str) -> Any:
    return import_module("gleann.data") if name == "data" else _load(name)


def __dir__() -> list[str]:
    return __all__
