"""Operations on stored rounds sessions."""

from typing import TYPE_CHECKING

import numpy as np

from gleann.index.arrays import HeldIds
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_distinct
from gleann.service.limits import require_classes
from gleann.service.scores import ScorePage
from gleann.service.sessions.among import rows_among
from gleann.service.sessions.store import Keep, SessionStore
from gleann.service.values import Labels, Limits, Selected
from gleann.service.views.live_index import View, sealed_index
from gleann.service.wire.paging import id_sizes, page_within

if TYPE_CHECKING:
    from gleann.selection.rounds import RoundsParams, RoundsSession


class RoundsSessions:
    """Operations specific to rounds sessions, which `store` holds."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def start(
        self,
        view: View,
        params: "RoundsParams",
        *,
        ids: HeldIds | None,
        labels: Labels,
        condition: Condition | None = None,
    ) -> Keep:
        """Start rounds from `labels` (m,) of `ids`, None for none.

        Only vectors that pass the condition are picked.

        Raises:
            NotReadyError: the index has no sealed version, or has newer changes.
            InvalidParamsError: the index is for inner product, which is no metric.
            UnknownIdError: unknown id.
            LimitError: too many classes to score them for all vectors.
        """
        from gleann.selection.coreset import metric_vectors
        from gleann.selection.rounds import RoundsSession

        index = sealed_index(view)
        rows = np.empty(0, np.int64)
        if ids is not None:
            rows = view.require(hold_distinct(ids))
        classes = len(np.unique(labels))
        require_classes(self._store.limits(), rows=len(index), classes=classes)
        session = RoundsSession.start(
            metric_vectors(index),
            params,
            ids=index.held_ids,
            rows=rows,
            labels=labels,
            among=rows_among(view, condition),
        )
        return self._store.created(
            "rounds", view, session, labelled=len(session.labelled_rows)
        )

    def next_batch(self, name: str) -> Selected:
        """The next batch; saved, so that a restart returns the same one."""
        return self._store.next_batch(name, self._opened, self._saved)

    def submit_labels(self, name: str, ids: HeldIds, labels: Labels) -> Keep:
        """Submit labels (m,) for `ids`.

        Raises:
            UnknownIdError: unknown id.
            InvalidInputError: a label that contradicts another.
        """
        session = self._opened(name)
        session.submit_labels(ids, labels)
        return self._saved(name, session)

    def ignore(self, name: str, ids: HeldIds) -> Keep:
        """Exclude vectors from a session."""
        session = self._opened(name)
        session.ignore(ids)
        return self._saved(name, session)

    def scores(
        self, name: str, ids: HeldIds | None, *, start: int, limits: Limits
    ) -> ScorePage:
        """Class probabilities of `ids` (m,), None for all, from position `start` on.

        Raises:
            UnknownIdError: unknown id.
            NotReadyError: the labels have fewer than two classes.
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
                probabilities=session.probabilities(rows[page]),
                labelled=len(session.labelled_rows),
                next=page.stop if page.stop < len(every) else None,
            )

    def _opened(self, name: str) -> "RoundsSession":
        session: RoundsSession = self._store.opened(name, "rounds")
        limits, rows = self._store.limits(), len(self._store.index_of(name))
        require_classes(limits, rows=rows, classes=len(session.classes))
        return session

    def _saved(self, name: str, session: "RoundsSession") -> Keep:
        return self._store.saved(name, session, labelled=len(session.labelled_rows))
