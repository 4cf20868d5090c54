"""Estimates of counts, sums and averages from few labels, with intervals."""

from gleann._needed import needing as _needing

with _needing("gleann.selection.estimate"):
    from gleann.selection.estimate.baselines.abae import abae_estimate
    from gleann.selection.estimate.group_estimates import GroupEstimates
    from gleann.selection.estimate.labels.known import Known, KnownGroups
    from gleann.selection.estimate.params import EstimateParams
    from gleann.selection.estimate.planning import LabelPlan, plan_labels
    from gleann.selection.estimate.proxies.choice import ProxyChoice
    from gleann.selection.estimate.proxies.predicates import both, either, negated
    from gleann.selection.estimate.proxies.propagate import (
        propagate_labels,
        representatives,
    )
    from gleann.selection.estimate.result import Estimate, Stratum
    from gleann.selection.estimate.run import (
        estimate,
        estimate_choosing,
        run_estimate,
        uniform_estimate,
    )
    from gleann.selection.estimate.run_groups import (
        estimate_disjoint_groups,
        estimate_overlapping_groups,
        run_disjoint_groups,
        run_overlapping_groups,
    )
    from gleann.selection.estimate.sessions.disjoint_groups import DisjointGroupsSession
    from gleann.selection.estimate.sessions.formats import proxy_names, session_type
    from gleann.selection.estimate.sessions.overlapping_groups import (
        OverlappingGroupsSession,
    )
    from gleann.selection.estimate.sessions.refreshed import TastiSession
    from gleann.selection.estimate.sessions.several_proxies import ChoosingSession
    from gleann.selection.estimate.sessions.single import EstimateSession

__all__ = [
    "ChoosingSession",
    "DisjointGroupsSession",
    "Estimate",
    "EstimateParams",
    "EstimateSession",
    "GroupEstimates",
    "Known",
    "KnownGroups",
    "LabelPlan",
    "OverlappingGroupsSession",
    "ProxyChoice",
    "Stratum",
    "TastiSession",
    "abae_estimate",
    "both",
    "either",
    "estimate",
    "estimate_choosing",
    "estimate_disjoint_groups",
    "estimate_overlapping_groups",
    "negated",
    "plan_labels",
    "propagate_labels",
    "proxy_names",
    "representatives",
    "run_disjoint_groups",
    "run_estimate",
    "run_overlapping_groups",
    "session_type",
    "uniform_estimate",
]
