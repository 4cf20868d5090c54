"""Start estimate sessions of the library on a built index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidParamsError
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_distinct
from gleann.service.sessions.among import rows_among
from gleann.service.sessions.columns import in_order
from gleann.service.views.live_index import View, sealed_index

if TYPE_CHECKING:
    from gleann.selection.among import Among
    from gleann.selection.estimate import (
        ChoosingSession,
        DisjointGroupsSession,
        EstimateParams,
        EstimateSession,
        Known,
        KnownGroups,
        OverlappingGroupsSession,
        TastiSession,
    )

    SingleEstimate: TypeAlias = ChoosingSession | EstimateSession | TastiSession
    GroupEstimates: TypeAlias = DisjointGroupsSession | OverlappingGroupsSession

Columns: TypeAlias = Mapping[str, tuple[HeldIds, NDArray[np.float64]]]
"""HeldIds (n,) and numbers (n,), by name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Started:
    """A session, and its proxies for `resume`.

    Attributes:
        session: the library's session.
        proxy: float64, all proxies, concatenated; None for none.
    """

    session: "SingleEstimate"
    proxy: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StartedGroups:
    """A session of several groups, and their proxies.

    Attributes:
        session: the library's session.
        proxy: float64, all proxies, concatenated.
    """

    session: "GroupEstimates"
    proxy: NDArray[np.float64]


def from_scores(
    view: View,
    params: "EstimateParams",
    *,
    ids: HeldIds,
    proxy: NDArray[np.float64],
    known: "Known | None" = None,
    condition: Condition | None = None,
) -> Started:
    """Start an estimate with `proxy` (n,) for all `ids` of the index.

    With a condition the estimate is over the vectors that pass: only these need a
    proxy.

    Raises:
        NotReadyError: the index has no sealed version, or has newer changes.
        UnknownIdError: unknown id.
        InvalidInputError: a vector without a proxy, or known labels that do not fit.
        InvalidParamsError: a budget above the number of unlabelled vectors.
    """
    among = rows_among(view, condition)
    numbers = in_order(view, ids, proxy, among)
    return _stratified(view, params, numbers, known=known, among=among)


def from_candidates(
    view: View,
    params: "EstimateParams",
    *,
    proxies: Columns,
    known: "Known | None" = None,
    condition: Condition | None = None,
) -> Started:
    """Start an estimate whose proxy is chosen by a pilot.

    Raises:
        As `from_scores`; InvalidInputError for fewer than two proxies too.
    """
    from gleann.selection.estimate import ChoosingSession

    among = rows_among(view, condition)
    columns = _columns(view, proxies, among)
    session = ChoosingSession.start(
        columns, params, ids=sealed_index(view).held_ids, known=known, among=among
    )
    return Started(session=session, proxy=_stacked(columns))


def from_examples(
    view: View,
    params: "EstimateParams",
    *,
    ids: HeldIds,
    labels: NDArray[np.float64],
    neighbours: int | None,
    condition: Condition | None = None,
) -> Started:
    """Start an estimate whose proxy is propagated from the `labels` (m,) of `ids`.

    Labels that are all 0 or 1 are known labels: they are counted exactly and not
    requested again, except positives whose value is needed. Examples that do not pass
    the condition make the proxy, and are no known labels.

    Raises:
        As `from_scores`.
    """
    from gleann.selection.estimate import Known, propagate_labels

    index, among = sealed_index(view), rows_among(view, condition)
    rows = view.require(hold_distinct(ids))
    proxy = propagate_labels(
        index.vectors, rows=rows, labels=labels, neighbours=neighbours
    )
    told = _answers_in(labels, target=params.statistic)
    return _stratified(
        view,
        params,
        proxy.astype(np.float64),
        known=Known(
            ids=index.held_ids[rows[told]],
            positives=labels[told] == 1,
            values=np.zeros(int(told.sum())),
        ),
        among=among,
    )


