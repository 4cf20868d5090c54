"""A call that has ended leaves nothing: its place, its stream, its objects.

HTTP/2 bounds the streams of a connection. A stream ends when the objects of its call
are freed; a cycle among them would keep it until the garbage collector runs, and a
busy connection would be refused further calls.
"""

import gc
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fuzzing
import grpc
import pytest
from raw_calls import STATUS, UNSERVED, answered
from stream_calls import until

from gleann.service.config import Config
from gleann.service.server import Server, serve

FEW = 4
"""Calls that a connection may have under way; it may have twice as many streams."""

BUSY = STATUS.RESOURCE_EXHAUSTED
"""Of a call beside others that the server has not ended yet."""

INFO = "/gleann.v1.AdminService/GetServerInfo"
KEY = "the-right-key"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("streams") / "d"
    config = Config(
        data_dir=data, listen="127.0.0.1:0", connection_calls=FEW, rpc_threads=2
    )
    with serve(config) as running:
        yield running


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def code_of(call: grpc.Future) -> grpc.StatusCode:
    """The status of a call, once it has ended."""
    call.exception(60)
    code: grpc.StatusCode = call.code()
    return code


def connection(server: Server) -> grpc.Channel:
    own = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(f"127.0.0.1:{server.port}", options=own)


@pytest.mark.parametrize(
    "messages",
    [(b"",), (b"\xff\xff\xff",), (), (b"", b"")],
    ids=["empty message", "no request", "no message", "two messages"],
)
def test_ended_calls_of_every_method_free_their_streams(
    server: Server, no_collector: None, messages: tuple[bytes, ...]
) -> None:
    for path in fuzzing.METHODS:
        if path.startswith(UNSERVED):
            continue
        with connection(server) as channel:
            codes = {answered(channel, (path, messages), [])[0] for _ in range(5 * FEW)}
        assert STATUS.UNAVAILABLE not in codes, path


def test_refused_late_and_left_calls_free_their_streams(
    server: Server, no_collector: None
) -> None:
    with connection(server) as channel:
        send, codes = channel.unary_unary(INFO), set()
        for number in range(20 * FEW):
            left = send.future(b"")
            if number % 2:
                left.cancel()
            codes.add(code_of(send.future(b"", timeout=0.001)))
            codes.add(code_of(channel.unary_unary("/gleann.v1.None/None").future(b"")))
        last: list[grpc.StatusCode] = []

        def has_a_place() -> bool:
            last.append(code_of(send.future(b"", timeout=60)))
            return last[-1] is not BUSY

        until(has_a_place)
        assert last[-1] is STATUS.OK
    ends = {STATUS.OK, STATUS.DEADLINE_EXCEEDED, STATUS.RESOURCE_EXHAUSTED}
    assert codes <= {*ends, STATUS.UNIMPLEMENTED}


def test_calls_with_a_wrong_key_free_their_streams(
    tmp_path: Path, no_collector: None
) -> None:
    config = Config(
        data_dir=tmp_path, listen="127.0.0.1:0", connection_calls=FEW, api_key=KEY
    )
    with serve(config) as server, connection(server) as channel:
        send = channel.unary_unary(INFO)
        for _ in range(10 * FEW):
            assert code_of(send.future(b"", timeout=60)) is STATUS.UNAUTHENTICATED
        assert send(b"", timeout=60, metadata=[("authorization", f"Bearer {KEY}")])


def test_connections_that_close_leave_no_thread_and_no_call(server: Server) -> None:
    """Clients that leave in the midst of calls, again and again."""
    for _ in range(10):  # starts what threads there are to start
        _leave_amidst(server)
    before = names_of_threads()
    for _ in range(20):
        _leave_amidst(server)
    last = time.monotonic() + 60
    while server.busy or names_of_threads() - before:
        assert time.monotonic() < last, (server.busy, names_of_threads() - before)
        time.sleep(0.05)


def names_of_threads() -> Counter[str]:
    """How many threads there are of each kind."""
    threads = threading.enumerate()
    return Counter(re.sub(r"[\d_-]*(\(.*\))?$", "", one.name) for one in threads)


def _leave_amidst(server: Server) -> None:
    with connection(server) as channel:
        grpc.channel_ready_future(channel).result(60)
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
        next(watch)
        search = channel.unary_unary("/gleann.v1.IndexService/ListIndexes")
        calls = [search.future(b"") for _ in range(FEW - 1)]
        calls[0].result(60)
