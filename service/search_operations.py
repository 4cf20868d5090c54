"""`SearchOperations`: the searches of an `Application`."""

from abc import ABC
from collections.abc import Sequence
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from gleann.index import SearchParams
from gleann.index.arrays import HeldIds, Rows
from gleann.index.checks import as_vectors
from gleann.index.errors import AnswerTooLargeError
from gleann.index.filters.condition import Condition
from gleann.index.found import FoundRows, RowsWithin
from gleann.index.metric import require_distances
from gleann.index.search.within import require_radius
from gleann.service.calls.context import current_call
from gleann.service.limits import require_few_distances, require_within
from gleann.service.monitoring.searches import Searches
from gleann.service.search import radius_search
from gleann.service.search.allowed import allowed_in
from gleann.service.search.batcher import Batcher
from gleann.service.search.merging import Outcome, answer_together
from gleann.service.search.task import SearchTask
from gleann.service.state.registry import Registry
from gleann.service.values import Limits
from gleann.service.views.sharded_view import Readable, ShardedView
from gleann.service.wire.paging import message_room


class SearchOperations(ABC):
    """The part of `Application` that searches.

    Attributes:
        registry: the indexes.
        limits: the caps on single requests.
        batcher: merges the searches of threads.
        searches: records searches.
    """

    registry: Registry
    limits: Limits
    batcher: Batcher
    searches: Searches

    def search(
        self,
        name: str,
        queries: NDArray[np.generic],
        params: SearchParams,
        *,
        allowed_ids: HeldIds | None = None,
        condition: Condition | None = None,
        radius: float | None = None,
    ) -> tuple[FoundRows, Readable]:
        """Neighbours of queries (nq, dim), as rows of the view that answered.

        Args:
            name: of the index.
            queries: (nq, dim).
            params: search parameters, without `allowed`.
            allowed_ids: the only vectors that may be returned; None for all.
            condition: what they must pass besides; None for nothing.
            radius: the greatest distance of a neighbour; None for any.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
            LimitError: too many hits.
            AnswerTooLargeError: the answer exceeds the message limit.
            InvalidInputError: queries that are invalid.
            and what `view_search.search` raises.
        """
        task = self.search_task(
            name,
            queries,
            params,
            allowed_ids=allowed_ids,
            condition=condition,
            radius=radius,
        )
        found = self.answer(task)
        self.require_room(found.rows.ravel(), task.view, queries=len(found.rows))
        return found, task.view

    def answer(self, task: SearchTask) -> FoundRows:
        """Answer a search, together with others that threads ask for meanwhile."""
        began = monotonic()
        with self.searches.running():
            found = self.batcher.search(task)
        call = current_call()
        self.searches.ended([task], [found], began=began, arrived=call.arrived)
        if call.trace is not None:
            call.trace.add("scan", began, monotonic(), queries=len(task.queries))
        return found

    def answer_together(
        self, tasks: Sequence[SearchTask], *, arrived: float | None
    ) -> list[Outcome]:
        """Answer searches with equal merge keys by one scan.

        Args:
            tasks: the searches.
            arrived: when the first of their calls came, by `time.monotonic`.
        """
        began = monotonic()
        with self.searches.running():
            outcomes = answer_together(tasks)
        self.searches.ended(tasks, outcomes, began=began, arrived=arrived)
        return outcomes

    def search_task(
        self,
        name: str,
        queries: NDArray[np.generic],
        params: SearchParams,
        *,
        allowed_ids: HeldIds | None,
        condition: Condition | None,
        radius: float | None,
    ) -> SearchTask:
        """A search as `search` makes it, to be answered together with others.

        Raises:
            UnknownIndexError: no index has this name.
            LimitError: too many hits.
            InvalidParamsError: a radius that is no number.
        """
        view = self.registry.readable(name)
        require_within(len(queries) * params.k, self.limits.hits, "queries x k")
        require_few_distances(
            self.limits, queries=len(queries), vectors=view.count, params=params
        )
        return SearchTask(
            view=view,
            queries=queries,
            params=params,
            allowed_ids=allowed_ids,
            condition=condition,
            radius=None if radius is None else require_radius(radius, view.metric),
        )

    def search_radius(
        self,
        name: str,
        queries: NDArray[np.generic],
        radius: float,
        *,
        target_recall: float = 1.0,
        limit: int | None = None,
        condition: Condition | None = None,
    ) -> tuple[RowsWithin, Readable]:
        """All vectors within a distance, as rows of the view that answered.

        Args:
            name: of the index.
            queries: (nq, dim).
            radius: the greatest distance of a hit.
            target_recall: 1 for a complete answer; below it lists are probed.
            limit: most hits of a query, its nearest; None for all.
            condition: what they must pass; None for nothing.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
            InvalidInputError: queries that are invalid.
            and what `radius_search.search_radius` raises.
        """
        view = self.registry.readable(name)
        checked = as_vectors(queries, name="queries", dim=view.dim)
        require_distances(checked, view.metric, name="queries")
        if isinstance(view, ShardedView):
            held = view.search_radius(
                checked,
                radius,
                target_recall=target_recall,
                limit=limit,
                condition=condition,
            )
            return held, view
        found = radius_search.search_radius(
            view,
            checked,
            radius,
            target_recall=target_recall,
            limit=limit,
            allowed=allowed_in(view, allowed_ids=None, condition=condition),
        )
        return found, view

    def require_room(self, rows: Rows, view: Readable, *, queries: int) -> None:
        """Refuse an answer above the message limit before its ids are gathered.

        Args:
            rows: (m,) all hits.
            view: their state.
            queries: how many were answered, for the message.

        Raises:
            AnswerTooLargeError: with both numbers.
        """
        size = view.id_bytes_at(rows) + 4 * rows.size
        if size > message_room(self.limits):
            raise AnswerTooLargeError(
                f"the answer to {queries} queries takes {size} bytes, a message"
                f" may have {self.limits.message_bytes}: ask for less at once"
            )
