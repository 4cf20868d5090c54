"""SearchService."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gleann.index.found import FoundRows
from gleann.service.application import Application
from gleann.service.search.merging import Outcome
from gleann.service.search.task import SearchTask
from gleann.service.servicers.pages import whole_payload
from gleann.service.servicers.radius_pages import radius_reply
from gleann.service.wire import index_messages
from gleann.service.wire.packed.found import packed_found, packed_work
from gleann.service.wire.packed.search_message import SearchMessage
from gleann.service.wire.paging import id_sizes
from gleann.service.wire.payload.columns import wanted_names
from gleann.service.wire.payload_messages import payload_to_wire
from gleann.v1 import search_pb2, search_pb2_grpc


class WantedSearch(NamedTuple):
    """A search, and the columns of payload to return with its hits."""

    task: SearchTask
    columns: tuple[str, ...]


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """Servicer of searches."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def Search(  # noqa: N802
        self, request: search_pb2.SearchRequest | SearchMessage, _: object
    ) -> search_pb2.SearchResponse:
        """Answer a batch of queries."""
        if not isinstance(request, SearchMessage):
            request = SearchMessage.of_request(request)
        wanted = self.wanted(request)
        found = self._application.answer(wanted.task)
        return self._reply(wanted, found)

    def SearchRadius(  # noqa: N802
        self, request: search_pb2.SearchRadiusRequest, _: object
    ) -> search_pb2.SearchRadiusResponse:
        """Answer a page of the hits within a distance."""
        return radius_reply(self._application, request)

    def wanted(self, message: SearchMessage) -> WantedSearch:
        """What a request asks for; its queries and its filter are checked later.

        Raises:
            UnknownIndexError, UnknownColumnError: there is none.
            InvalidInputError, InvalidParamsError: what can be told from the request.
            LimitError: too many hits.
        """
        asked = message.head.asked
        task = self._application.search_task(
            message.head.request.index,
            message.queries,
            asked.params,
            allowed_ids=asked.allowed_ids,
            condition=asked.condition,
            radius=asked.radius,
        )
        columns = asked.columns and wanted_names(asked.columns, task.view.schema)
        return WantedSearch(task, columns)

    def answer_together(
        self, tasks: Sequence[SearchTask], *, arrived: float
    ) -> list[Outcome]:
        """Answer searches by one scan; see `Application.answer_together`."""
        return self._application.answer_together(tasks, arrived=arrived)

    def packed_replies(
        self, searches: Sequence[WantedSearch], found: Sequence[FoundRows]
    ) -> list[bytes]:
        """The serialised answers to searches of one view, without payload.

        Raises:
            AnswerTooLargeError: a message has no room for all of them together.
        """
        view = searches[0].task.view
        parts = [one.rows.ravel() for one in found]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        queries = sum(len(one.rows) for one in found)
        self._application.require_room(rows, view, queries=queries)
        ids, replies, place = view.ids_at(rows), [], 0
        works: dict[int, bytes] = {}
        for one in found:
            own = ids[place : place + one.rows.size]
            place += one.rows.size
            if (work := works.get(id(one.stats))) is None:
                work = works[id(one.stats)] = packed_work(one, view.state)
            replies.append(packed_found(one, own, work))
        return replies

    def search_packed(self, message: SearchMessage, _: object) -> bytes:
        """As `Search`, already serialised."""
        wanted = self.wanted(message)
        return self.packed_reply(wanted, self._application.answer(wanted.task))

    def packed_reply(self, wanted: WantedSearch, found: FoundRows) -> bytes:
        """The serialised answer to one search.

        Raises:
            AnswerTooLargeError: a message has no room for the hits or their payload.
        """
        if not wanted.columns:
            return self.packed_replies([wanted], [found])[0]
        packed: bytes = self._reply(wanted, found).SerializeToString()
        return packed

    def _reply(
        self, wanted: WantedSearch, found: FoundRows
    ) -> search_pb2.SearchResponse:
        view, rows = wanted.task.view, found.rows.ravel()
        self._application.require_room(rows, view, queries=len(found.rows))
        ids = view.ids_at(rows)
        reply = index_messages.found_to_wire(found, ids, view.state)
        if wanted.columns:
            others = id_sizes(ids) + 4
            limits = self._application.limits
            payload = whole_payload(view, rows, wanted.columns, others, limits)
            reply.payload.CopyFrom(payload_to_wire(payload))
        return reply
