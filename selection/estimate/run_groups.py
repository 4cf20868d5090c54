"""Group-by in one call, with oracles."""

from collections.abc import Mapping

from numpy.typing import ArrayLike

from gleann.index.errors import InvalidInputError
from gleann.selection.among import AmongLike
from gleann.selection.checks import require_count
from gleann.selection.estimate.group_estimates import GroupEstimates
from gleann.selection.estimate.labels.answers import (
    GroupOracle,
    Oracle,
    given_by,
)
from gleann.selection.estimate.params import EstimateParams
from gleann.selection.estimate.run import answer_all
from gleann.selection.estimate.sessions.disjoint_groups import DisjointGroupsSession
from gleann.selection.estimate.sessions.overlapping_groups import (
    OverlappingGroupsSession,
)
from gleann.selection.labelling import report
from gleann.selection.progress import ProgressCallback


def estimate_overlapping_groups(
    proxies: Mapping[str, ArrayLike],
    oracles: Mapping[str, Oracle],
    params: EstimateParams,
    *,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
) -> GroupEstimates:
    """Estimate every group with its own oracle; see `OverlappingGroupsSession`.

    Args:
        proxies: (n,) of each group, by its name.
        oracles: of each group, by the same names.
        params: of the estimates, `budget` for all groups together.
        ids: (n,) names of the rows; None numbers them.
        among: rows of the population, as for `EstimateSession.start`.
        progress: called as labels arrive.

    Raises:
        InvalidInputError: a group without an oracle.
    """
    if missing := [name for name in proxies if name not in oracles]:
        raise InvalidInputError(
            f"{len(missing)} of {len(proxies)} groups have no oracle: {missing}"
        )
    return run_overlapping_groups(
        OverlappingGroupsSession.start(proxies, params, ids=ids, among=among),
        oracles,
        progress=progress,
    )


def run_overlapping_groups(
    session: OverlappingGroupsSession,
    oracles: Mapping[str, Oracle],
    *,
    chunk: int = 100,
    progress: ProgressCallback | None = None,
) -> GroupEstimates:
    """Finish a session by the oracles; after an exception, a second call continues.

    Args:
        session: new, or partly labelled.
        oracles: of each group, by name.
        chunk: rows per call of an oracle.
        progress: called after each chunk.
    """
    require_count("chunk", chunk)
    while (next_group := session.next_batch()) is not None:
        group, batch = next_group
        ids = batch.ids[:chunk]
        session.submit(group, ids, *given_by(oracles[group](ids)))
        report(progress, session)
    return session.estimates()


def estimate_disjoint_groups(
    proxies: Mapping[str, ArrayLike],
    oracle: GroupOracle,
    params: EstimateParams,
    *,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
) -> GroupEstimates:
    """Estimate disjoint groups by an oracle that names the group.

    Args:
        proxies: (n,) of each group, by its name.
        oracle: returns group numbers, in the order of `proxies`, or their names.
        params: of the estimates, `budget` for all groups together.
        ids: (n,) names of the rows; None numbers them.
        among: rows of the population, as for `EstimateSession.start`.
        progress: called as labels arrive.
    """
    session = DisjointGroupsSession.start(proxies, params, ids=ids, among=among)
    return run_disjoint_groups(session, oracle, progress=progress)


def run_disjoint_groups(
    session: DisjointGroupsSession,
    oracle: GroupOracle,
    *,
    chunk: int = 100,
    progress: ProgressCallback | None = None,
) -> GroupEstimates:
    """Finish a session by an oracle; after an exception, a second call continues.

    Args:
        session: new, or partly labelled.
        oracle: returns group numbers or names.
        chunk: rows per call of the oracle.
        progress: called after each chunk.
    """
    answer_all(session, oracle, chunk=chunk, progress=progress)
    return session.estimates()
