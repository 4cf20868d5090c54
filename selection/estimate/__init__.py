"""Estimates of counts, sums and averages from few labels, with intervals."""

from gleann.selection.estimate.abae import abae_estimate
from gleann.selection.estimate.choosing import ProxyChoice
from gleann.selection.estimate.choosing_session import ChoosingSession
from gleann.selection.estimate.classes_session import ClassesSession
from gleann.selection.estimate.groups import GroupsSession
from gleann.selection.estimate.known import Known, KnownGroups
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.predicates import both, either, negated
from gleann.selection.estimate.proxies import propagate_labels, representatives
from gleann.selection.estimate.result import Estimate, Stratum
from gleann.selection.estimate.run import (
    estimate,
    estimate_choosing,
    run_estimate,
    uniform_estimate,
)
from gleann.selection.estimate.run_groups import (
    estimate_classes,
    estimate_groups,
    run_classes,
    run_groups,
)
from gleann.selection.estimate.session import EstimateSession
from gleann.selection.estimate.tasti_session import TastiSession

__all__ = [
    "ChoosingSession",
    "ClassesSession",
    "Estimate",
    "EstimateParams",
    "EstimateSession",
    "GroupsSession",
    "Known",
    "KnownGroups",
    "ProxyChoice",
    "Stratum",
    "TastiSession",
    "abae_estimate",
    "both",
    "either",
    "estimate",
    "estimate_choosing",
    "estimate_classes",
    "estimate_groups",
    "negated",
    "propagate_labels",
    "representatives",
    "run_classes",
    "run_estimate",
    "run_groups",
    "uniform_estimate",
]
