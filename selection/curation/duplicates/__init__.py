"""Near-duplicates: pairs within a radius, which rows stay, and joins."""

from gleann.selection.curation.duplicates.curve import (
    CurvePoint,
    Example,
    curve,
    examples,
    group_size_counts,
)
from gleann.selection.curation.duplicates.join import JoinedPairs, join, nearest_join
from gleann.selection.curation.duplicates.near import near_duplicates, rethreshold
from gleann.selection.curation.duplicates.order import KeepBy
from gleann.selection.curation.duplicates.result import Duplicates
from gleann.selection.curation.duplicates.stored import (
    load_duplicates,
    save_duplicates,
)

__all__ = [
    "CurvePoint",
    "Duplicates",
    "Example",
    "JoinedPairs",
    "KeepBy",
    "curve",
    "examples",
    "group_size_counts",
    "join",
    "load_duplicates",
    "near_duplicates",
    "nearest_join",
    "rethreshold",
    "save_duplicates",
]
