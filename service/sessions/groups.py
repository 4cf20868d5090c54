"""Operations on stored sessions of estimates by group."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidInputError
from gleann.service.sessions.store import Keep, SessionStore, selected_of
from gleann.service.values import Labels, Selected
from gleann.service.views.live_index import View

if TYPE_CHECKING:
    from gleann.selection.estimate import Estimate
    from gleann.service.sessions.start_estimate import GroupEstimates, StartedGroups


class GroupSessions:
    """Operations specific to group-estimate sessions, which `store` holds."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def start(self, view: View, started: "StartedGroups") -> Keep:
        """Save a group estimate that was started on the index of `view`.

        The returned function raises NotReadyError if the index has been rebuilt since.
        """
        session = started.session
        return self._store.created(
            "groups", view, session, labelled=session.labels_used, proxy=started.proxy
        )

    def next_batches(self, name: str) -> dict[str, Selected]:
        """The next batch of each group; of "" where the answer names the group."""
        from gleann.selection.estimate import OverlappingGroupsSession

        with self._store.changing(name):
            session = self._opened(name)
            if isinstance(session, OverlappingGroupsSession):
                batches = session.next_batches()
            else:
                batch = session.next_batch()
                batches = {"": batch} if len(batch) else {}
            self._saved(name, session)()
        return {group: selected_of(batch) for group, batch in batches.items()}

    def submit_positives(
        self,
        name: str,
        group: str,
        ids: HeldIds,
        positives: NDArray[np.bool_],
        values: NDArray[np.float64] | None,
    ) -> Keep:
        """Submit labels (m,) for one group's current batch, where groups overlap.

        Raises:
            InvalidInputError: answers of this session name the group.
        """
        from gleann.selection.estimate import OverlappingGroupsSession

        session = self._opened(name)
        if not isinstance(session, OverlappingGroupsSession):
            raise InvalidInputError(
                f"answers of {name} name the group: give groups, not positives"
                f" of {group!r}"
            )
        session.submit(group, ids, positives, values)
        return self._saved(name, session)

    def submit_groups(
        self,
        name: str,
        ids: HeldIds,
        groups: Labels,
        values: NDArray[np.float64] | None,
    ) -> Keep:
        """Submit group numbers (m,) for the current batch, where groups are disjoint.

        Raises:
            InvalidInputError: every group of this session has its own question.
        """
        from gleann.selection.estimate import DisjointGroupsSession

        session = self._opened(name)
        if not isinstance(session, DisjointGroupsSession):
            raise InvalidInputError(
                f"every group of {name} asks its own question: name the group, and"
                " give positives"
            )
        session.submit(ids, groups, values)
        return self._saved(name, session)

    def estimates(self, name: str) -> "dict[str, Estimate]":
        """The current estimate of each group."""
        with self._store.turn(name):
            return self._opened(name).estimates()

    def _opened(self, name: str) -> "GroupEstimates":
        session: GroupEstimates = self._store.opened(name, "groups")
        return session

    def _saved(self, name: str, session: "GroupEstimates") -> Keep:
        return self._store.saved(name, session, labelled=session.labels_used)
