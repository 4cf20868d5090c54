"""Operations on stored sessions of one estimate."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.service.sessions.proxy_sums import packed
from gleann.service.sessions.store import Keep, SessionStore, selected_of
from gleann.service.values import Selected
from gleann.service.views.live_index import View

if TYPE_CHECKING:
    from gleann.selection.estimate import Estimate
    from gleann.service.sessions.start_estimate import SingleEstimate, Started


class EstimateSessions:
    """Operations specific to estimate sessions, which `store` holds."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def start(self, view: View, started: "Started") -> Keep:
        """Save an estimate that was started on the index of `view`.

        The returned function raises NotReadyError if the index has been rebuilt since.
        """
        session = started.session
        return self._store.created(
            "estimate",
            view,
            session,
            labelled=session.labels_used,
            proxy=started.proxy,
        )

    def next_batch(self, name: str) -> Selected:
        """The next batch; saved, so that a restart returns the same one."""
        with self._store.changing(name):
            session = self._opened(name)
            before = _scans(session)
            batch = selected_of(session.next_batch())
            sums = _sums(session) if _scans(session) != before else None
            self._saved(name, session, proxy=sums)()
        return batch

    def submit(
        self,
        name: str,
        ids: HeldIds,
        positives: NDArray[np.bool_],
        values: NDArray[np.float64] | None,
    ) -> Keep:
        """Submit labels (m,) for the current batch."""
        session = self._opened(name)
        session.submit(ids, positives, values)
        return self._saved(name, session)

    def estimate(self, name: str) -> "Estimate":
        """The current estimate."""
        with self._store.turn(name):
            return self._opened(name).estimate()

    def _opened(self, name: str) -> "SingleEstimate":
        session: SingleEstimate = self._store.opened(name, "estimate")
        return session

    def _saved(
        self, name: str, session: "SingleEstimate", *, proxy: bytes | None = None
    ) -> Keep:
        return self._store.saved(
            name, session, labelled=session.labels_used, proxy=proxy
        )


def _scans(session: "SingleEstimate") -> int:
    """How many sets of labels a session from the index has scanned; 0 for others."""
    from gleann.selection.estimate import TastiSession

    return session.scans if isinstance(session, TastiSession) else 0


def _sums(session: "SingleEstimate") -> bytes | None:
    from gleann.selection.estimate import TastiSession

    return packed(session) if isinstance(session, TastiSession) else None
