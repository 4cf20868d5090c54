"""Data selection: what to label, what to train on, and estimates from few labels.

The one-call estimate is `gleann.selection.estimate.estimate`, and the baselines of
coresets are `margin`, `entropy` and `uniform` of `gleann.selection.coreset`: their
short names belong to a package, to scores, and to a plain draw.

What needs scipy and the larger parts load on first use; what they load does not shadow
a name, but for `uniform`, which is a module too and so is imported at once.
"""

import importlib
import typing

from gleann.selection.among import Among
from gleann.selection.result import Selection
from gleann.selection.uniform import uniform

if typing.TYPE_CHECKING:
    from gleann.selection.active import (
        ActiveParams,
        ActiveRun,
        ActiveSession,
        AnchorPool,
        BatchRecord,
        ClassifierPool,
        Coverage,
        GlobalPool,
        PoolChoice,
        SealsPool,
        StopAdvice,
        run_active,
    )
    from gleann.selection.coreset import (
        Coreset,
        FacilityLocation,
        Traversal,
        ccs,
        equal_quotas,
        facility_location,
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
        ChoosingSession,
        DisjointGroupsSession,
        Estimate,
        EstimateParams,
        EstimateSession,
        GroupEstimates,
        Known,
        KnownGroups,
        LabelPlan,
        OverlappingGroupsSession,
        ProxyChoice,
        Stratum,
        TastiSession,
        abae_estimate,
        both,
        either,
        estimate_choosing,
        estimate_disjoint_groups,
        estimate_overlapping_groups,
        negated,
        plan_labels,
        propagate_labels,
        representatives,
        run_disjoint_groups,
        run_estimate,
        run_overlapping_groups,
        uniform_estimate,
    )
    from gleann.selection.neighbours import GraphNeighbours, IndexNeighbours, Neighbours
    from gleann.selection.rounds import (
        RoundRecord,
        RoundsParams,
        RoundsRun,
        RoundsSession,
        run_rounds,
    )
    from gleann.selection.uncertainty import (
        entropy,
        entropy_costs,
        least_confidence,
        margin,
        margin_costs,
        most_likely_positive,
        select_by_score,
    )

__all__ = [
    "ActiveParams",
    "ActiveRun",
    "ActiveSession",
    "Among",
    "AnchorPool",
    "BatchRecord",
    "ChoosingSession",
    "ClassifierPool",
    "Coreset",
    "Coverage",
    "DisjointGroupsSession",
    "Estimate",
    "EstimateParams",
    "EstimateSession",
    "FacilityLocation",
    "GlobalPool",
    "GraphNeighbours",
    "GroupEstimates",
    "IndexNeighbours",
    "Known",
    "KnownGroups",
    "LabelPlan",
    "Neighbours",
    "OverlappingGroupsSession",
    "PoolChoice",
    "ProxyChoice",
    "RoundRecord",
    "RoundsParams",
    "RoundsRun",
    "RoundsSession",
    "SealsPool",
    "Selection",
    "StopAdvice",
    "Stratum",
    "TastiSession",
    "Traversal",
    "abae_estimate",
    "both",
    "ccs",
    "either",
    "entropy",
    "entropy_costs",
    "equal_quotas",
    "estimate_choosing",
    "estimate_disjoint_groups",
    "estimate_overlapping_groups",
    "facility_location",
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
    "plan_labels",
    "propagate_labels",
    "proportional_quotas",
    "representatives",
    "run_active",
    "run_disjoint_groups",
    "run_estimate",
    "run_overlapping_groups",
    "run_rounds",
    "select_by_score",
    "uniform",
    "uniform_estimate",
    "weighted_k_center",
    "within_groups",
]

