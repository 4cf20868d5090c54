"""The methods that choose a subset, one a module: each solves a `Problem`."""

from gleann.selection.coreset.methods.ccs import ccs
from gleann.selection.coreset.methods.farthest_first import farthest_first
from gleann.selection.coreset.methods.gist import gist
from gleann.selection.coreset.methods.margin import entropy, margin
from gleann.selection.coreset.methods.stratified import stratified
from gleann.selection.coreset.methods.uniform import uniform
from gleann.selection.coreset.methods.weighted_k_center import weighted_k_center

__all__ = [
    "ccs",
    "entropy",
    "farthest_first",
    "gist",
    "margin",
    "stratified",
    "uniform",
    "weighted_k_center",
]
