"""Operations on stored sessions of several means and shares."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.filters.condition import Condition
from gleann.index.lists import assignment
from gleann.service.limits import require_within
from gleann.service.sessions.among import rows_among
from gleann.service.sessions.columns import column_in_order, in_order, rows_given
from gleann.service.sessions.known_columns import KnownColumns, packed
from gleann.service.sessions.store import Keep, SessionStore
from gleann.service.values import Limits, Selected
from gleann.service.views.live_index import View, sealed_index
from gleann.service.views.payload_values import words_at

if TYPE_CHECKING:
    from gleann.selection.among import Among
    from gleann.selection.estimate.means import (
        JointEstimates,
        MeansParams,
        MeansSession,
    )

MOST_STATISTICS = 100
_NUMBER_BYTES = 8
_TABLE_BYTES = 16
"""Of an entry of the tables: a count, and its share."""

LIST_GROUPS = "inverted list"
"""Name of the groups that the lists of an index are."""

ControlColumns: TypeAlias = Mapping[str, tuple[HeldIds, NDArray[np.float64]] | str]
"""Ids (n,) and numbers (n,), or a column of payload, by name."""

GroupColumns: TypeAlias = Mapping[str, tuple[HeldIds, NDArray[np.generic]] | str]
"""Ids (n,) and groups (n,), integers or words, or a column of payload, by name."""


class MeansSessions:
    """Operations specific to sessions of means, which `store` holds."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def start(
        self,
        view: View,
        params: "MeansParams",
        *,
        controls: ControlColumns,
        groups: GroupColumns,
        by_list: bool,
        condition: Condition | None = None,
    ) -> Keep:
        """Start estimates over the vectors of an index.

        With a condition they are over the vectors that pass: only these need numbers
        and groups.

        Args:
            view: of the index.
            params: of the estimates.
            controls: numbers known of every vector, by name.
            groups: groups known of every vector, by name.
            by_list: whether the inverted list of each vector is a group too.
            condition: of the vectors; None for all.

        Raises:
            NotReadyError: the index has no sealed version, or has newer changes.
            UnknownIdError: unknown id.
            UnknownColumnError: no such column of payload.
            InvalidInputError: a vector without a number or a group.
            InvalidParamsError: a budget above the number of vectors.
            LimitError: too many statistics, strata or groups to hold at once.
        """
        from gleann.selection.estimate.means import MeansSession

        index, among = sealed_index(view), rows_among(view, condition)
        self._require_budget(view, params, among)
        self._require_columns(view, len(controls) + len(groups) + by_list)
        known = KnownColumns(
            controls={
                name: _control(view, name, source, among)
                for name, source in controls.items()
            },
            groups=_grouped(view, groups, among, by_list=by_list),
        )
        _require_work(self._store.limits(), params, known)
        session = MeansSession.start(
            params,
            controls=known.controls,
            groups=known.groups,
            ids=index.held_ids,
            among=among,
        )
        return self._store.created(
            "means", view, session, labelled=0, proxy=packed(known)
        )

    def next_batch(self, name: str) -> Selected:
        """The next batch; saved, so that a restart returns the same one."""
        return self._store.next_batch(name, self._opened, self._saved)

    def statistics(self, name: str) -> int:
        """How many numbers a session estimates."""
        with self._store.turn(name):
            return len(self._opened(name).params.statistics)

    def submit(self, name: str, ids: HeldIds, values: NDArray[np.float64]) -> Keep:
        """Submit values (m, J) for the current batch.

        Raises:
            InvalidInputError: a vector that was not requested, or a value that
                contradicts another.
        """
        session = self._opened(name)
        session.submit(ids, values)
        return self._saved(name, session)

    def estimates(self, name: str) -> "JointEstimates":
        """The estimates.

        Raises:
            NotReadyError: the budget is not spent.
        """
        with self._store.turn(name):
            return self._opened(name).estimates()

    def _require_budget(
        self, view: View, params: "MeansParams", among: "Among | None"
    ) -> None:
        require_within(len(params.statistics), MOST_STATISTICS, "statistics")
        room = len(sealed_index(view) if among is None else among)
        if params.budget > room:
            which = "" if among is None else " that pass the filter"
            raise InvalidParamsError(
                f"budget is {params.budget}, but {view.name!r} has {room} vectors"
                f"{which}"
            )

    def _require_columns(self, view: View, columns: int) -> None:
        """Columns are held for all vectors, also where few pass the filter."""
        n = len(sealed_index(view))
        name = f"bytes of {columns} controls and groups of {n} vectors"
        size = _NUMBER_BYTES * n * columns
        require_within(size, self._store.limits().work_bytes, name)

    def _opened(self, name: str) -> "MeansSession":
        session: MeansSession = self._store.opened(name, "means")
        return session

    def _saved(self, name: str, session: "MeansSession") -> Keep:
        return self._store.saved(name, session, labelled=session.labels_used)


def _control(
    view: View,
    name: str,
    source: tuple[HeldIds, NDArray[np.float64]] | str,
    among: "Among | None",
) -> NDArray[np.float64]:
    """Numbers (n,) of all rows; NaN where none is needed."""
    if isinstance(source, str):
        return column_in_order(view, source, among)
    return in_order(view, *source, among, name=f"control {name!r}")


def _grouped(
    view: View, groups: GroupColumns, among: "Among | None", *, by_list: bool
) -> dict[str, Rows]:
    """Numbers (n,) of the groups of all rows; 0 where none is needed."""
    from gleann.selection.groups import Groups

    index = sealed_index(view)
    found: dict[str, Rows] = {}
    for name, source in groups.items():
        label = f"groups {name!r}"
        if isinstance(source, str):
            rows = np.arange(len(index)) if among is None else among.rows
            values: NDArray[np.generic] = words_at(view, source, rows)
        else:
            rows = rows_given(view, source[0], among, name=label)
            values = source[1]
        found[name] = np.zeros(len(index), np.int64)
        found[name][rows] = Groups.of(values, n=len(rows), name=label).numbers
    if not by_list:
        return found
    if LIST_GROUPS in found:
        raise InvalidInputError(
            f"groups {LIST_GROUPS!r} are those of the index: name yours otherwise"
        )
    lists = assignment(index.data.lists, n=len(index))[0]
    return found | {LIST_GROUPS: lists.astype(np.int64)}


def _require_work(limits: Limits, params: "MeansParams", known: KnownColumns) -> None:
    """Refuse tables of strata by groups, and of groups by statistics, that are large.

    Raises:
        LimitError: with both numbers.
    """
    columns = len(known.controls) + sum(
        int(one.max(initial=0)) + 1 for one in known.groups.values()
    )
    strata = 1 if params.stratify_by is None else params.strata
    size = _TABLE_BYTES * columns * (strata + len(params.statistics))
    name = f"bytes for {columns} controls and groups, in {strata} strata"
    require_within(size, limits.work_bytes, name)
