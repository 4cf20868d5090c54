"""What a client sends again, and what it leaves to its caller."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack
from time import monotonic
from typing import Any

import grpc
import pytest
from driven_client import Driven
from failing_server import answering_as
from google.protobuf import empty_pb2
from google.protobuf.message import Message
from kept_port import kept_port

import gleann
from gleann.index.errors import (
    AlreadyExistsError,
    InvalidParamsError,
    LimitError,
    OverloadedError,
    ServiceError,
    UnavailableError,
)
from gleann.service.client.link.repeats import ONCE, READS, has_request_id, methods_of
from gleann.service.server.grpc_server import SERVICES
from gleann.v1 import job_pb2, vector_pb2

GONE = grpc.StatusCode.UNAVAILABLE


class Script:
    """Answers by the list, then with `last`; keeps the requests."""

    def __init__(self, *first: Any, last: Message) -> None:
        self.first = list(first)
        self.last = last
        self.seen: list[Any] = []

    def __call__(self, _: str, request: Message) -> Any:
        copy = type(request)()
        copy.CopyFrom(request)
        self.seen.append(copy)
        return self.first.pop(0) if self.first else self.last


Open = Callable[..., Any]


@pytest.fixture(params=["blocking", "awaited"])
def opened(request: pytest.FixtureRequest) -> Any:
    """Opens clients of both modes, with the methods of a blocking one."""
    with ExitStack() as stack:

        def open_client(target: str, **settings: Any) -> Any:
            if request.param == "blocking":
                return stack.enter_context(gleann.Client(target, **settings))
            runner = stack.enter_context(asyncio.Runner())
            client = Driven(
                gleann.AsyncClient(target, **settings), runner.get_loop(), set()
            )
            stack.callback(client.close)
            return client

        yield open_client


def test_every_method_is_repeated_or_has_a_reason() -> None:
    jobs = job_pb2.DESCRIPTOR.services_by_name["JobService"].full_name
    for service in {*SERVICES, jobs}:
        for name, method in methods_of(service).items():
            kinds = [has_request_id(method), name in READS, name in ONCE]
            assert sum(kinds) == 1, f"{service}/{name} is of {sum(kinds)} kinds"


def test_a_change_is_sent_again_under_one_name(opened: Open) -> None:
    script = Script(GONE, GONE, last=vector_pb2.DeleteVectorsResponse(count=1))
    with answering_as(script) as target:
        client = opened(target)
        assert client.delete_vectors("a", where="true") == 1
        assert client.delete_vectors("a", where="true") == 1
        assert client.delete_vectors("a", where="true", request_id="mine") == 1
    ids = [request.request_id for request in script.seen]
    assert len(ids) == 5
    assert len(set(ids[:3])) == 1
    assert len({*ids[2:]}) == 3
    assert all(len(one) == 32 for one in ids[:4])
    assert ids[4] == "mine"


def test_a_read_is_sent_again(opened: Open) -> None:
    script = Script(GONE, GONE, GONE, last=vector_pb2.CountVectorsResponse(count=7))
    with answering_as(script) as target:
        assert opened(target).count("a") == 7
    assert len(script.seen) == 4


def test_large_requests_are_sent_again(opened: Open) -> None:
    script = Script(GONE, last=vector_pb2.DeleteVectorsResponse(count=1))
    with answering_as(script) as target:
        opened(target).delete_vectors("a", where="id = 1" + " OR id = 1" * 200_000)
    assert len(script.seen) == 2
    assert script.seen[0] == script.seen[1]


def test_what_has_no_request_id_is_sent_once(opened: Open) -> None:
    script = Script(GONE, last=empty_pb2.Empty())
    with answering_as(script) as target:
        client = opened(target)
        with pytest.raises(UnavailableError):
            client.coresets.delete("selections/1")
    assert len(script.seen) == 1


def test_other_failures_are_not_repeated(opened: Open) -> None:
    failures = [grpc.StatusCode.INTERNAL, LimitError("too many")]
    script = Script(*failures, last=vector_pb2.CountVectorsResponse())
    with answering_as(script) as target:
        client = opened(target)
        with pytest.raises(ServiceError, match="INTERNAL"):
            client.count("a")
        with pytest.raises(LimitError, match="too many"):
            client.count("a")
    assert len(script.seen) == 2


def test_no_retries(opened: Open) -> None:
    script = Script(GONE, OverloadedError("x"), last=vector_pb2.DeleteVectorsResponse())
    with answering_as(script) as target:
        client = opened(target, retries=0)
        with pytest.raises(UnavailableError):
            client.delete_vectors("a", where="true")
        with pytest.raises(OverloadedError):
            client.delete_vectors("a", where="true")
    assert [request.request_id for request in script.seen] == ["", ""]
    for wrong in (-1, 5):
        with pytest.raises(InvalidParamsError, match=f"retries .* got {wrong}"):
            gleann.Client("grpc://localhost:1", retries=wrong)


def test_a_busy_server_is_given_time(opened: Open) -> None:
    busy = OverloadedError("full", retry_seconds=0.2)
    script = Script(busy, busy, last=vector_pb2.CountVectorsResponse(count=7))
    with answering_as(script) as target:
        client = opened(target)
        begin = monotonic()
        assert client.count("a") == 7
        assert monotonic() - begin >= 0.4
    assert len(script.seen) == 3


@pytest.mark.parametrize(
    ("settings", "pause", "most"),
    [
        ({"retries": 2}, 0.01, 3),
        ({"timeout": 5.0}, 3.0, 2),
        ({"timeout": 60.0}, 600, 1),
    ],
)
def test_a_busy_server_is_left_in_the_end(
    opened: Open, settings: dict[str, Any], pause: float, most: int
) -> None:
    """After so many repeats, or where a further one would come after the timeout."""
    busy = OverloadedError("full", retry_seconds=pause)
    script = Script(*[busy] * 9, last=vector_pb2.CountVectorsResponse())
    with answering_as(script) as target:
        client = opened(target, **settings)
        begin = monotonic()
        with pytest.raises(OverloadedError, match="full") as caught:
            client.count("a")
        assert caught.value.retry_seconds == pytest.approx(pause)
        assert monotonic() - begin < 60
    assert len(script.seen) in (most, most - 1)


def test_a_server_that_says_it_cannot_is_no_absent_one(
    opened: Open, start_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server()

    def fail(name: str) -> None:
        raise UnavailableError(f"a shard of {name} is lost")

    monkeypatch.setattr(server.application, "get_index", fail)
    client = opened(server.target, retries=0)
    with pytest.raises(UnavailableError, match=r"^a shard of a is lost") as raised:
        client.get_index("a")
    assert raised.value.call_id


def test_a_server_that_comes_back(opened: Open, start_server: Any) -> None:
    """Calls made while it is away are answered when it is there again."""
    listen = f"127.0.0.1:{kept_port()}"
    first = start_server(listen=listen)
    client = opened(first.target, timeout=60)
    client.create_index("a", dim=8)
    first.stop(grace=0)
    back: list[Any] = []
    timer = threading.Timer(0.7, lambda: back.append(start_server(listen=listen)))
    timer.start()
    assert client.upsert("a", range(3), [[1.0] * 8] * 3) == 3
    timer.join()
    assert client.count("a") == 3
    with pytest.raises(AlreadyExistsError):
        client.create_index("a", dim=8)
    assert back
