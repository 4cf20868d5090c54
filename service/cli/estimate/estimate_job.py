"""Parameters of `gleann estimate`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gleann.selection import EstimateParams
from gleann.selection.estimate.stratified.allocate import (
    TargetName,
    statistic_of,
)
from gleann.service.cli.options import AmongOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateJob(AmongOptions):
    """Parameters of `gleann estimate`."""

    proxy: tuple[Path, ...]
    index: Path | None
    labelled: Path | None
    representatives: int | None
    oracle_csv: Path
    target: TargetName
    budget: int
    strata: int
    strata_cut: str | None
    rounds: int | None
    pilot_share: float | None
    confidence: float
    interval: str
    value_range: tuple[float, float] | None
    stop_at_width: float | None
    stop_at_relative_width: float | None
    anytime: bool
    seed: int
    todo: Path
    out: Path
    state: Path | None
    resume: bool
    overwrite: bool
    progress: bool


def params_of(job: EstimateJob) -> EstimateParams:
    """Session parameters."""
    plan = EstimateParams(
        target=job.target,
        budget=job.budget,
        strata=job.strata,
        strata_cut=job.strata_cut or _strata_cut(job),
        confidence=job.confidence,
        interval=job.interval,
        value_range=job.value_range,
        stop_at_width=job.stop_at_width,
        stop_at_relative_width=job.stop_at_relative_width,
        anytime=job.anytime,
        seed=job.seed,
    )
    given: dict[str, Any] = {"rounds": job.rounds, "pilot_share": job.pilot_share}
    return replace(
        plan, **{name: value for name, value in given.items() if value is not None}
    )


def _strata_cut(job: EstimateJob) -> str:
    """The rule for strata bounds: scores from an index rank, but are no probabilities.

    A mean, unlike a count, needs labels of the few low-ranked positives.
    """
    ranked = job.index is not None and statistic_of(job.target) == "count"
    return "geometric" if ranked else "sqrt_mass"
