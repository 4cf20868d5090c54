"""`ThreadLane` where the system gives no thread."""

import logging
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gleann.service.calls.context import CallContext
from gleann.service.server.call import Call
from gleann.service.server.queues import lanes
from gleann.service.server.queues.lanes import ThreadLane
from gleann.service.server.queues.places import Bounds, Places
from gleann.service.server.queues.waitlist import Waitlist
from gleann.service.server.rate_limited_log import RareLog
from gleann.service.telemetry.distribution import SECONDS, Distribution


class Answered(Call):
    """A call that only says that it was answered."""

    def answer(self) -> None:
        """Say so."""
        cast("Any", self.rpc).ended.set()


def call() -> Answered:
    rpc: Any = SimpleNamespace(context=CallContext(), ended=threading.Event())
    method: Any = SimpleNamespace(name="/a.Service/Method")
    return Answered(rpc, method, b"", RareLog(logging.getLogger(__name__)), "a")


def test_calls_are_answered_once_there_is_a_thread_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = Places("write", Bounds(places=10), Distribution(SECONDS))
    lane = ThreadLane(Waitlist(places, threads=1), name="test", threads=1)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    first, second = call(), call()
    with monkeypatch.context() as patched:
        patched.setattr(lanes.Thread, "start", refuse)
        lane.submit(first)
    lane.submit(second)
    for one in (first, second):
        assert cast("Any", one.rpc).ended.wait(20)
    lane.close()
