"""Operations on stored active-learning sessions."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Ids
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_distinct
from gleann.service.limits import (
    MOST_CONCEPTS,
    require_classes,
    require_neighbours,
    require_within,
)
from gleann.service.scores import ScorePage
from gleann.service.sessions.among import rows_among
from gleann.service.sessions.store import Keep, SessionStore
from gleann.service.values import Labels, Limits, Selected
from gleann.service.views.live_index import View, sealed_index
from gleann.service.wire.paging import id_sizes, page_within

if TYPE_CHECKING:
    from gleann.selection.active import (
        ActiveParams,
        ActiveSession,
        Coverage,
        StopAdvice,
    )


class ActiveSessions:
    """Operations specific to active-learning sessions, which `store` holds."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def start(
        self,
        view: View,
        params: "ActiveParams",
        *,
        ids: HeldIds,
        labels: Labels,
        condition: Condition | None = None,
    ) -> Keep:
        """Start active learning from `labels` (m,), or (m, q) with concepts, of `ids`.

        Only vectors that pass the condition become candidates.

        Raises:
            NotReadyError: the index has no sealed version, or has newer changes.
            UnknownIdError: unknown id.
            InvalidInputError: invalid seed labels, or no vector passes the condition.
            LimitError: too many concepts, or too much to hold for the classes or the
                neighbours.
        """
        from gleann.selection.active import ActiveSession
        from gleann.selection.neighbours import IndexNeighbours

        index = sealed_index(view)
        self._require_work(params, rows=len(index), labels=labels)
        session = ActiveSession.start(
            index.vectors,
            params,
            ids=index.held_ids,
            rows=view.require(hold_distinct(ids)),
            labels=labels,
            neighbours=IndexNeighbours(index),
            among=rows_among(view, condition),
        )
        return self._store.created(
            "active", view, session, labelled=len(session.labelled_rows)
        )

    def next_batch(self, name: str) -> Selected:
        """The next batch; saved, so that a restart returns the same one."""
        return self._store.next_batch(name, self._opened, self._saved)

    def concepts(self, name: str) -> int:
        """Number of concepts in a session; 0 for a session with classes."""
        with self._store.turn(name):
            return len(self._opened(name).params.concepts)

    def classes(self, name: str) -> int:
        """Number of classes in the model of a session."""
        with self._store.turn(name):
            return len(self._opened(name).classes)

    def submit_labels(self, name: str, ids: HeldIds, labels: Labels) -> Keep:
        """Submit labels (m,), or (m, q) with concepts, for `ids` of the current batch.

        Raises:
            InvalidInputError: a label that was not requested, or contradicts another.
        """
        session = self._opened(name)
        session.submit_labels(ids, labels)
        return self._saved(name, session)

    def wanted(self, name: str) -> Ids:
        """Ids (m,) whose probabilities a session with model "given" needs."""
        with self._store.turn(name):
            ids: Ids = self._opened(name).wanted()
        return ids

    def submit_probabilities(
        self, name: str, ids: HeldIds, table: NDArray[np.float64], *, concept: str
    ) -> Keep:
        """Submit probabilities (m, c) of `ids` (m,) to a session with model "given".

        Raises:
            InvalidParamsError: another model, or no such concept.
            UnknownIdError: unknown id.
            InvalidInputError: invalid probabilities.
        """
        session = self._opened(name)
        session.submit_probabilities(ids, table, concept=concept or None)
        return self._saved(name, session)

    def coverage(self, name: str, *, concept: str, top: int) -> "Coverage":
        """Compare the pending batch with baselines.

        Raises:
            NotReadyError: no batch is pending, or some of its labels have arrived.
        """
        with self._store.turn(name):
            coverage: Coverage = self._opened(name).coverage(
                concept=concept or None, top=top or None
            )
        return coverage

    def ignore(self, name: str, ids: HeldIds) -> Keep:
        """Exclude vectors from an active session."""
        session = self._opened(name)
        session.ignore(ids)
        return self._saved(name, session)

    def stop_advice(self, name: str) -> "StopAdvice":
        """Whether to continue labelling."""
        with self._store.turn(name):
            advice: StopAdvice = self._opened(name).stop_advice()
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
        """Class probabilities of `ids` (m,), None for all, from position `start` on.

        Raises:
            UnknownIdError: unknown id.
        """
        with self._store.turn(name):
            session = self._opened(name)
            index = self._store.index_of(name)
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

    def _require_work(
        self, params: "ActiveParams", *, rows: int, labels: Labels
    ) -> None:
        """Refuse what the session would hold beside the vectors; see `start`."""
        limits = self._store.limits()
        require_within(len(params.concepts), MOST_CONCEPTS, "concepts")
        classes = 2 if params.concepts else len(params.classes or np.unique(labels))
        require_classes(limits, rows=rows, classes=classes)
        neighbours = min(params.neighbours, rows)
        require_neighbours(limits, labelled=len(labels), neighbours=neighbours)

    def _opened(self, name: str) -> "ActiveSession":
        session: ActiveSession = self._store.opened(name, "active")
        return session

    def _saved(self, name: str, session: "ActiveSession") -> Keep:
        return self._store.saved(name, session, labelled=len(session.labelled_rows))
