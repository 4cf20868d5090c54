"""Estimates in one call, from an oracle."""
from collections.abc import Callable
from numpy.typing import ArrayLike
from gleann.index.arrays import Ids
from gleann.selection.estimate.session import Estimate, EstimateParams, EstimateSession
from gleann.selection.pool import ProgressCallback

Oracle = Callable[[Ids], tuple[ArrayLike, ArrayLike | None]]


def estimate(proxy: ArrayLike, oracle: Oracle, params: EstimateParams, *, ids: ArrayLike | None = None, progress: ProgressCallback | None = None) -> Estimate:
    """Label `params.budget` rows by `oracle` and estimate."""


def uniform_estimate(proxy: ArrayLike, oracle: Oracle, params: EstimateParams, *, ids: ArrayLike | None = None, progress: ProgressCallback | None = None) -> Estimate:
    """The baseline: one stratum, one round."""


def run_estimate(session: EstimateSession, oracle: Oracle, *, chunk: int = 100, progress: ProgressCallback | None = None) -> Estimate:
    """Finish a session by an oracle; what was labelled before an oracle raised stays."""
