"""What a server says of itself, and the names of calls in answers and errors."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from stream_calls import until

import gleann
from gleann.index import SearchParams, errors
from gleann.service.application import Application
from gleann.service.calls.caller import Caller, Grant, Right
from gleann.service.calls.context import CallContext, answering
from gleann.service.config import Config
from gleann.service.config.queues import LoadSettings
from gleann.service.logs.formats import JsonFormat
from gleann.service.server import Server
from gleann.service.server_status import ServerStatus
from gleann.v1 import admin_pb2, admin_pb2_grpc

Start = Callable[..., Server]
SEARCH = "/gleann.v1.SearchService/Search"


def test_the_status_of_indexes(client: gleann.Client, rows: np.ndarray, quick) -> None:
    client.create_index("words", dim=rows.shape[1], metric="l2", columns={"n": "int64"})
    client.upsert("words", range(len(rows)), rows, {"n": range(len(rows))})
    client.build("words", quick).wait()
    client.upsert("words", [1000], rows[:1])
    client.delete_vectors("words", [3, 4])
    client.search("words", rows[:7], SearchParams(k=3))
    client.create_index("empty", dim=4)
    status = client.server_status()
    assert (status.version, status.state, status.reason) == (
        gleann.__version__, "serving", "",
    )  # fmt: skip
    empty, words = status.indexes
    assert (empty.name, empty.count) == ("empty", 0)
    assert (words.count, words.pending, words.removed) == (len(rows) - 1, 1, 2)
    assert words.queries == 7
    assert words.broken == ""
    memory = words.memory_bytes
    assert {"rows", "codes", "lists", "newer", "payload"} <= set(memory)
    assert words.disk_bytes > rows.nbytes
    assert status.operations == {"done": 1}
    assert status.sessions == 0
    assert status.memory_bytes > status.mapped_bytes > 0
    assert status.disk_free_bytes > 0
    assert status.compute_threads >= 1
    assert 0 < status.uptime_seconds < 600


def test_methods_and_queues_are_of_a_server(
    start_server: Start, rows: np.ndarray
) -> None:
    with gleann.Client(start_server().target) as client:
        client.create_index("words", dim=rows.shape[1], metric="l2")
        client.upsert("words", range(len(rows)), rows)
        for _ in range(20):
            client.search("words", rows[:1])
        with pytest.raises(errors.UnknownIndexError):
            client.search("nothing", rows[:1])
        asked: list[ServerStatus] = []

        def is_at_rest() -> bool:
            """Also a call of a moment ago: it ends a little after its answer."""
            asked.append(client.server_status())
            ended = {one.method: one.codes for one in asked[-1].methods}
            running = {one.kind: one.running for one in asked[-1].queues}
            return sum(ended[SEARCH].values()) == 21 and running["control"] == 1

        until(is_at_rest)
    status = asked[-1]
    search = {one.method: one for one in status.methods}[SEARCH]
    assert search.codes == {"OK": 20, "NOT_FOUND": 1}
    assert search.rate > 0.3
    assert 0 < search.median_seconds <= search.p99_seconds < 30
    queues = {one.kind: one for one in status.queues}
    assert {"search", "read", "write", "control"} <= set(queues)
    assert queues["control"].running == 1
    assert queues["search"].places > 0
    assert all(one.refused == 0 for one in status.queues)


def test_a_read_mask_leaves_the_rest_out(client: gleann.Client) -> None:
    client.create_index("words", dim=4)
    part = client.server_status(["disk_free_bytes", "state"])
    assert part.disk_free_bytes > 0
    assert part.state == "serving"
    assert part.version == ""
    assert part.indexes == ()
    assert part.memory_bytes == 0
    with pytest.raises(errors.InvalidInputError, match="no field 'nonsense'; it has"):
        client.server_status(["nonsense"])
    assert client.server_status(["*"]).version == gleann.__version__


def test_every_field_of_the_message_is_filled(
    start_server: Start, monkeypatch: pytest.MonkeyPatch, rows: np.ndarray
) -> None:
    server = start_server()
    with gleann.Client(server.target) as client:
        client.create_index("words", dim=rows.shape[1], metric="l2")
        client.upsert("words", range(len(rows)), rows)
        client.build("words").wait()
        disk = server.application.store.disk
        disk.close()  # it would look, once a second, and find room
        monkeypatch.setattr(disk, "reason", "it is full")
        client.search("words", rows[:1])
        channel = grpc.insecure_channel(server.target.removeprefix("grpc://"))
        status = admin_pb2_grpc.AdminServiceStub(channel).GetServerStatus(
            admin_pb2.GetServerStatusRequest()
        )
        channel.close()
    given = {field.name for field, _ in status.ListFields()}
    unset = set(admin_pb2.ServerStatus.DESCRIPTOR.fields_by_name) - given
    assert unset == {"sessions", "streams"}
    assert status.state == admin_pb2.SERVER_STATE_READ_ONLY
    assert status.reason == "it is full"


def trailers_of(server: Server, metadata: list[tuple[str, str]]) -> dict[str, str]:
    """Trailing metadata of a call without an error."""
    with grpc.insecure_channel(server.target.removeprefix("grpc://")) as channel:
        stub = admin_pb2_grpc.AdminServiceStub(channel)
        _, call = stub.GetServerInfo.with_call(
            admin_pb2.GetServerInfoRequest(), metadata=metadata
        )
        return dict(call.trailing_metadata())


def test_the_name_of_a_call_comes_back(start_server: Start) -> None:
    server = start_server()
    assert trailers_of(server, [("x-request-id", "mine-1")])["x-request-id"] == "mine-1"
    made = trailers_of(server, [])["x-request-id"]
    assert len(made) == 16
    assert made != trailers_of(server, [])["x-request-id"]


@pytest.mark.parametrize("given", ["", "a b", "x" * 129])
def test_other_names_are_not_taken(start_server: Start, given: str) -> None:
    back = trailers_of(start_server(), [("x-request-id", given)])["x-request-id"]
    assert back != given
    assert len(back) == 16


def test_errors_have_the_name_of_the_call(start_server: Start) -> None:
    server = start_server()
    with (
        gleann.Client(server.target) as client,
        pytest.raises(errors.UnknownIndexError) as caught,
    ):
        client.get_index("nothing")
    assert len(caught.value.call_id) == 16


def test_the_log_has_the_name_of_the_call(
    start_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonFormat().format(record))

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Application, "get_index", fail)
    server = start_server()
    handler = Kept()
    logging.getLogger("gleann").addHandler(handler)
    try:
        with (
            gleann.Client(server.target) as client,
            pytest.raises(errors.ServiceError) as caught,
        ):
            client.get_index("words")
    finally:
        logging.getLogger("gleann").removeHandler(handler)
    assert caught.value.call_id
    assert caught.value.call_id in str(caught.value)
    found = [json.loads(line) for line in lines]
    [line] = [one for one in found if "a bug" in one.get("traceback", "")]
    assert line["call_id"] == caught.value.call_id
    assert line["method"] == "/gleann.v1.IndexService/GetIndex"
    assert line["peer"].startswith("ipv4:127.0.0.1")


def test_a_reload_changes_bounds_of_queues(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    load = LoadSettings(search_places=7, write_places=1)
    server.reload(Config(data_dir=tmp_path / "server", load=load))
    with gleann.Client(server.target) as client:
        queues = {one.kind: one.places for one in client.server_status().queues}
    assert queues == {"search": 7, "read": 256, "write": 1, "control": 256}


def test_a_caller_sees_the_indexes_that_it_may_read(start_server: Start) -> None:
    application = start_server().application
    for name in ("team-a", "team-b", "other"):
        application.create_index(name, dim=4, metric="l2")
    caller = Caller("reader", (Grant(Right.READ, "team-*"),))
    with answering(CallContext(caller=caller)):
        status = application.monitor.status(["indexes"])
    assert [one.name for one in status.indexes] == ["team-a", "team-b"]
    assert len(application.monitor.status(["indexes"]).indexes) == 3
