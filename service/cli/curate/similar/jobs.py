"""Parameters of the commands of similar rows."""

from dataclasses import dataclass
from pathlib import Path

from gleann.index.errors import InvalidParamsError
from gleann.selection.curation.duplicates import KeepBy
from gleann.service.cli.curate.served.options import ServedOptions
from gleann.service.cli.curate.similar.inputs import SimilarJob


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatesJob(SimilarJob):
    """Parameters of `gleann curate duplicates`."""

    radius: float | None
    similarity: float | None
    keep_by: KeepBy
    scores: str | None
    against: Path | None
    known: Path | None
    pairs: Path | None
    state: Path | None
    max_pairs: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RethresholdJob(ServedOptions):
    """Parameters of `gleann curate rethreshold`."""

    found: Path
    out: Path
    radius: float | None
    similarity: float | None
    pairs: Path | None
    state: Path | None
    overwrite: bool
    progress: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinJob(SimilarJob):
    """Parameters of `gleann curate join`."""

    other: Path | None
    radius: float | None
    similarity: float | None
    k: int | None
    target_recall: float | None
    max_pairs: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakageJob(SimilarJob):
    """Parameters of `gleann curate leakage`."""

    reference: Path | None
    splits: str | None
    trained_on: tuple[str, ...]
    radius: float | None
    similarity: float | None
    groups: str | None
    pairs: Path | None
    state: Path | None
    bins: int
    max_pairs: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitJob(SimilarJob):
    """Parameters of `gleann curate split`."""

    folds: int
    held_out: float
    together: str | None
    tests: Path | None
    per_test: int | None
    seed: int


def require_one_way(job: JoinJob) -> None:
    """Refuse a join without a distance or a number of neighbours, or with both.

    Raises:
        InvalidParamsError: with what is given.
    """
    near = job.radius is not None or job.similarity is not None
    if job.k is not None and near:
        raise InvalidParamsError("give --k, or --radius or --similarity: not both")
    if job.k is None and not near:
        raise InvalidParamsError(
            "give one of --radius, --similarity and --k: got none of them"
        )
    if job.k is None and job.target_recall is not None:
        raise InvalidParamsError(
            "--target-recall is for --k: pairs within a radius are all"
        )
