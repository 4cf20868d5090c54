"""Labelling sessions: those of active learning, estimates, and estimates of groups."""

import json
from sqlite3 import Row
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import CorruptDataError, InvalidInputError
from gleann.service.sessions import start_estimate
from gleann.service.sessions.active import ActiveSessions
from gleann.service.sessions.persistence import Keep, selected_of
from gleann.service.state.live_index import View
from gleann.service.values import Labels, Selected

if TYPE_CHECKING:
    from gleann.selection.estimate import Estimate
    from gleann.service.sessions.persistence import OpenSession
    from gleann.service.sessions.start_estimate import Started


class Sessions(ActiveSessions):
    """The sessions of one data directory, of every kind."""

    def start_estimate(self, view: View, started: "Started") -> Keep:
        """Keep an estimate that was started on the index of `view`.

        What it returns raises NotReadyError where the index was built again meanwhile.
        """
        return self._created(started.kind, view, started.session, proxy=started.proxy)

    def next_batches(self, name: str) -> dict[str, Selected]:
        """What to label next for each group, "" where the answer names the group."""
        with self.changing(name):
            session = self._session(name, "groups")
            if hasattr(session, "next_batches"):
                batches = session.next_batches()
            else:
                batch = session.next_batch()
                batches = {"": batch} if len(batch) else {}
            self._saved(name, session)()
        return {group: selected_of(batch) for group, batch in batches.items()}

    def submit_answers(
        self,
        name: str,
        ids: HeldIds,
        positives: NDArray[np.bool_],
        values: NDArray[np.float64] | None,
    ) -> Keep:
        """Take answers (m,) of the current batch of an estimate session."""
        session = self._session(name, "estimate")
        session.submit(ids, positives, values)
        return self._saved(name, session)

    def submit_positives(
        self,
        name: str,
        group: str,
        ids: HeldIds,
        positives: NDArray[np.bool_],
        values: NDArray[np.float64] | None,
    ) -> Keep:
        """Take answers (m,) of one group's current batch, where groups overlap.

        Raises:
            InvalidInputError: answers of this session name the group.
        """
        session = self._session(name, "groups")
        if not hasattr(session, "next_batches"):
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
        """Take group numbers (m,) of the current batch, where each item has one.

        Raises:
            InvalidInputError: every group of this session asks its own question.
        """
        session = self._session(name, "groups")
        if hasattr(session, "next_batches"):
            raise InvalidInputError(
                f"every group of {name} asks its own question: name the group, and"
                " give positives"
            )
        session.submit(ids, groups, values)
        return self._saved(name, session)

    def estimates(self, name: str) -> "dict[str, Estimate]":
        """The estimate of each group from the labels so far."""
        with self.turn(name):
            made: dict[str, Estimate] = self._session(name, "groups").estimates()
        return made

    def estimate(self, name: str) -> "Estimate":
        """The estimate from the labels so far."""
        with self.turn(name):
            estimate: Estimate = self._session(name, "estimate").estimate()
        return estimate

    def _resumed(self, row: Row) -> "OpenSession":
        index = self._index(row)
        state, proxy = _read(row)
        if row["kind"] == "active":
            from gleann.selection.active import ActiveSession
            from gleann.selection.neighbours import IndexNeighbours

            return ActiveSession.resume(
                state,
                index.vectors,
                ids=index.held_ids,
                neighbours=IndexNeighbours(index),
            )
        return start_estimate.resume(state, index, proxy)


def _read(row: Row) -> tuple[dict[str, Any], NDArray[np.float64] | None]:
    """The state of a kept session, and the proxies it was started with.

    Raises:
        CorruptDataError: the database gives back other bytes than were kept.
    """
    try:
        state = json.loads(row["state"])
        kept = row["proxy"]
        proxy = None if kept is None else np.frombuffer(kept, "<f8")
    except (TypeError, ValueError, RecursionError) as error:
        raise CorruptDataError(
            f"session {row['name']} cannot be read from the database: {error}"
        ) from error
    if not isinstance(state, dict):
        raise CorruptDataError(f"session {row['name']}: its state is no object")
    return state, proxy
