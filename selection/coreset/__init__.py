"""Subsets that represent the whole data set."""

from gleann.index.shards.runner import Runner
from gleann.selection.coreset import methods
from gleann.selection.coreset.baselines import Baselines, choose_baselines
from gleann.selection.coreset.cover import measure, metric_vectors
from gleann.selection.coreset.functions import (
    ccs,
    entropy,
    farthest_first,
    gist,
    k_center,
    margin,
    parallel_weighted_k_center,
    uniform,
    weighted_k_center,
    within_groups,
)
from gleann.selection.coreset.methods.draws import draw_within_groups
from gleann.selection.coreset.methods.facility_location import (
    FacilityLocation,
    facility_location,
)
from gleann.selection.coreset.methods.farthest_first import Traversal
from gleann.selection.coreset.problem import CostOn, Method, Problem
from gleann.selection.coreset.quotas import equal_quotas, proportional_quotas
from gleann.selection.coreset.result import Coreset
from gleann.selection.coreset.select import (
    CoresetAnswer,
    CoresetRequest,
    MethodName,
    QuotaRule,
    draw,
    select,
)

__all__ = [
    "Baselines",
    "Coreset",
    "CoresetAnswer",
    "CoresetRequest",
    "CostOn",
    "FacilityLocation",
    "Method",
    "MethodName",
    "Problem",
    "QuotaRule",
    "Runner",
    "Traversal",
    "ccs",
    "choose_baselines",
    "draw",
    "draw_within_groups",
    "entropy",
    "equal_quotas",
    "facility_location",
    "farthest_first",
    "gist",
    "k_center",
    "margin",
    "measure",
    "methods",
    "metric_vectors",
    "parallel_weighted_k_center",
    "proportional_quotas",
    "select",
    "uniform",
    "weighted_k_center",
    "within_groups",
]
