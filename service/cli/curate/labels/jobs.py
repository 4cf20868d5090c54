"""Parameters of the commands about labels."""

from dataclasses import dataclass
from pathlib import Path

from gleann.index.params import Metric
from gleann.selection.curation.graph_labels import AllocationParams, PropagationParams
from gleann.selection.curation.graph_labels.params import HoldName, KernelName
from gleann.service.cli.curate.served.options import ServedOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagateJob(ServedOptions):
    """Parameters of `gleann curate propagate`."""

    source: Path
    out: Path
    labels: str | None
    soft_labels: Path | None
    weight_column: str | None
    classes: str | None
    k: int
    kernel: KernelName
    power: float
    alpha: float
    hold: HoldName
    tolerance: float
    max_sweeps: int
    probabilities_out: Path | None
    uncertain_out: Path | None
    uncertain: int
    vectors_column: str | None
    id_column: str | None
    metric: Metric | None
    overwrite: bool
    progress: bool

    def params(self) -> PropagationParams:
        """How the labels spread."""
        return PropagationParams(
            kernel=self.kernel,
            power=self.power,
            alpha=self.alpha,
            hold=self.hold,
            tolerance=self.tolerance,
            max_sweeps=self.max_sweeps,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateJob(ServedOptions):
    """Parameters of `gleann curate allocate`."""

    probabilities: Path
    out: Path
    shares: str | None
    upper_bounds: str | None
    sample: str | None
    confidence: float
    classes: str | None
    share: float
    gamma: float
    tolerance: float
    max_sweeps: int
    overwrite: bool
    progress: bool

    def params(self) -> AllocationParams:
        """How many items are labelled, and how sharply."""
        return AllocationParams(
            share=self.share,
            gamma=self.gamma,
            tolerance=self.tolerance,
            max_sweeps=self.max_sweeps,
        )
