"""Estimates of counts, sums and averages from few labels, with intervals."""

from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.predicates import both, either, negated
from gleann.selection.estimate.proxies import propagate_labels, representatives
from gleann.selection.estimate.result import Estimate, Stratum
from gleann.selection.estimate.run import estimate, run_estimate, uniform_estimate
from gleann.selection.estimate.session import EstimateSession

__all__ = [
    "Estimate",
    "EstimateParams",
    "EstimateSession",
    "Stratum",
    "both",
    "either",
    "estimate",
    "negated",
    "propagate_labels",
    "representatives",
    "run_estimate",
    "uniform_estimate",
]
