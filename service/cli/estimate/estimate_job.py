"""Parameters of `gleann estimate`, and the session that they start."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import Mask, Rows
from gleann.index.errors import InvalidInputError
from gleann.selection import (
    ChoosingSession,
    EstimateParams,
    EstimateSession,
    Known,
    TastiSession,
    metric_vectors,
    propagate_labels,
)
from gleann.selection.checks import IdMap
from gleann.selection.estimate.stratified.allocate import Target
from gleann.service.cli.estimate.proxies import by_file_name, read_proxies
from gleann.service.cli.files.answers import Answers, read_answers, read_examples
from gleann.service.cli.files.manifest import JobRecord

Session = ChoosingSession | EstimateSession | TastiSession


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
    overwrite: bool


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


def start(job: EstimateJob, record: JobRecord) -> tuple[Session, Answers]:
    """Read the files of a job and start its session.

    Raises:
        InvalidInputError: no proxy source, or two.
    """
    params = params_of(job)
    _refuse_unread(job)
    if job.proxy and job.index is None:
        found = _start_from_files(job, params, record)
    elif job.index is not None and not job.proxy:
        found = _start_from_index(job, params, job.index, record)
    else:
        raise InvalidInputError("give --proxy or --index, one of them")
    if job.oracle_csv.exists():
        record.add_file(job.oracle_csv)
    return found


def _refuse_unread(job: EstimateJob) -> None:
    """Refuse options that apply to an index only.

    Raises:
        InvalidInputError: naming the option.
    """
    given = {
        "--labelled": job.labelled is not None,
        "--representatives": job.representatives is not None,
    }
    for name, there in given.items():
        if there and job.index is None:
            raise InvalidInputError(f"{name} makes a proxy from --index: give that too")


def _start_from_files(
    job: EstimateJob, params: EstimateParams, record: JobRecord
) -> tuple[Session, Answers]:
    names, proxies = read_proxies(by_file_name(job.proxy))
    for path in job.proxy:
        record.add_file(path)
    answers = _read_answers(job, names)
    if len(proxies) > 1:
        return ChoosingSession.start(proxies, params, ids=names.held), answers
    (proxy,) = proxies.values()
    return EstimateSession.start(proxy, params, ids=names.held), answers


def _start_from_index(
    job: EstimateJob, params: EstimateParams, path: Path, record: JobRecord
) -> tuple[Session, Answers]:
    if (job.labelled is None) == (job.representatives is None):
        raise InvalidInputError(
            "with --index give --labelled or --representatives, one of them"
        )
    index = SoarIndex.load(path)
    record.add_index(path, index.data_hash)
    vectors = metric_vectors(index)
    answers = _read_answers(job, IdMap(index.held_ids, n=len(index)))
    if job.labelled is None:
        # The session's budget includes the representatives, the command's does not.
        first = job.representatives or 0
        whole = replace(params, budget=params.budget + first)
        return (
            TastiSession.start(vectors, whole, first=first, ids=index.held_ids),
            answers,
        )
    rows, positives = read_examples(job.labelled, answers.names)
    if not len(rows):
        raise InvalidInputError(
            f"{job.labelled} has 0 labelled items: --index needs some to make the proxy"
            " from"
        )
    known, told = _known(rows, positives, answers, target=job.target)
    if told.all() and len(rows) > 1 and params.interval != "bootstrap":
        return (
            TastiSession.start(
                vectors, params, first=0, ids=index.held_ids, known=known
            ),
            answers,
        )
    proxy = propagate_labels(vectors, rows=rows, labels=positives).astype(np.float64)
    return EstimateSession.start(
        proxy, params, ids=index.held_ids, known=known
    ), answers


def _read_answers(job: EstimateJob, names: IdMap) -> Answers:
    return read_answers(job.oracle_csv, names, with_values=job.target != "count")


def _strata_cut(job: EstimateJob) -> str:
    """The rule for strata bounds: scores from an index rank, but are no probabilities.

    A mean, unlike a count, needs labels of the few low-ranked positives.
    """
    ranked = job.index is not None and job.target == "count"
    return "geometric" if ranked else "sqrt_mass"


def _known(
    rows: Rows, positives: Mask, answers: Answers, *, target: Target
) -> tuple[Known, NDArray[np.bool_]]:
    """Known labels from a file; it has no values, so these are requested if needed."""
    told = np.ones(len(rows), np.bool_) if target == "count" else ~positives
    known = Known(
        ids=answers.names.ids_of(rows[told]),
        positives=positives[told],
        values=np.zeros(int(told.sum())),
    )
    return known, told
