"""Start or resume the session of `gleann estimate`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import Mask, Rows, Vectors
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
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.selection.estimate.labels.known import known_rows
from gleann.selection.estimate.population import Population
from gleann.selection.estimate.stratified.allocate import Target, statistic_of
from gleann.selection.provenance import fingerprint
from gleann.selection.saved import Saved
from gleann.service.cli.estimate.estimate_job import EstimateJob, params_of
from gleann.service.cli.files.among import rows_among
from gleann.service.cli.files.answers import Answers, read_answers, read_examples
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.proxies import by_file_name, read_proxies
from gleann.service.cli.files.session_file import Arrays, SessionFile
from gleann.service.cli.progress import Report

Session = ChoosingSession | EstimateSession | TastiSession
AnySession = TypeVar("AnySession", ChoosingSession, EstimateSession, TastiSession)


def _no_arrays() -> Arrays:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Started:
    """A session and its oracle.

    Attributes:
        session: new or resumed.
        answers: of the answers file.
        arrays: what may be kept beside the session's state.
    """

    session: Session
    answers: Answers
    arrays: Callable[[], Arrays] = _no_arrays


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What a run of the command reports to and keeps.

    Attributes:
        job: its parameters.
        record: of the job.
        file: of the session.
        report: called as work advances.
    """

    job: EstimateJob
    record: JobRecord
    file: SessionFile
    report: Report

    def among(self, names: IdMap, *, index: SoarIndex | None = None) -> Among | None:
        """The items that pass --where now."""
        own = self.job.proxy[0] if self.job.proxy else None
        return rows_among(self.job, self.record, names, index=index, own=own)


def start(job: EstimateJob, run: Run) -> Started:
    """Read the files of a job and start its session, or resume the saved one.

    Raises:
        InvalidInputError: no proxy source, or two; or a saved session of other
            parameters.
        CorruptDataError: a saved session of other data.
    """
    params = params_of(job)
    _refuse_unread(job)
    if job.proxy and job.index is None:
        found = _of_files(job, params, run)
    elif job.index is not None and not job.proxy:
        found = _of_index(job, params, job.index, run)
    else:
        raise InvalidInputError("give --proxy or --index, one of them")
    if job.oracle_csv.exists():
        run.record.add_file(job.oracle_csv)
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


def _of_files(job: EstimateJob, params: EstimateParams, run: Run) -> Started:
    names, proxies = read_proxies(by_file_name(job.proxy))
    for path in job.proxy:
        run.record.add_file(path)
    answers = answers_of(job, names)
    if len(proxies) == 1:
        (proxy,) = proxies.values()
        session = _single(proxy, params, answers, run)
        return Started(session=session, answers=answers)

    def resume(state: dict[str, Any]) -> ChoosingSession:
        session = ChoosingSession.resume(state, proxies, ids=names.held)
        return _unchanged(session, answers)

    choosing = run.file.resumed(
        resume,
        lambda: ChoosingSession.start(
            proxies, params, ids=names.held, among=run.among(names)
        ),
        params=params,
        condition=job.condition,
    )
    return Started(session=choosing, answers=answers)


def _single(
    proxy: NDArray[np.float64],
    params: EstimateParams,
    answers: Answers,
    run: Run,
    *,
    known: Known | None = None,
    index: SoarIndex | None = None,
) -> EstimateSession:
    """A session with one proxy (n,)."""
    among = partial(run.among, answers.names, index=index)
    return of_proxy(proxy, params, answers, run, known=known, among=among)


def of_proxy(
    proxy: NDArray[np.float64],
    params: EstimateParams,
    answers: Answers,
    run: Run,
    *,
    known: Known | None = None,
    among: Callable[[], Among | None],
) -> EstimateSession:
    """A session with one proxy (n,): that of --state, or a new one.

    Args:
        proxy: of all items.
        params: of the estimate.
        answers: of all items.
        run: of the command.
        known: labels known before.
        among: gives the items that pass --where now.
    """
    ids = answers.names.held

    def resume(state: dict[str, Any]) -> EstimateSession:
        _require_known(state, known, answers.names, params)
        return _unchanged(EstimateSession.resume(state, proxy, ids=ids), answers)

    def begin() -> EstimateSession:
        return EstimateSession.start(proxy, params, ids=ids, known=known, among=among())

    condition = run.job.condition
    return run.file.resumed(resume, begin, params=params, condition=condition)


