"""Estimates in one call, with an oracle."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from numpy.typing import ArrayLike

from gleann.index.arrays import Ids
from gleann.selection.among import AmongLike
from gleann.selection.estimate.labels.answers import Oracle, given_by
from gleann.selection.estimate.labels.known import Known
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.result import Estimate
from gleann.selection.estimate.sessions.several_proxies import ChoosingSession
from gleann.selection.estimate.sessions.single import EstimateSession
from gleann.selection.labelling import BatchSession, label_all
from gleann.selection.progress import ProgressCallback


class AnsweredSession(BatchSession, Protocol):
    """A session that takes answers, and values where there are any."""

    def submit(
        self, ids: ArrayLike, answers: ArrayLike, values: ArrayLike | None = None, /
    ) -> int:
        """Take labels; returns the number of new ones."""


class LabellingSession(AnsweredSession, Protocol):
    """The methods of a session that `run_estimate` calls."""

    def estimate(self) -> Estimate:
        """The estimate from the labels so far."""


def estimate(  # noqa: PLR0913 (the data of one estimate)
    proxy: ArrayLike,
    oracle: Oracle,
    params: EstimateParams,
    *,
    ids: ArrayLike | None = None,
    known: Known | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
) -> Estimate:
    """Label `params.budget` rows by `oracle`, and estimate.

    For an oracle that may fail, call `run_estimate` with your own session: it keeps the
    labels submitted before the failure.

    Args:
        proxy: (n,) cheap scores, as for `EstimateSession.start`.
        oracle: labels rows; called once per row at most.
        params: of the estimate.
        ids: (n,) names of the rows; None numbers them.
        known: labels known before, as for `EstimateSession.start`.
        among: rows of the population, as for `EstimateSession.start`.
        progress: called as labels arrive.
    """
    session = EstimateSession.start(proxy, params, ids=ids, known=known, among=among)
    return run_estimate(session, oracle, progress=progress)


def uniform_estimate(
    proxy: ArrayLike,
    oracle: Oracle,
    params: EstimateParams,
    *,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
) -> Estimate:
    """The baseline: `estimate` from one uniform sample that ignores the proxies.

    Args:
        proxy: (n,), only counted.
        oracle: labels rows.
        params: of the estimate; strata and rounds are not used.
        ids: (n,) names of the rows; None numbers them.
        among: rows of the population, as for `EstimateSession.start`.
        progress: called as labels arrive.
    """
    alike = as_uniform(params)
    return estimate(proxy, oracle, alike, ids=ids, among=among, progress=progress)


def as_uniform(params: EstimateParams) -> EstimateParams:
    """The parameters of the baseline: one stratum, one round, the whole budget."""
    return replace(
        params,
        strata=1,
        rounds=1,
        strata_cut="equal_size",
        stop_at_width=None,
        stop_at_relative_width=None,
        anytime=False,
    )


def estimate_choosing(
    proxies: Mapping[str, ArrayLike],
    oracle: Oracle,
    params: EstimateParams,
    *,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
) -> Estimate:
    """`estimate` with the best of several proxies, chosen by a pilot.

    Args:
        proxies: (n,) each, by name.
        oracle: labels rows; called once per row at most.
        params: of the estimate; a fifth of the budget is the pilot.
        ids: (n,) names of the rows; None numbers them.
        among: rows of the population, as for `EstimateSession.start`.
        progress: called as labels arrive.
    """
    session = ChoosingSession.start(proxies, params, ids=ids, among=among)
    return run_estimate(session, oracle, progress=progress)


def run_estimate(
    session: LabellingSession,
    oracle: Oracle,
    *,
    chunk: int = 100,
    progress: ProgressCallback | None = None,
) -> Estimate:
    """Finish a session by an oracle.

    Exceptions of `oracle` and `progress` pass through; the labels of earlier chunks
    stay in the session, and a second call continues from there.

    Args:
        session: new, or partly labelled.
        oracle: labels rows.
        chunk: rows per call of the oracle.
        progress: called after each chunk.
    """
    answer_all(session, oracle, chunk=chunk, progress=progress)
    return session.estimate()


def answer_all(
    session: AnsweredSession,
    oracle: Oracle,
    *,
    chunk: int,
    progress: ProgressCallback | None,
) -> None:
    """Submit the oracle's answers until the session queries no more rows."""

    def label(ids: Ids) -> None:
        session.submit(ids, *given_by(oracle(ids)))

    label_all(session, label, chunk=chunk, progress=progress)
