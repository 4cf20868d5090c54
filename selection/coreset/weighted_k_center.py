from numpy.typing import ArrayLike
from gleann.selection.coreset.cover import Coreset
from gleann.selection.pool import ProgressCallback


def weighted_k_center(vectors: ArrayLike, *, k: int, costs: ArrayLike, cost_weight: float, locked: ArrayLike | None = None, eps: float = 0.1, progress: ProgressCallback | None = None) -> Coreset: ...
