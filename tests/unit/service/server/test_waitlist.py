"""`Waitlist`: places, shares, estimated waits and deadlines, by a clock of the test."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gleann.index.errors import DeadlineError, OverloadedError, UnavailableError
from gleann.service.calls.context import CallContext
from gleann.service.server.call import Call
from gleann.service.server.queues.places import Bounds, Places
from gleann.service.server.queues.waitlist import Waitlist
from gleann.service.server.rate_limited_log import RareLog
from gleann.service.telemetry.distribution import SECONDS, Distribution

METHOD = cast("Any", SimpleNamespace(name="/a.Service/Method"))
RARE = RareLog(logging.getLogger(__name__))


@dataclass
class Clock:
    """Seconds that a test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeRpc:
    """An `Rpc` whose caller may leave."""

    ends: float | None = None
    left: bool = False
    error: Exception | None = None
    context: CallContext = field(init=False)

    def fail(self, error: Exception) -> None:
        """Keep the error that ends the call."""
        self.error = error

    def __post_init__(self) -> None:
        self.context = CallContext(ends=self.ends, is_active=lambda: not self.left)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waitlist(clock: Clock) -> Callable[..., Waitlist]:
    def make(*, threads: int = 1, **bounds: Any) -> Waitlist:
        places = Places(
            "search",
            Bounds(**{"places": 100} | bounds),
            Distribution(SECONDS, clock=clock),
        )
        return Waitlist(places, threads=threads, clock=clock)

    return make


def call(client: str = "a", rpc: FakeRpc | None = None, message: bytes = b"") -> Call:
    return Call(cast("Any", rpc or FakeRpc()), METHOD, message, RARE, client)


def in_all(waitlist: Waitlist) -> int:
    """Running and queued calls."""
    status = waitlist.status()
    return status.running + status.queued


def run(waitlist: Waitlist, seconds: float, *, count: int = 1) -> None:
    """Let so many calls run at once, for so long."""
    calls = [one for _ in range(count) for one in waitlist.take()]
    waitlist.done(calls, seconds)


def test_places_are_bounded_and_given_back(waitlist: Callable[..., Waitlist]) -> None:
    held = waitlist(places=3)
    for _ in range(3):
        held.require_place("a")
        held.add(call())
    taken = held.take()
    assert len(taken) == 1
    assert in_all(held) == 3
    with pytest.raises(OverloadedError, match="3 calls under way, at most 3"):
        held.require_place("b")
    with pytest.raises(OverloadedError, match="at most 3 are admitted"):
        held.add(call("b"))
    held.done(taken, 0.1)
    held.require_place("b")
    assert held.status().refused == 2


def test_one_client_leaves_places_to_others(waitlist: Callable[..., Waitlist]) -> None:
    held = waitlist(places=10, share=0.5)
    for _ in range(5):
        held.add(call("a"))
    with pytest.raises(OverloadedError, match="client has 5 calls under way, at most"):
        held.add(call("a"))
    for client in "bcdef":
        held.add(call(client))
    with pytest.raises(OverloadedError, match="the server has 10 calls"):
        held.add(call("g"))


def test_a_search_that_would_wait_too_long_is_refused_at_once(
    waitlist: Callable[..., Waitlist], clock: Clock
) -> None:
    held = waitlist(seconds=1.0)
    held.add(call())
    run(held, 0.2)  # a call takes 0.2 s
    for _ in range(6):
        held.add(call())
    with pytest.raises(
        OverloadedError, match=r"wait about 1\.2 s, and may wait 1 s"
    ) as e:
        held.add(call())
    assert e.value.retry_seconds == pytest.approx(1.2)
    assert clock.now == 100.0
    held.add(call("b"))  # it takes turns with a's calls


def test_one_pause_does_not_change_the_pace_for_long(
    waitlist: Callable[..., Waitlist],
) -> None:
    held = waitlist(seconds=1.0)
    for seconds in (0.01, 60.0):
        held.add(call())
        run(held, seconds)
    # 0.01 s a call and four times that, with a weight of 0.1: 0.013 s.
    for _ in range(77):
        held.add(call())
    with pytest.raises(OverloadedError, match="wait about 1 s"):
        held.add(call())


def test_more_threads_make_the_wait_shorter(waitlist: Callable[..., Waitlist]) -> None:
    held = waitlist(seconds=1.0, threads=4)
    held.add(call())
    run(held, 0.25)
    for _ in range(17):
        held.add(call())
    with pytest.raises(OverloadedError, match=r"wait about 1\.1 s"):
        held.add(call())


def test_time_is_estimated_by_the_bytes_of_messages(
    waitlist: Callable[..., Waitlist],
) -> None:
    held, large = waitlist(seconds=1.0), bytes(1 << 20)
    for _ in range(30):
        held.add(call())
        run(held, 0.01)
        held.add(call(message=large))
        run(held, 1.99)
    held.add(call())
    held.add(call(message=large))  # 2 s
    with pytest.raises(OverloadedError, match=r"wait about 2 s"):
        held.add(call())


