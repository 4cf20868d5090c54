"""`Learning`: operating points from the queries that the recall probe repeats.

Where queries do not look like the rows that stood for them in the build, the recall
that is asked for takes more lists. The exact neighbours of the repeated queries tell
how many (`index/search/asked.py`). They never take fewer than the build says.

What was learned lasts as long as the version of the index is served by this process: it
is in terms of its lists, and is learned again from the next queries.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from gleann.index import SoarIndex
from gleann.index.search.asked import AskedQueries, AskedQuery, lists_factor
from gleann.service.telemetry.telemetry import Telemetry
from gleann.service.views.live_index import View

GROWTH = 1.25
"""Points are made again when there are so many times the queries: less would move them
by less than their errors."""

MOST_WAITED = 1024
"""Queries after which they are made again in any case."""

STATUS_K, STATUS_RECALL = 10, 0.95
"""What `IndexStatus.learned_lists` is told for."""


@dataclass(slots=True, eq=False)
class _Learned:
    """What is known of one index, and at how many queries it was used."""

    asked: AskedQueries
    used_at: int = 0

    @property
    def is_due(self) -> bool:
        """Whether there are enough new queries."""
        new = self.asked.count - self.used_at
        most = min(GROWTH * self.used_at - self.used_at, MOST_WAITED)
        return self.asked.is_enough and new >= max(1, most)


class Learning:
    """Moves the operating points of indexes. For one thread, that of the probe.

    Args:
        telemetry: keeps what status reports tell.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._known: WeakKeyDictionary[SoarIndex, _Learned] = WeakKeyDictionary()

    def take(self, view: View, query: AskedQuery) -> None:
        """Take a query that was answered without a filter.

        Args:
            view: the state that answered; it has a sealed version.
            query: its nearest rows are live ones of the sealed version.
        """
        assert view.sealed is not None
        index = view.sealed.index
        if not index.operating_points or not len(query.rows):
            return
        known = self._known.get(index)
        if known is None:
            asked = AskedQueries(
                index.data, index.operating_points, index.header.efforts
            )
            known = self._known.setdefault(index, _Learned(asked))
        known.asked.add(query)
        if known.is_due:
            known.used_at = known.asked.count
            self._use(view.name, index, known.asked)

    def _use(self, name: str, index: SoarIndex, asked: AskedQueries) -> None:
        efforts, points = asked.efforts(), asked.points()
        index.learn(points, efforts)
        factor = lists_factor(
            index.operating_points, points, k=STATUS_K, target_recall=STATUS_RECALL
        )
        self._telemetry.learned(name, queries=asked.count, lists=factor)
