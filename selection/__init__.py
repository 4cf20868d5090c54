"""Choosing what to label and what to train on.

The one-call estimate is `gleann.selection.estimate.estimate`, and the margin baseline
`gleann.selection.coreset.margin`: their short names belong to a package and to a score.
"""

from gleann.selection.active import (
    ActiveParams,
    ActiveRun,
    ActiveSession,
    AnchorPool,
    BatchRecord,
    ClassifierPool,
    Coverage,
    GlobalPool,
    SealsPool,
    StopAdvice,
    run_active,
)
from gleann.selection.coreset import (
    Coreset,
    Traversal,
    farthest_first,
    gist,
    k_center,
    measure,
    metric_vectors,
    weighted_k_center,
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
from gleann.selection.pool import (
    GraphNeighbours,
    IndexNeighbours,
    Neighbours,
    Selection,
)
from gleann.selection.uncertainty import (
    entropy,
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
    "AnchorPool",
    "BatchRecord",
    "ClassifierPool",
    "Coreset",
    "Coverage",
    "Estimate",
    "EstimateParams",
    "EstimateSession",
    "GlobalPool",
    "GraphNeighbours",
    "IndexNeighbours",
    "Neighbours",
    "SealsPool",
    "Selection",
    "StopAdvice",
    "Stratum",
    "Traversal",
    "both",
    "either",
    "entropy",
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
    "propagate_labels",
    "representatives",
    "run_active",
    "run_estimate",
    "select_by_score",
    "uniform",
    "uniform_estimate",
    "weighted_k_center",
]
