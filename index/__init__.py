"""The SOAR-spilled inverted-file index."""

from gleann.index.build import Progress
from gleann.index.checks import as_ids, as_vectors
from gleann.index.evaluate import recall_at_k
from gleann.index.exact import exact_search
from gleann.index.found import Found, SearchStats
from gleann.index.params import BuildParams, SearchParams
from gleann.index.soar_index import SoarIndex

__all__ = [
    "BuildParams",
    "Found",
    "Progress",
    "SearchParams",
    "SearchStats",
    "SoarIndex",
    "as_ids",
    "as_vectors",
    "exact_search",
    "recall_at_k",
]
