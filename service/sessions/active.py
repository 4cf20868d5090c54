"""Active learning sessions, as the service keeps them."""

from typing import TYPE_CHECKING

import numpy as np

from gleann.index.arrays import HeldIds, Ids
from gleann.index.ids.checks import hold_distinct
from gleann.service.sessions.persistence import Keep, SessionKeeper
from gleann.service.sessions.start_estimate import sealed_index
from gleann.service.state.live_index import View
from gleann.service.values import Labels, Limits, ScorePage
from gleann.service.wire import active_messages
from gleann.service.wire.paging import id_sizes, page_within

if TYPE_CHECKING:
    from gleann.selection.active import ActiveParams, Coverage, StopAdvice


class ActiveSessions(SessionKeeper):
    """What only sessions of active learning do; `Sessions` is to be used."""

    def start_active(
        self, view: View, params: "ActiveParams", *, ids: HeldIds, labels: Labels
    ) -> Keep:
        """Start active learning from `labels` (m,), or (m, q) with concepts, of `ids`.

        Raises:
            NotReadyError: the index was not built, or has changed since.
            UnknownIdError: an id is not there.
            InvalidInputError: seed labels that cannot be used.
        """
        from gleann.selection.active import ActiveSession
        from gleann.selection.neighbours import IndexNeighbours

        index = sealed_index(view)
        session = ActiveSession.start(
            index.vectors,
            params,
            ids=index.held_ids,
            rows=view.require(hold_distinct(ids)),
            labels=labels,
            neighbours=IndexNeighbours(index),
        )
        return self._created("active", view, session, proxy=None)

    def submit_labels(self, name: str, ids: HeldIds, packed: bytes) -> Keep:
        """Take packed labels of `ids` (m,) of the current batch of an active session.

        Raises:
            InvalidInputError: a label that was not asked for, or contradicts another.
            DimensionMismatchError: not m labels, or not m of each concept.
        """
        session = self._session(name, "active")
        concepts = len(session.params.concepts)
        labels = active_messages.answers_of(packed, n=len(ids), concepts=concepts)
        session.submit_labels(ids, labels)
        return self._saved(name, session)

    def wanted(self, name: str) -> Ids:
        """Ids (m,) whose probabilities a session with model "given" must have."""
        with self.turn(name):
            ids: Ids = self._session(name, "active").wanted()
        return ids

    def submit_probabilities(
        self, name: str, ids: HeldIds, packed: bytes, *, concept: str
    ) -> Keep:
        """Take packed probabilities of `ids` (m,), for a session with model "given".

        Raises:
            InvalidParamsError: another model, or no such concept.
            UnknownIdError: an id is not there.
            InvalidInputError: they are no probabilities.
        """
        session = self._session(name, "active")
        classes = len(session.classes)
        table = active_messages.probabilities_of(packed, n=len(ids), classes=classes)
        session.submit_probabilities(ids, table, concept=concept or None)
        return self._saved(name, session)

    def coverage(self, name: str, *, concept: str, top: int) -> "Coverage":
        """The batch that is out beside simpler ones.

        Raises:
            NotReadyError: none is, or some of its labels are there already.
        """
        with self.turn(name):
            coverage: Coverage = self._session(name, "active").coverage(
                concept=concept or None, top=top or None
            )
        return coverage

    def ignore(self, name: str, ids: HeldIds) -> Keep:
        """Take vectors out of an active session."""
        session = self._session(name, "active")
        session.ignore(ids)
        return self._saved(name, session)

    def stop_advice(self, name: str) -> "StopAdvice":
        """Whether to go on labelling."""
        with self.turn(name):
            advice: StopAdvice = self._session(name, "active").stop_advice()
        return advice

    def scores(
        self,
        name: str,
        ids: HeldIds | None,
        *,
        concept: str,
        start: int,
        limits: Limits,
    ) -> ScorePage:
        """Class probabilities of `ids` (m,), None for all, from the one at `start` on.

        Raises:
            UnknownIdError: an id is not there.
        """
        with self.turn(name):
            session = self._session(name, "active")
            index = self._index(self._row(name))
            every = index.held_ids if ids is None else ids
            sizes = id_sizes(every) + 8 * len(session.classes)
            page = page_within(sizes, limits, start=start, name="ids")
            rows = np.arange(len(index)) if ids is None else index.rows_of(every)
            return ScorePage(
                ids=every[page],
                classes=np.array(session.classes, np.int64),
                probabilities=session.probabilities(
                    rows[page], concept=concept or None
                ),
                labelled=len(session.labelled_rows),
                next=page.stop if page.stop < len(every) else None,
            )
