from dataclasses import dataclass
from numpy.typing import ArrayLike
from gleann.index.arrays import Distances, Rows
from gleann.selection.coreset.cover import Coreset
from gleann.selection.pool import ProgressCallback


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traversal:
    """rows (k,) in order; insertion_distances (k,) (inf for the first where nothing was covered); nearest (n,) position in rows or -1 (covered); distances (n,)"""
    rows: Rows
    insertion_distances: Distances
    nearest: Rows
    distances: Distances


def farthest_first(vectors: ArrayLike, *, k: int, covered: ArrayLike | None = None, seed: int = 0, progress: ProgressCallback | None = None) -> Traversal: ...


def k_center(vectors: ArrayLike, *, k: int, locked: ArrayLike | None = None, seed: int = 0, progress: ProgressCallback | None = None) -> Coreset:
    """farthest-first as a Coreset (2-approximate radius)."""
