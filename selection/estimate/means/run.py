"""Joint estimates in one call, with an oracle."""

from collections.abc import Callable, Mapping

from numpy.typing import ArrayLike

from gleann.index.arrays import Ids
from gleann.selection.among import AmongLike
from gleann.selection.estimate.means.params import MeansParams
from gleann.selection.estimate.means.result import JointEstimates
from gleann.selection.estimate.means.session import MeansSession
from gleann.selection.labelling import label_all
from gleann.selection.progress import ProgressCallback

ValueOracle = Callable[[Ids], ArrayLike]
"""Ids (m,) to values (m, J)."""


def estimate_means(  # noqa: PLR0913 (what is known of the rows)
    oracle: ValueOracle,
    params: MeansParams,
    *,
    controls: Mapping[str, ArrayLike] | None = None,
    groups: Mapping[str, ArrayLike] | None = None,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
) -> JointEstimates:
    """Label `params.budget` rows by `oracle`, and estimate all statistics.

    For an oracle that may fail, call `run_means` with your own session: it keeps the
    labels submitted before the failure.

    Args:
        oracle: labels rows; called once per row.
        params: of the estimates.
        controls: as for `MeansSession.start`.
        groups: likewise.
        ids: (n,) names of the rows; None numbers them.
        among: rows of the population, as for `MeansSession.start`.
        progress: called as labels arrive.
    """
    session = MeansSession.start(
        params, controls=controls, groups=groups, ids=ids, among=among
    )
    return run_means(session, oracle, progress=progress)


def run_means(
    session: MeansSession,
    oracle: ValueOracle,
    *,
    chunk: int = 100,
    progress: ProgressCallback | None = None,
) -> JointEstimates:
    """Finish a session by an oracle.

    Exceptions of `oracle` and `progress` pass through; the labels of earlier chunks
    stay in the session, and a second call continues from there.

    Args:
        session: new, or partly labelled.
        oracle: labels rows.
        chunk: rows per call of the oracle.
        progress: called after each chunk.
    """

    def label(ids: Ids) -> None:
        session.submit(ids, oracle(ids))

    label_all(session, label, chunk=chunk, progress=progress)
    return session.estimates()