_HOME = {
    "ActiveParams": "gleann.selection.active",
    "ActiveRun": "gleann.selection.active",
    "ActiveSession": "gleann.selection.active",
    "AnchorPool": "gleann.selection.active",
    "BatchRecord": "gleann.selection.active",
    "ChoosingSession": "gleann.selection.estimate",
    "ClassifierPool": "gleann.selection.active",
    "Coreset": "gleann.selection.coreset",
    "Coverage": "gleann.selection.active",
    "DisjointGroupsSession": "gleann.selection.estimate",
    "Estimate": "gleann.selection.estimate",
    "EstimateParams": "gleann.selection.estimate",
    "EstimateSession": "gleann.selection.estimate",
    "FacilityLocation": "gleann.selection.coreset",
    "GlobalPool": "gleann.selection.active",
    "GraphNeighbours": "gleann.selection.neighbours",
    "GroupEstimates": "gleann.selection.estimate",
    "IndexNeighbours": "gleann.selection.neighbours",
    "Known": "gleann.selection.estimate",
    "KnownGroups": "gleann.selection.estimate",
    "LabelPlan": "gleann.selection.estimate",
    "Neighbours": "gleann.selection.neighbours",
    "OverlappingGroupsSession": "gleann.selection.estimate",
    "PoolChoice": "gleann.selection.active",
    "ProxyChoice": "gleann.selection.estimate",
    "RoundRecord": "gleann.selection.rounds",
    "RoundsParams": "gleann.selection.rounds",
    "RoundsRun": "gleann.selection.rounds",
    "RoundsSession": "gleann.selection.rounds",
    "SealsPool": "gleann.selection.active",
    "StopAdvice": "gleann.selection.active",
    "Stratum": "gleann.selection.estimate",
    "TastiSession": "gleann.selection.estimate",
    "Traversal": "gleann.selection.coreset",
    "abae_estimate": "gleann.selection.estimate",
    "both": "gleann.selection.estimate",
    "ccs": "gleann.selection.coreset",
    "either": "gleann.selection.estimate",
    "entropy": "gleann.selection.uncertainty",
    "entropy_costs": "gleann.selection.uncertainty",
    "equal_quotas": "gleann.selection.coreset",
    "estimate_choosing": "gleann.selection.estimate",
    "estimate_disjoint_groups": "gleann.selection.estimate",
    "estimate_overlapping_groups": "gleann.selection.estimate",
    "facility_location": "gleann.selection.coreset",
    "farthest_first": "gleann.selection.coreset",
    "gist": "gleann.selection.coreset",
    "k_center": "gleann.selection.coreset",
    "least_confidence": "gleann.selection.uncertainty",
    "margin": "gleann.selection.uncertainty",
    "margin_costs": "gleann.selection.uncertainty",
    "measure": "gleann.selection.coreset",
    "metric_vectors": "gleann.selection.coreset",
    "most_likely_positive": "gleann.selection.uncertainty",
    "negated": "gleann.selection.estimate",
    "parallel_weighted_k_center": "gleann.selection.coreset",
    "plan_labels": "gleann.selection.estimate",
    "propagate_labels": "gleann.selection.estimate",
    "proportional_quotas": "gleann.selection.coreset",
    "representatives": "gleann.selection.estimate",
    "run_active": "gleann.selection.active",
    "run_disjoint_groups": "gleann.selection.estimate",
    "run_estimate": "gleann.selection.estimate",
    "run_overlapping_groups": "gleann.selection.estimate",
    "run_rounds": "gleann.selection.rounds",
    "select_by_score": "gleann.selection.uncertainty",
    "uniform_estimate": "gleann.selection.estimate",
    "weighted_k_center": "gleann.selection.coreset",
    "within_groups": "gleann.selection.coreset",
}


if not typing.TYPE_CHECKING:  # or mypy would believe in any name

    def __getattr__(name: str) -> typing.Any:
        if name not in _HOME:
            raise AttributeError(f"module 'gleann.selection' has no attribute {name!r}")
        from gleann.index.needed import needing

        with needing(f"gleann.selection.{name}"):
            found = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return __all__
