"""Parameters of `gleann estimate`."""

from dataclasses import dataclass, replace
from pathlib import Path

from gleann.selection import EstimateParams
from gleann.selection.estimate.stratified.allocate import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateJob:
    """Parameters of `gleann estimate`."""

    proxy: tuple[Path, ...]
    index: Path | None
    labelled: Path | None
    representatives: int | None
    oracle_csv: Path
    target: Target
    budget: int
    strata: int
    strata_cut: str | None
    rounds: int | None
    pilot_share: float | None
    confidence: float
    interval: str
    stop_at_width: float | None
    stop_at_relative_width: float | None
    seed: int
    todo: Path
    out: Path
    state: Path | None
    resume: bool
    overwrite: bool
    progress: bool


def params_of(job: EstimateJob) -> EstimateParams:
    """Session parameters; early stopping uses more and smaller rounds."""
    plan = EstimateParams(
        target=job.target,
        budget=job.budget,
        strata=job.strata,
        strata_cut=job.strata_cut or _strata_cut(job),
        confidence=job.confidence,
        interval=job.interval,
        stop_at_width=job.stop_at_width,
        stop_at_relative_width=job.stop_at_relative_width,
        seed=job.seed,
    )
    rounds, pilot_share = (10, 0.1) if plan.may_stop else (2, 0.5)
    return replace(
        plan,
        rounds=rounds if job.rounds is None else job.rounds,
        pilot_share=pilot_share if job.pilot_share is None else job.pilot_share,
    )


def _strata_cut(job: EstimateJob) -> str:
    """The rule for strata bounds: scores from an index rank, but are no probabilities.

    A mean, unlike a count, needs labels of the few low-ranked positives.
    """
    ranked = job.index is not None and job.target == "count"
    return "geometric" if ranked else "sqrt_mass"