def _of_index(
    job: EstimateJob, params: EstimateParams, path: Path, run: Run
) -> Started:
    if job.labelled is not None and job.representatives is not None:
        raise InvalidInputError("give --labelled or --representatives, not both")
    # Nothing is searched, and this engine has nothing to prepare.
    index = SoarIndex.load(path, engine="reference")
    run.record.add_index(path, index.data_hash)
    if index.metric == "ip":
        raise InvalidInputError(
            f"--index {path} ranks by inner product, which is no distance: build it"
            " with --metric cosine or l2"
        )
    answers = answers_of(job, IdMap(index.held_ids, n=len(index)))
    if job.labelled is None:
        first = job.representatives or 0
        _require_rows(job, first=first, rows=len(index))
        # The session's budget includes the representatives, the command's does not.
        whole = replace(params, budget=params.budget + first)
        return _refreshed(index, whole, answers, run, first=first)
    rows, positives = read_examples(job.labelled, answers.names)
    if not len(rows):
        raise InvalidInputError(
            f"{job.labelled} has 0 labelled items: --index needs some to make the proxy"
            " from"
        )
    known, told = _known(rows, positives, answers, target=statistic_of(job.target))
    if told.all() and len(rows) > 1 and params.interval != "bootstrap":
        return _refreshed(index, params, answers, run, known=known)
    arrays = _propagated(metric_vectors(index), rows, positives, index.data_hash, run)
    proxy = arrays["proxy"].astype(np.float64)
    session = _single(proxy, params, answers, run, known=known, index=index)
    return Started(session=session, answers=answers, arrays=lambda: arrays)


def _require_rows(job: EstimateJob, *, first: int, rows: int) -> None:
    """Refuse more labels than rows, and an interval that refreshed rounds lack.

    Raises:
        InvalidInputError: naming the options.
    """
    if first + job.budget > rows:
        raise InvalidInputError(
            f"--budget {job.budget} and --representatives {first} are"
            f" {first + job.budget} labels, but --index has {rows} items"
        )
    if first < 0:
        raise InvalidInputError(f"--representatives must be at least 0, got {first}")
    if job.interval == "bootstrap":
        raise InvalidInputError(
            f"--interval {job.interval} does not go with --representatives, as each"
            " round has its own strata: take auto"
        )


def _refreshed(
    index: SoarIndex,
    params: EstimateParams,
    answers: Answers,
    run: Run,
    *,
    first: int = 0,
    known: Known | None = None,
) -> Started:
    """A session whose proxies follow the labels."""
    vectors, ids = metric_vectors(index), answers.names.held

    def resume(state: dict[str, Any]) -> TastiSession:
        session = TastiSession.resume(
            state, vectors, ids=ids, proxy_sums=run.file.arrays(), progress=run.report
        )
        if (was := session.representatives) != first:
            raise InvalidInputError(
                f"it was started with --representatives {was}, not {first}"
            )
        _require_known(state, known, answers.names, params)
        return _unchanged(session, answers)

    def begin() -> TastiSession:
        return TastiSession.start(
            vectors,
            params,
            first=first,
            ids=ids,
            known=known,
            among=run.among(answers.names, index=index),
            progress=run.report,
        )

    session = run.file.resumed(
        resume, begin, params=params, first=first, condition=run.job.condition
    )
    return Started(session=session, answers=answers, arrays=session.proxy_sums)


def _propagated(
    vectors: Vectors,
    rows: Rows,
    positives: Mask,
    data_hash: str,
    run: Run,
) -> Arrays:
    """The proxy (n,) by these labels: that beside the session if it is of them."""
    source = f"{data_hash} {fingerprint(rows, positives)}"
    kept = run.file.arrays()
    if _is_of(kept, source):
        return kept
    proxy = propagate_labels(vectors, rows=rows, labels=positives, progress=run.report)
    return {
        "proxy": proxy,
        "source": np.array([source]),
        "checksum": np.array([fingerprint(proxy)]),
    }


def _is_of(kept: Arrays, source: str) -> bool:
    """Whether there is a proxy of these labels, as it was saved."""
    if not all(name in kept for name in ("proxy", "source", "checksum")):
        return False
    checksum = fingerprint(kept["proxy"])
    return [kept["source"].tolist(), kept["checksum"].tolist()] == [
        [source],
        [checksum],
    ]


def answers_of(job: EstimateJob, names: IdMap) -> Answers:
    """The answers so far, with values where the target needs them."""
    return read_answers(
        job.oracle_csv, names, with_values=statistic_of(job.target) != "count"
    )


def _require_known(
    state: dict[str, Any], known: Known | None, names: IdMap, params: EstimateParams
) -> None:
    """Refuse a session that was started with other labels than --labelled has.

    Raises:
        InvalidInputError: naming the option.
    """
    population = Population.of_state(Saved(state), names.held, n=len(names))
    now = known_rows(known, population, params).state()
    if state["known"] != now:
        raise InvalidInputError(
            f"it was started with {len(state['known']['rows'])} labels of --labelled,"
            f" not with these {len(now['rows'])}"
        )


def _unchanged(session: AnySession, answers: Answers) -> AnySession:
    """The session, whose labels are those of the answers file.

    Raises:
        InvalidInputError: an answer differs from that given before.
    """
    rows = session.labelled_rows
    rows = rows[answers.known[rows]]
    ids = answers.names.ids_of(rows)
    session.submit(ids, *answers.ask(ids))
    return session


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
