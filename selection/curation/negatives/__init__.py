"""Hard negatives for people who train retrievers."""

from gleann.selection.curation.negatives.mine import mine_negatives
from gleann.selection.curation.negatives.positives import Positives
from gleann.selection.curation.negatives.request import NegativesRequest, Sampling
from gleann.selection.curation.negatives.result import Negatives

__all__ = [
    "Negatives",
    "NegativesRequest",
    "Positives",
    "Sampling",
    "mine_negatives",
]