def from_index(
    view: View,
    params: "EstimateParams",
    *,
    representatives: int | None,
    known: "Known | None" = None,
    condition: Condition | None = None,
) -> Started:
    """Start an estimate whose proxy is recomputed after every round (TASTI).

    Raises:
        NotReadyError: the index has no sealed version, or has newer changes.
        InvalidInputError: known labels that do not fit.
        InvalidParamsError: a budget above the number of unlabelled vectors, or too
            small.
    """
    from gleann.selection.coreset import metric_vectors
    from gleann.selection.estimate import TastiSession

    index = sealed_index(view)
    session = TastiSession.start(
        metric_vectors(index),
        params,
        first=representatives,
        ids=index.held_ids,
        known=known,
        among=rows_among(view, condition),
    )
    return Started(session=session, proxy=None)


def of_overlapping_groups(
    view: View,
    params: "EstimateParams",
    *,
    proxies: Columns,
    known: "Mapping[str, Known] | None" = None,
    condition: Condition | None = None,
) -> StartedGroups:
    """Start an estimate for each group, by name; each has its own question.

    Args:
        view: the index.
        params: session parameters; the budget is for all groups together.
        proxies: ids and proxy of each group.
        known: existing labels of each group.
        condition: the estimates are over the vectors that pass; None for all.

    Raises:
        As `from_scores`; InvalidInputError for too few groups too.
    """
    from gleann.selection.estimate import OverlappingGroupsSession

    among = rows_among(view, condition)
    columns, ids = _columns(view, proxies, among), sealed_index(view).held_ids
    session = OverlappingGroupsSession.start(
        columns, params, ids=ids, known=known, among=among
    )
    return StartedGroups(session=session, proxy=_stacked(columns))


def of_disjoint_groups(
    view: View,
    params: "EstimateParams",
    *,
    proxies: Columns,
    known: "KnownGroups | None" = None,
    condition: Condition | None = None,
) -> StartedGroups:
    """Start an estimate for each group, by name; every answer names the group.

    Args:
        view: the index.
        params: session parameters; the budget is for all groups together.
        proxies: ids and proxy of each group.
        known: existing labels.
        condition: the estimates are over the vectors that pass; None for all.

    Raises:
        As `of_overlapping_groups`.
    """
    from gleann.selection.estimate import DisjointGroupsSession

    among = rows_among(view, condition)
    columns, ids = _columns(view, proxies, among), sealed_index(view).held_ids
    session = DisjointGroupsSession.start(
        columns, params, ids=ids, known=known, among=among
    )
    return StartedGroups(session=session, proxy=_stacked(columns))


def _stratified(
    view: View,
    params: "EstimateParams",
    proxy: NDArray[np.float64],
    *,
    known: "Known | None" = None,
    among: "Among | None" = None,
) -> Started:
    from gleann.selection.estimate import EstimateSession

    if params.budget > (room := len(proxy if among is None else among)):
        which = "" if among is None else " that pass the filter"
        raise InvalidParamsError(
            f"budget is {params.budget}, but {view.name!r} has {room} vectors{which}"
        )
    ids = sealed_index(view).held_ids
    session = EstimateSession.start(proxy, params, ids=ids, known=known, among=among)
    return Started(session=session, proxy=proxy)


def _columns(
    view: View, proxies: Columns, among: "Among | None"
) -> dict[str, NDArray[np.float64]]:
    return {
        name: in_order(view, ids, numbers, among)
        for name, (ids, numbers) in proxies.items()
    }


def _stacked(columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(list(columns.values()))


def _answers_in(labels: NDArray[np.float64], *, target: str) -> NDArray[np.bool_]:
    """Mask (m,) of the proxy labels that are known labels, not to be requested.

    All False if some label is not 0 or 1; positives are False if the target needs
    their values.
    """
    if not np.isin(labels, (0, 1)).all():
        return np.zeros(len(labels), np.bool_)
    return (labels == 0) | (target == "count")
