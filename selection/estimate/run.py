"""Estimates in one call, from an oracle."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from numpy.typing import ArrayLike

from gleann.index import Progress
from gleann.selection.checks import require_count
from gleann.selection.estimate.labels.answers import Oracle
from gleann.selection.estimate.labels.known import Known
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.sessions.several_proxies import ChoosingSession
from gleann.selection.estimate.sessions.single import EstimateSession
from gleann.selection.progress import ProgressCallback
from gleann.selection.result import Selection


class CountingSession(Protocol):
    """What progress is told of."""

    @property
    def params(self) -> EstimateParams:
        """How the estimate is made."""

    @property
    def labels_used(self) -> int:
        """Rows labelled so far."""


class LabellingSession(CountingSession, Protocol):
    """What `run_estimate` needs of a session."""

    def next_batch(self) -> Selection:
        """What to label next; empty at the end."""

    def submit(
        self, ids: ArrayLike, positives: ArrayLike, values: ArrayLike | None = None
    ) -> int:
        """Take labels; returns how many were new."""

    def estimate(self) -> Estimate:
        """What the labels say."""


def estimate(
    proxy: ArrayLike,
    oracle: Oracle,
    params: EstimateParams,
    *,
    ids: ArrayLike | None = None,
    known: Known | None = None,
    progress: ProgressCallback | None = None,
) -> Estimate:
    """Label `params.budget` rows by `oracle`, and estimate.

    An oracle that may fail half-way is better run by `run_estimate` on a session of
    one's own, which keeps the labels that came before.

    Args:
        proxy: (n,) cheap scores, as `EstimateSession.start` takes them.
        oracle: labels rows; never asked twice for one.
        params: how.
        ids: (n,) names of the rows; None numbers them.
        known: labels that are there already, as `EstimateSession.start` takes them.
        progress: called as labels arrive.
    """
    session = EstimateSession.start(proxy, params, ids=ids, known=known)
    return run_estimate(session, oracle, progress=progress)


def uniform_estimate(
    proxy: ArrayLike,
    oracle: Oracle,
    params: EstimateParams,
    *,
    ids: ArrayLike | None = None,
    progress: ProgressCallback | None = None,
) -> Estimate:
    """The baseline: `estimate` from one uniform sample that ignores the proxies.

    Args:
        proxy: (n,), only counted.
        oracle: labels rows.
        params: how; strata and rounds are not used.
        ids: (n,) names of the rows; None numbers them.
        progress: called as labels arrive.
    """
    return estimate(proxy, oracle, as_uniform(params), ids=ids, progress=progress)


def as_uniform(params: EstimateParams) -> EstimateParams:
    """The parameters of the baseline: one stratum, one round, the whole budget."""
    return replace(
        params,
        strata=1,
        rounds=1,
        strata_cut="equal_size",
        stop_at_width=None,
        stop_at_relative_width=None,
    )


def estimate_choosing(
    proxies: Mapping[str, ArrayLike],
    oracle: Oracle,
    params: EstimateParams,
    *,
    ids: ArrayLike | None = None,
    progress: ProgressCallback | None = None,
) -> Estimate:
    """`estimate` by whichever of several proxies a pilot finds best.

    Args:
        proxies: (n,) each, by name.
        oracle: labels rows; never asked twice for one.
        params: how; a fifth of the budget is the pilot.
        ids: (n,) names of the rows; None numbers them.
        progress: called as labels arrive.
    """
    session = ChoosingSession.start(proxies, params, ids=ids)
    return run_estimate(session, oracle, progress=progress)


def run_estimate(
    session: LabellingSession,
    oracle: Oracle,
    *,
    chunk: int = 100,
    progress: ProgressCallback | None = None,
) -> Estimate:
    """Finish a session by an oracle.

    Whatever `oracle` or `progress` raises passes through; the labels of the chunks
    before stay in the session, and a second call goes on from there.

    Args:
        session: begun, or half-way.
        oracle: labels rows.
        chunk: rows to ask the oracle for at a time.
        progress: called after each chunk.
    """
    require_count("chunk", chunk)
    while len(batch := session.next_batch()):
        ids = batch.ids[:chunk]
        session.submit(ids, *oracle(ids))
        tell(progress, session)
    return session.estimate()


def tell(progress: ProgressCallback | None, session: CountingSession) -> None:
    """Say how many labels of the budget are there."""
    if progress is not None:
        done, total = session.labels_used, session.params.budget
        progress(Progress(phase="label", done=done, total=total))
