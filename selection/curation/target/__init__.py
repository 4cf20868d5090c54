"""Rows for a target: by turns of the targets, by best rank, or by importance."""

from gleann.selection.curation.target.best_rank import BestRankRequest, best_rank
from gleann.selection.curation.target.compare import Comparison, Nearness, compare
from gleann.selection.curation.target.distil import (
    Distilled,
    DistilRequest,
    Probe,
    distil,
)
from gleann.selection.curation.target.pool import Limits
from gleann.selection.curation.target.resample import ResampleRequest, resample
from gleann.selection.curation.target.round_robin import (
    RoundRobinRequest,
    round_robin,
)
from gleann.selection.curation.target.select import Mode, for_target
from gleann.selection.curation.target.targets import Targets

__all__ = [
    "BestRankRequest",
    "Comparison",
    "DistilRequest",
    "Distilled",
    "Limits",
    "Mode",
    "Nearness",
    "Probe",
    "ResampleRequest",
    "RoundRobinRequest",
    "Targets",
    "best_rank",
    "compare",
    "distil",
    "for_target",
    "resample",
    "round_robin",
]
