"""Labels over the neighbour graph: propagation, and allocation under class shares."""

from gleann.selection.curation.graph_labels.allocation import (
    Allocation,
    AllocationRequest,
    allocate_labels,
)
from gleann.selection.curation.graph_labels.bounds import wilson_upper_bounds
from gleann.selection.curation.graph_labels.params import (
    AllocationParams,
    PropagationParams,
)
from gleann.selection.curation.graph_labels.propagation import (
    PropagationRequest,
    propagate,
    propagate_vectors,
)
from gleann.selection.curation.graph_labels.result import Propagation

__all__ = [
    "Allocation",
    "AllocationParams",
    "AllocationRequest",
    "Propagation",
    "PropagationParams",
    "PropagationRequest",
    "allocate_labels",
    "propagate",
    "propagate_vectors",
    "wilson_upper_bounds",
]
