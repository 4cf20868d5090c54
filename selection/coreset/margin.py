from numpy.typing import ArrayLike
from gleann.selection.coreset.cover import Coreset


def margin(vectors: ArrayLike, *, k: int, costs: ArrayLike, cost_weight: float = 0.0, locked: ArrayLike | None = None) -> Coreset:
    """The k smallest costs, as a Coreset."""
