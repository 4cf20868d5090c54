"""Leakage between splits, and splits that control it."""

from gleann.selection.curation.leakage.audit import leakage
from gleann.selection.curation.leakage.result import (
    GroupLeakage,
    Leakage,
    LeakedPairs,
)
from gleann.selection.curation.leakage.split import (
    FoldRows,
    SimilaritySplit,
    resampled_training,
    similarity_split,
)

__all__ = [
    "FoldRows",
    "GroupLeakage",
    "Leakage",
    "LeakedPairs",
    "SimilaritySplit",
    "leakage",
    "resampled_training",
    "similarity_split",
]
