"""The plan of a selection job."""

from typing import NamedTuple

from gleann.index.nouns import counted
from gleann.service.jobs.candidates import Candidates
from gleann.service.plans.machine import nominal_second
from gleann.service.values import Plan
from gleann.service.views.live_index import View
from gleann.v1 import coreset_pb2

ROW_BYTES = 80
"""Memory of a candidate besides its numbers: its distances, bounds and costs."""
ITEM_BYTES = 64
"""Of a chosen vector on disk: its id, score, weight and details."""
BASE_BYTES = 4_000_000


class _Cost(NamedTuple):
    """Nominal nanoseconds for one number of a candidate.

    Attributes:
        once: for the whole job, its baselines included.
        a_pick: for each vector that is chosen.
    """

    once: float
    a_pick: float


_COSTS = {
    "weighted_k_center": _Cost(70.0, 0.65),
    "farthest_first": _Cost(50.0, 0.2),
    "margin": _Cost(50.0, 0.3),
    "random": _Cost(8.0, 0.0),
    "gist": _Cost(160.0, 1.85),
    "ccs": _Cost(65.0, 0.35),
}
"""Fitted where clusters are clear, which spares most comparisons
(`service/DECISIONS.md` "Plans of long work")."""


def selection_plan(
    view: View,
    request: coreset_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
) -> Plan:
    """The plan of a selection among resolved candidates."""
    method = request.WhichOneof("strategy")
    assert method is not None
    n, k, cost = len(candidates.rows), candidates.k, _COSTS[method]
    numbers = n * view.dim
    seconds = 1e-9 * numbers * (cost.once + cost.a_pick * k)
    stored = ITEM_BYTES * k
    return Plan(
        rows=n,
        seconds=seconds * nominal_second(),
        memory_bytes=BASE_BYTES + 4 * numbers + ROW_BYTES * n,
        disk_bytes=stored,
        disk_bytes_after=stored,
        steps=(
            f"It reads {counted(n, 'candidates')} of {view.name!r}.",
            f"It chooses {k:,} of them by {method}.",
        ),
    )
