"""Leakage between splits, and splits that control it."""

from gleann.selection.curation.leakage.audit import leakage
from gleann.selection.curation.leakage.nearer import rethreshold
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
from gleann.selection.curation.leakage.stored import load_leakage, save_leakage

__all__ = [
    "FoldRows",
    "GroupLeakage",
    "Leakage",
    "LeakedPairs",
    "SimilaritySplit",
    "leakage",
    "load_leakage",
    "resampled_training",
    "rethreshold",
    "save_leakage",
    "similarity_split",
]
