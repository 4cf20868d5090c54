"""Measures what the policy decides by: the state of an index, and its times."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gleann.index.fold import training_after
from gleann.service import steady_clock
from gleann.service.jobs.first_version import is_first_version
from gleann.service.optimizer.history import History
from gleann.service.optimizer.policy import Measured
from gleann.service.state.store import Store
from gleann.service.views.live_index import View

SAMPLE_ROWS = 1024
"""Newer rows whose mean distance is that of all: within 3 % where a row's distance
varies by as much as it is."""


class Measuring:
    """Measures indexes of one data directory."""

    def __init__(
        self,
        store: Store,
        history: History,
        clock: Callable[[], float] = steady_clock.now,
    ) -> None:
        """Begin to count; the directory was opened now.

        Args:
            store: has the times of versions.
            history: has those of compactions.
            clock: seconds since 1970.
        """
        self._store = store
        self._history = history
        self._clock = clock
        self._opened = clock()

    def after_fold(self, view: View, measured: Measured) -> Measured:
        """`measured`, with the drift that a fold would give; takes milliseconds."""
        sealed, delta = view.sealed, view.delta
        if sealed is None or not delta.count:
            return measured
        step = max(1, delta.count // SAMPLE_ROWS)
        some = delta.vectors[np.flatnonzero(delta.alive)[::step]]
        training = training_after(
            sealed.index,
            some,
            newer=delta.count,
            keep=None if view.alive is None else view.alive.mask,
        )
        drift = None if training is None else training.drift
        return replace(measured, drift_after=drift)

    def _past(self, moment: float, now: float) -> float:
        """A stored time; the opening of the directory for one that is to come."""
        return moment if moment <= now else self._opened

    def of(self, view: View) -> Measured:
        """Measure one state of an index; quick, but for the first time."""
        past, now = self._history.of(view), self._clock()
        row = self._store.row(
            "SELECT created, built FROM indexes WHERE number = ?", view.number
        )
        # An index that was deleted meanwhile is new, and nothing is done about it.
        made = now if row is None else row["built"] or row["created"]
        # A time to come was written while the clock was wrong.
        made, ended = self._past(made, now), self._past(past.ended or 0.0, now)
        since = now - max(self._opened, ended)
        if view.sealed is None:
            return Measured(
                rows=view.count,
                pending=view.count,
                removed=len(view.delta) - view.count,
                age=max(0.0, now - made),
                since=max(0.0, since),
                failures=past.failures,
            )
        index = view.sealed.index
        training = index.header.training
        return Measured(
            rows=view.count,
            sealed=len(index),
            pending=view.delta.count,
            removed=len(index) - view.sealed_count,
            updates=view.payload.updates,
            nlist=index.nlist,
            trained=None if training is None else training.rows,
            added=0 if training is None else len(index) - training.kept,
            drift=None if training is None else training.drift,
            age=max(0.0, now - made),
            since=max(0.0, since),
            failures=past.failures,
            is_first=is_first_version(index.params),
        )
