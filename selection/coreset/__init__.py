"""Subsets that stand for the whole."""

from gleann.selection.coreset.baselines import Baselines, choose_baselines
from gleann.selection.coreset.cover import measure, metric_vectors
from gleann.selection.coreset.methods.ccs import ccs
from gleann.selection.coreset.methods.draws import draw_within_groups
from gleann.selection.coreset.methods.facility_location import (
    FacilityLocation,
    facility_location,
)
from gleann.selection.coreset.methods.farthest_first import (
    Traversal,
    farthest_first,
    k_center,
)
from gleann.selection.coreset.methods.gist import gist
from gleann.selection.coreset.methods.margin import entropy, margin
from gleann.selection.coreset.methods.uniform import uniform
from gleann.selection.coreset.methods.weighted_k_center import weighted_k_center
from gleann.selection.coreset.parallel.coordinator import Runner
from gleann.selection.coreset.parallel.method import parallel_weighted_k_center
from gleann.selection.coreset.problem import CostOn
from gleann.selection.coreset.quotas import (
    equal_quotas,
    proportional_quotas,
    within_groups,
)
from gleann.selection.coreset.result import Coreset, Method

__all__ = [
    "Baselines",
    "Coreset",
    "CostOn",
    "FacilityLocation",
    "Method",
    "Runner",
    "Traversal",
    "ccs",
    "choose_baselines",
    "draw_within_groups",
    "entropy",
    "equal_quotas",
    "facility_location",
    "farthest_first",
    "gist",
    "k_center",
    "margin",
    "measure",
    "metric_vectors",
    "parallel_weighted_k_center",
    "proportional_quotas",
    "uniform",
    "weighted_k_center",
    "within_groups",
]
