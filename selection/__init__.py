"""Choosing what to label and what to train on.

The one-call estimate is `gleann.selection.estimate.estimate`, and the baselines of
coresets are `margin`, `entropy` and `uniform` of `gleann.selection.coreset`: their
short names belong to a package, to scores, and to a plain draw.
"""

from gleann.selection.active import (
    ActiveParams,
    ActiveRun,
    ActiveSession,
    BatchRecord,
    ClassifierPool,
    GlobalPool,
    SealsPool,
    StopAdvice,
    run_active,
)
from gleann.selection.coreset import (
    Coreset,
    Traversal,
    ccs,
    equal_quotas,
    farthest_first,
    gist,
    k_center,
    measure,
    metric_vectors,
    parallel_weighted_k_center,
    proportional_quotas,
    weighted_k_center,
    within_groups,
)
from gleann.selection.estimate import (
    Estimate,
    EstimateParams,
    EstimateSession,
    Stratum,
    both,
    either,
    negated,
    propagate_labels,
    representatives,
    run_estimate,
    uniform_estimate,
)
from gleann.selection.pool import IndexNeighbours, Neighbours, Selection
from gleann.selection.uncertainty import (
    entropy,
    entropy_costs,
    least_confidence,
    margin,
    margin_costs,
    most_likely_positive,
    select_by_score,
)
from gleann.selection.uniform import uniform

__all__ = [
    "ActiveParams",
    "ActiveRun",
    "ActiveSession",
    "BatchRecord",
    "ClassifierPool",
    "Coreset",
    "Estimate",
    "EstimateParams",
    "EstimateSession",
    "GlobalPool",
    "IndexNeighbours",
    "Neighbours",
    "SealsPool",
    "Selection",
    "StopAdvice",
    "Stratum",
    "Traversal",
    "both",
    "ccs",
    "either",
    "entropy",
    "entropy_costs",
    "equal_quotas",
    "farthest_first",
    "gist",
    "k_center",
    "least_confidence",
    "margin",
    "margin_costs",
    "measure",
    "metric_vectors",
    "most_likely_positive",
    "negated",
    "parallel_weighted_k_center",
    "propagate_labels",
    "proportional_quotas",
    "representatives",
    "run_active",
    "run_estimate",
    "select_by_score",
    "uniform",
    "uniform_estimate",
    "weighted_k_center",
    "within_groups",
]
