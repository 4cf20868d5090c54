"""Calls of raw searches on an application, and what it scans for them."""

import logging
import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from gleann.index import SearchParams
from gleann.service.application import Application
from gleann.service.calls.context import CallContext
from gleann.service.search import view_search
from gleann.service.server.call import Call, Method
from gleann.service.server.queues.places import Bounds, Places
from gleann.service.server.queues.search_lane import (
    SEARCH,
    SearchLane,
    searches_in_bytes,
)
from gleann.service.server.queues.waitlist import Waitlist
from gleann.service.server.rate_limited_log import RareLog
from gleann.service.servicers.search import SearchServicer
from gleann.service.telemetry.distribution import SECONDS, Distribution
from gleann.service.wire.arrays import vectors_to_wire
from gleann.service.wire.index_messages import search_params_to_wire
from gleann.v1 import search_pb2

RARE = RareLog(logging.getLogger(__name__))


class FakeRpc:
    """Keeps the end of a call."""

    peer = "ipv4:127.0.0.1:1"

    def __init__(self, order: list["FakeRpc"]) -> None:
        self.context = CallContext(is_active=lambda: self.active)
        self.order, self.active = order, True
        self.message: bytes | None = None
        self.error: Exception | None = None
        self.ended = threading.Event()

    def finish(self, message: bytes) -> None:
        self.message = message
        self._end()

    def fail(self, error: Exception) -> None:
        if self.active:
            self.error = error
            self._end()

    def reply(self) -> search_pb2.SearchResponse:
        assert self.ended.wait(60)
        if self.error is not None:
            raise self.error
        assert self.message is not None
        return search_pb2.SearchResponse.FromString(self.message)

    def _end(self) -> None:
        self.active = False
        self.order.append(self)
        self.ended.set()


class Scans:
    """Holds scans until `go` is set, and keeps the number of queries of each."""

    def __init__(self) -> None:
        self.real = view_search.search
        self.sizes: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.holds: Callable[[int, SearchParams], bool] = lambda *_: True

    def search(
        self, view: Any, queries: np.ndarray, params: SearchParams, **named: Any
    ) -> Any:
        self.sizes.append(len(queries))
        self.begun.set()
        if self.holds(len(queries), params):
            assert self.go.wait(60)
        return self.real(view, queries, params, **named)


class Served:
    """A lane, and calls of it; the first search is held by `scans`."""

    def __init__(self, application: Application, **bounds: Any) -> None:
        self.places = places = Places(
            "search", Bounds(**{"places": 5000} | bounds), Distribution(SECONDS)
        )
        servicer = SearchServicer(application)
        lists = Waitlist(places, threads=1), Waitlist(places, threads=1)
        self.lane = SearchLane(*lists, servicer, threads=1)
        self.order: list[FakeRpc] = []
        method = Method(
            SEARCH,
            search_pb2.SearchRequest.FromString,
            lambda *_: None,
            servicer.Search,
            search_pb2.SearchResponse.SerializeToString,
        )
        self.method = searches_in_bytes(method, servicer)

    def search(
        self,
        queries: np.ndarray,
        params: SearchParams | None = None,
        *,
        client: str = "c",
        rpc: FakeRpc | None = None,
        **request: Any,
    ) -> FakeRpc:
        message = search_pb2.SearchRequest(
            index="a",
            queries=vectors_to_wire(queries),
            params=search_params_to_wire(params or SearchParams()),
            **request,
        ).SerializeToString()
        rpc = rpc or FakeRpc(self.order)
        call = Call(cast("Any", rpc), self.method, message, RARE, client)
        self.lane.submit(call)
        return rpc
