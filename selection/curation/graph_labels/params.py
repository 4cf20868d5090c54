"""Parameters of label propagation and of label allocation."""

from dataclasses import dataclass
from sys import float_info
from typing import Literal, get_args

from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import require_between, require_count

KernelName = Literal["cosine", "gaussian", "uniform"]
HoldName = Literal["soft", "clamped"]

SMALLEST_TOLERANCE = 1e-12
LARGEST_ALPHA = 0.9999
"""Nearer to 1 the sweeps grow without bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationParams:
    """How labels spread over the neighbour graph.

    Attributes:
        kernel: weight of an edge. "cosine": max(0, cos)^power. "gaussian":
            exp(-d^2 / (s_i s_j)) of the plain L2 distance (the chord under cosine),
            where s_i is the distance of row i to the last of its neighbours
            (Zelnik-Manor and Perona 2004). "uniform": 1.
        power: of "cosine".
        alpha: share that a row takes from its neighbours in every sweep; the larger,
            the farther labels reach.
        hold: "soft" (Zhou et al. 2004: given labels are evidence that neighbours can
            outvote) or "clamped" (given labels stay as they are).
        tolerance: bound on the error of every class probability.
        max_sweeps: sweeps at most. Rows whose error is not below `tolerance` by then
            get no label.
    """

    kernel: KernelName = "cosine"
    power: float = 3.0
    alpha: float = 0.95
    hold: HoldName = "soft"
    tolerance: float = 1e-4
    max_sweeps: int = 1000

    def __post_init__(self) -> None:
        require_one_of("kernel", self.kernel, get_args(KernelName))
        require_one_of("hold", self.hold, get_args(HoldName))
        require_between("power", self.power, low=0, high=100)
        require_between("alpha", self.alpha, low=0, high=LARGEST_ALPHA)
        require_between("tolerance", self.tolerance, low=SMALLEST_TOLERANCE, high=0.1)
        require_count("max_sweeps", self.max_sweeps)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationParams:
    """How many rows are labelled, and how sharply.

    Attributes:
        share: rho, the share of the rows to label.
        gamma: inverse temperature: the larger, the nearer to hard labels.
        tolerance: largest relative error of a column's total.
        max_sweeps: sweeps and Newton steps at most.
    """

    share: float = 1.0
    gamma: float = 10.0
    tolerance: float = 1e-6
    max_sweeps: int = 10_000

    def __post_init__(self) -> None:
        require_between("share", self.share, low=0, high=1)
        require_between("gamma", self.gamma, low=float_info.min, high=1e4)
        require_between("tolerance", self.tolerance, low=SMALLEST_TOLERANCE, high=0.1)
        require_count("max_sweeps", self.max_sweeps)
        if not self.share:
            raise InvalidParamsError("share must be above 0, got 0: no row is labelled")