def test_a_large_call_is_not_judged_by_small_ones(
    waitlist: Callable[..., Waitlist], clock: Clock
) -> None:
    """By their bytes alone, 64 MiB would take 20 minutes after one call of 20 ms."""
    held = waitlist()
    held.add(call())
    run(held, 0.02)
    held.add(call())
    assert len(held.take()) == 1  # the thread is busy
    held.add(call(message=bytes(64 << 20), rpc=FakeRpc(ends=clock.now + 30)))
    assert in_all(held) == 2


def test_each_method_has_its_own_pace(waitlist: Callable[..., Waitlist]) -> None:
    held = waitlist(seconds=1.0)
    other = call()
    other.method = cast("Any", SimpleNamespace(name="/a.Service/Other"))
    held.add(other)
    run(held, 100.0)
    for _ in range(50):
        held.add(call())


def test_a_call_that_need_not_wait_is_admitted_and_answered(
    waitlist: Callable[..., Waitlist], clock: Clock
) -> None:
    """However long it is expected to take: the estimate may be wrong, as it is here."""
    held = waitlist(seconds=1.0)
    for _ in range(200):
        held.add(call())
        run(held, 100.0)
    held.add(call(rpc=FakeRpc(ends=clock.now + 5)))
    with pytest.raises(OverloadedError, match="may wait 0 s"):
        held.add(call(rpc=FakeRpc(ends=clock.now + 5)))
    clock.now += 1
    assert len(held.take()) == 1


def test_a_call_that_would_miss_its_deadline_is_refused(
    waitlist: Callable[..., Waitlist], clock: Clock
) -> None:
    held = waitlist()
    held.add(call())
    run(held, 0.2)
    for _ in range(3):
        held.add(call())
    with pytest.raises(
        OverloadedError, match=r"wait about 0\.6 s, and may wait 0\.5 s"
    ):
        held.add(call(rpc=FakeRpc(ends=clock.now + 1.4)))
    held.add(call(rpc=FakeRpc(ends=clock.now + 1.7)))


def test_late_calls_and_calls_that_were_left_are_dropped(
    waitlist: Callable[..., Waitlist], clock: Clock
) -> None:
    held = waitlist()
    late, left, good = FakeRpc(ends=clock.now + 1), FakeRpc(), FakeRpc()
    for rpc in (late, left, good):
        held.add(call(rpc=rpc))
    clock.now += 1
    left.left = True
    assert [one.rpc for one in held.take()] == [good]
    status = held.status()
    assert (status.dropped, status.running, status.queued) == (2, 1, 0)
    assert in_all(held) == 1


def test_dropped_calls_give_their_places_to_newcomers(
    waitlist: Callable[..., Waitlist],
) -> None:
    held = waitlist(places=4)
    gone = [FakeRpc() for _ in range(4)]
    for rpc in gone:
        held.add(call(rpc=rpc))
    for rpc in gone:
        rpc.left = True
    held.add(call("b"))
    assert (in_all(held), held.status().dropped) == (1, 4)


def test_as_many_are_taken_as_take_so_long_together(
    waitlist: Callable[..., Waitlist],
) -> None:
    held = waitlist()
    held.add(call())
    run(held, 0.01)
    for client in "ab":
        for _ in range(5):
            held.add(call(client))
    assert [one.client for one in held.take(most_seconds=0.04)] == ["a", "b", "a", "b"]
    assert len(held.take(most_seconds=10)) == 6
    assert held.status().running == 10


def test_calls_without_time_for_their_answer_are_dropped(
    waitlist: Callable[..., Waitlist], clock: Clock
) -> None:
    held = waitlist()
    held.add(call())
    run(held, 0.2)  # a call takes 0.2 s
    short, enough = FakeRpc(ends=clock.now + 1.0), FakeRpc(ends=clock.now + 2.0)
    held.add(call(rpc=short))
    held.add(call(rpc=enough))
    clock.now += 0.95
    assert [one.rpc for one in held.take()] == [enough]
    assert isinstance(short.error, DeadlineError)
    assert held.status().dropped == 1


def test_the_status_has_the_delays_of_the_last_minute(
    waitlist: Callable[..., Waitlist], clock: Clock
) -> None:
    held = waitlist()
    held.add(call())
    clock.now += 9
    run(held, 0.1)  # waited nine seconds, a minute ago
    clock.now += 61
    for _ in range(100):
        held.add(call())
    for _ in range(100):
        clock.now += 0.01
        run(held, 0.01)
    status = held.status()
    assert status.delay_median_seconds == pytest.approx(0.505, rel=0.2)
    assert status.delay_p99_seconds == pytest.approx(0.99, rel=0.2)


def test_nothing_is_taken_from_a_closed_list(waitlist: Callable[..., Waitlist]) -> None:
    held, taken = waitlist(), [object()]
    thread = Thread(target=lambda: taken.__setitem__(slice(None), held.take()))
    thread.start()
    held.close()
    thread.join(60)
    assert taken == []
    with pytest.raises(UnavailableError, match="stopping"):
        held.require_place("a")
