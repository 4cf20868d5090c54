"""Drive a session with an oracle."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numpy.typing import ArrayLike
from gleann.index.arrays import Ids
from gleann.selection.active.session import ActiveSession
from gleann.selection.pool import ProgressCallback

LabelOracle = Callable[[Ids], ArrayLike]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """Where a run stood before a batch was asked for (and, last, at its end).

    Attributes:
        labelled: rows labelled, seed included.
        positives: those of the last class.
        looked_at: distinct rows that ever entered the pool.
        metrics: what `evaluate` said of the model then.
    """
    labelled: int
    positives: int
    looked_at: int
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRun:
    """`history`: one record a batch; `note`: why it ended before the budget, or ""."""
    history: tuple[BatchRecord, ...]
    note: str


def run_active(
    session: ActiveSession,
    oracle: LabelOracle,
    *,
    budget: int,
    evaluate: Callable[[ActiveSession], Mapping[str, float]] | None = None,
    progress: ProgressCallback | None = None,
) -> ActiveRun:
    """Label until `budget` rows, seed included, are labelled."""
