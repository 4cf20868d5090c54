"""Subsets that stand for the whole."""

from gleann.selection.coreset.baselines import Baselines, choose_baselines
from gleann.selection.coreset.ccs import ccs
from gleann.selection.coreset.coordinator import Runner
from gleann.selection.coreset.cover import measure, metric_vectors
from gleann.selection.coreset.draws import draw_within_groups
from gleann.selection.coreset.facility_location import (
    FacilityLocation,
    facility_location,
)
from gleann.selection.coreset.farthest_first import (
    Traversal,
    farthest_first,
    k_center,
)
from gleann.selection.coreset.gist import gist
from gleann.selection.coreset.margin import entropy, margin
from gleann.selection.coreset.parallel import parallel_weighted_k_center
from gleann.selection.coreset.problem import CostOn
from gleann.selection.coreset.quotas import (
    equal_quotas,
    proportional_quotas,
    within_groups,
)
from gleann.selection.coreset.result import Coreset, Method
from gleann.selection.coreset.uniform import uniform
from gleann.selection.coreset.weighted_k_center import weighted_k_center

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
