"""Many means and shares from one labelled sample, with intervals that hold together."""

from gleann.selection.estimate.means.params import MeansParams, Statistic
from gleann.selection.estimate.means.result import JointEstimates, MeanEstimate
from gleann.selection.estimate.means.run import estimate_means, run_means
from gleann.selection.estimate.means.session import MeansSession

__all__ = [
    "JointEstimates",
    "MeanEstimate",
    "MeansParams",
    "MeansSession",
    "Statistic",
    "estimate_means",
    "run_means",
]
