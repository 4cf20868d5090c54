"""`ThreadLane`: its threads come and go, and none of its calls is lost."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
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
        assert cast("Any", one.rpc).ended.wait(60)
    lane.close()


class WithLateCall(Waitlist):
    """One that has a call come just after the last look of a thread."""

    late: Callable[[], None] | None = None

    def take(self, **seconds: Any) -> list[Call]:
        """As the class does, and let the late call come."""
        taken = super().take(**seconds)
        if not taken and self.late:
            self.late()
            self.late = None
        return taken


def test_no_call_is_lost_while_a_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "IDLE_SECONDS", 0.01)
    places = Places("write", Bounds(places=10), Distribution(SECONDS))
    waitlist = WithLateCall(places, threads=1)
    lane = ThreadLane(waitlist, name="late", threads=1)
    first, late = call(), call()
    waitlist.late = partial(lane.submit, late)
    lane.submit(first)
    for one in (first, late):
        assert cast("Any", one.rpc).ended.wait(60)
    lane.close()


def test_idle_threads_end_and_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "IDLE_SECONDS", 2e-4)
    places = Places("write", Bounds(places=10), Distribution(SECONDS))
    lane = ThreadLane(Waitlist(places, threads=2), name="ending", threads=2)
    for turn in range(2_000):
        one = call()
        lane.submit(one)
        assert cast("Any", one.rpc).ended.wait(60), turn
    until = time.monotonic() + 60
    while any("ending" in one.name for one in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)
    last = call()
    lane.submit(last)
    assert cast("Any", last.rpc).ended.wait(60)
    lane.close()
