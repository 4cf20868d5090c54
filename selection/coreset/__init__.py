"""Subsets that stand for the whole."""

from gleann.selection.coreset.cover import Coreset, measure, metric_vectors
from gleann.selection.coreset.farthest_first import (
    Traversal,
    farthest_first,
    k_center,
)
from gleann.selection.coreset.gist import gist
from gleann.selection.coreset.margin import margin
from gleann.selection.coreset.weighted_k_center import weighted_k_center

__all__ = [
    "Coreset",
    "Traversal",
    "farthest_first",
    "gist",
    "k_center",
    "margin",
    "measure",
    "metric_vectors",
    "weighted_k_center",
]
