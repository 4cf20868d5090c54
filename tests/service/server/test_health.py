"""The state of a service that watchers hear last is the one it has."""

import gc
import threading
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from grpc._cython import cygrpc
from grpc_health.v1 import health_pb2

from gleann.index import errors
from gleann.service.calls.context import CallContext
from gleann.service.server import health as health_module
from gleann.service.server.health import Health
from gleann.service.server.rpc import Rpc

STATES = health_pb2.HealthCheckResponse
REQUEST = health_pb2.HealthCheckRequest(service="a").SerializeToString()


class Watcher:
    """Stands for a call, and keeps what it is told."""

    context = CallContext()

    def __init__(
        self, before: Callable[[], object] = lambda: None, host: str = "a"
    ) -> None:
        self.heard: list[int] = []
        self.peer = f"{host}:1"
        self.before = before
        self.finished = False

    def write(self, message: bytes) -> None:
        before, self.before = self.before, lambda: None
        before()
        self.heard.append(STATES.FromString(message).status)

    def when_ended(self, then: Callable[[], object]) -> None:
        self.leave = then

    def finish(self) -> None:
        self.finished = True


def test_a_change_during_the_first_answer_is_heard_after_it() -> None:
    health = Health(["a"])
    change = threading.Thread(target=lambda: health.set("a", serving=False))

    def meanwhile() -> None:
        change.start()
        change.join(0.2)  # it may have to wait for the first answer

    watcher: Any = Watcher(meanwhile)
    health.watch(watcher, REQUEST)
    change.join(60)
    assert watcher.heard == [STATES.SERVING, STATES.NOT_SERVING]


def test_watches_are_few_and_each_host_leaves_some_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They need no key."""
    monkeypatch.setattr(health_module, "MOST_WATCHES", 4)
    health = Health(["a"], share=0.5)
    watchers: list[Any] = [Watcher(host=host) for host in "xxxyyz"]
    for watcher in (*watchers[:2], watchers[3]):
        health.watch(watcher, REQUEST)
    with pytest.raises(errors.OverloadedError, match=r"client has 2 .* at most 2"):
        health.watch(watchers[2], REQUEST)
    health.watch(watchers[4], REQUEST)
    with pytest.raises(errors.OverloadedError, match=r"server has 4 .* at most 4"):
        health.watch(watchers[5], REQUEST)
    watchers[0].leave()
    health.watch(watchers[5], REQUEST)
    assert [len(watcher.heard) for watcher in watchers] == [1, 1, 0, 1, 1, 1]


def test_nothing_is_kept_of_what_is_forgotten() -> None:
    health = Health([""])
    watcher: Any = Watcher()
    health.watch(watcher, REQUEST)
    for _ in range(3):
        health.set("a", serving=True)
        health.forget("a")
    assert watcher.heard == [STATES.SERVICE_UNKNOWN] + 3 * [
        STATES.SERVING,
        STATES.SERVICE_UNKNOWN,
    ]
    with pytest.raises(errors.NotFoundError, match="no service 'a'"):
        health.check(watcher, REQUEST)
    gone = weakref.ref(watcher)
    watcher.leave()
    del watcher
    gc.collect()
    assert gone() is None


def test_closing_is_heard_and_final() -> None:
    health = Health(["a"])
    watcher: Any = Watcher()
    health.watch(watcher, REQUEST)
    health.close()
    health.set("a", serving=True)
    assert watcher.heard == [STATES.SERVING, STATES.NOT_SERVING]
    assert watcher.finished


def test_a_message_that_waited_never_replaces_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that was written when the last went out, before the waiting one was sent."""
    monkeypatch.setattr(cygrpc, "SendMessageOperation", lambda message, _: message)
    sent: list[bytes] = []
    under_way: list[Callable[[Any], object]] = []
    rpc = Rpc(_context(sent, under_way))

    class Meanwhile:
        """The event that the first went out; another thread writes before its end."""

        @property
        def batch_operations(self) -> list[None]:
            rpc.write(b"three")
            return [None]

    rpc.write(b"one")
    rpc.write(b"two")  # waits for the first
    under_way.pop()(Meanwhile())
    under_way.pop()(SimpleNamespace(batch_operations=[None]))
    assert not under_way
    assert sent == [b"one", b"three"]


def _context(sent: list[bytes], under_way: list[Callable[[Any], object]]) -> Any:
    def start(operations: Any, done: Callable[[Any], object]) -> None:
        under_way.append(done)
        sent.append(operations[-1])

    state = SimpleNamespace(
        condition=threading.Condition(),
        due=set(),
        initial_metadata_allowed=False,
        client=None,
        statused=False,
    )
    call = SimpleNamespace(start_server_batch=start)
    event = SimpleNamespace(call=call)
    return SimpleNamespace(_rpc_event=event, _state=state, is_active=lambda: True)
