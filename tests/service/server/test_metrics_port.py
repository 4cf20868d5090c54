"""The port for Prometheus: what it answers, to whom, and what strangers cannot hold."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.service.config.metrics import MetricsSettings
from gleann.service.config.queues import LoadSettings
from gleann.service.monitoring import monitor
from gleann.service.server import Server, metrics_port
from gleann.service.server.metrics_port import MOST_CONNECTIONS

TOKEN = "letmein-letmein-letmein"
Start = Callable[..., Server]


def get(server: Server, path: str, **headers: str) -> tuple[int, str]:
    assert server.metrics is not None
    connection = HTTPConnection("127.0.0.1", server.metrics.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert answer.version == 11
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture
def server(start_server: Start) -> Server:
    return start_server(metrics=MetricsSettings(listen="127.0.0.1:0"))


def value_of(text: str, name: str) -> float:
    [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[-1])


def test_there_is_no_port_by_default(start_server: Start) -> None:
    assert start_server().metrics is None


def test_calls_are_in_the_metrics(server: Server, rows: np.ndarray) -> None:
    with gleann.Client(server.target) as client:
        client.create_index("words", dim=rows.shape[1], metric="l2")
        client.upsert("words", range(len(rows)), rows)
        client.search("words", rows[:3], SearchParams(k=5))
        with pytest.raises(errors.UnknownIndexError):
            client.search("none", rows[:3])
    call = '_count{code="%s",method="/gleann.v1.SearchService/Search"}'
    ends = time.monotonic() + 60
    while True:
        code, text = get(server, "/metrics")  # a call ends a moment after its answer
        if call % "OK" in text and call % "NOT_FOUND" in text:
            break
        assert time.monotonic() < ends, text
    assert code == 200
    assert value_of(text, "gleann_call_duration_seconds" + call % "OK") == 1
    assert value_of(text, "gleann_call_duration_seconds" + call % "NOT_FOUND") == 1
    assert value_of(text, 'gleann_search_queries_total{index="words"}') == 3
    assert value_of(text, 'gleann_index_newer_vectors{index="words"}') == len(rows)
    assert value_of(text, 'gleann_index_memory_bytes{index="words",part="newer"}') > 0
    assert value_of(text, 'gleann_queue_delay_seconds_count{kind="search"}') == 2
    assert value_of(text, "gleann_commit_transactions_count") >= 2
    assert value_of(text, "gleann_read_only") == 0
    assert value_of(text, "gleann_disk_free_bytes") > 0
    assert value_of(text, "process_resident_memory_bytes") > 1e6
    assert "none" not in text.split('"')


def test_long_work_is_in_the_metrics(
    server: Server, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How it ended, its phases, compactions, and the rows that are newer or removed."""
    params = BuildParams(metric="l2", nlist=4, tune_queries=0)
    with gleann.Client(server.target) as client:
        client.create_index("words", dim=rows.shape[1], metric="l2")
        client.upsert("words", range(len(rows)), rows)
        client.build("words", params).wait()
        client.upsert("words", range(1000, 1007), rows[:7])
        client.delete_vectors("words", range(3))
        text = get(server, "/metrics")[1]
        assert value_of(text, 'gleann_index_newer_vectors{index="words"}') == 7
        assert value_of(text, 'gleann_index_removed_vectors{index="words"}') == 3
        client.optimize("words", kind="fold").wait()

        def refuse(*_: object, **__: object) -> None:
            raise errors.StorageError("the disk is full")

        monkeypatch.setattr(SoarIndex, "build_on_disk", refuse)
        with pytest.raises(errors.StorageError):
            client.build("words", replace(params, nlist=5)).wait()
        client.search("words", rows[:6])
    text = get(server, "/metrics")[1]
    ended = 'gleann_job_duration_seconds_count{kind="%s",outcome="%s"}'
    for kind, outcome in (("build", "done"), ("build", "failed"), ("optimize", "done")):
        assert value_of(text, ended % (kind, outcome)) == 1
    phase = 'gleann_job_phase_duration_seconds_count{kind="build",phase="%s"}'
    assert value_of(text, phase % "train") >= 1
    assert value_of(text, 'gleann_operations{state="done"}') == 2
    assert value_of(text, 'gleann_operations{state="failed"}') == 1
    assert value_of(text, 'gleann_index_newer_vectors{index="words"}') == 0
    assert value_of(text, "gleann_scan_queries_sum") == 6
    assert value_of(text, "gleann_scan_calls_sum") == 1


def test_refused_calls_are_in_the_metrics(start_server: Start) -> None:
    server = start_server(
        metrics=MetricsSettings(listen="127.0.0.1:0"), load=LoadSettings(streams=1)
    )
    with gleann.Client(server.target, retries=0) as client:
        client.create_index("words", dim=4)
        with client.vectors.stream("words") as stream:
            stream.send([1], np.ones((1, 4)))
            stream.flush()
            assert value_of(get(server, "/metrics")[1], "gleann_streams_open") == 1
            with pytest.raises(errors.OverloadedError):
                client.upload("words", [(np.ones(1, int), np.ones((1, 4)))])
    refused = 'code="RESOURCE_EXHAUSTED",method="/gleann.v1.VectorService/Stream'
    ends = time.monotonic() + 60
    while True:
        text = get(server, "/metrics")[1]  # a call ends a moment after its answer
        if refused in text and value_of(text, "gleann_streams_open") == 0:
            break
        assert time.monotonic() < ends, text


def test_other_paths_and_methods_are_refused(server: Server) -> None:
    assert get(server, "/")[0] == 404
    assert get(server, "/metrics?name[]=x")[0] == 200
    assert get(server, "/healthz") == (200, "serving\n")
    connection = HTTPConnection("127.0.0.1", server.metrics.port, timeout=60)
    connection.request("POST", "/metrics", body=b"x")
    assert connection.getresponse().status == 501
    connection.close()


def test_a_health_check_asks_for_no_more_than_the_state(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask for it, and a probe waits a second; memory takes longer."""

    def fail(*_: object) -> None:
        raise AssertionError("this takes milliseconds for each index")

    with gleann.Client(server.target) as client:
        client.create_index("words", dim=4)
    monkeypatch.setattr(monitor, "memory_of", fail)
    monkeypatch.setattr(monitor, "mapped_bytes", fail)
    monkeypatch.setattr(server.application.store, "rows", fail)
    assert get(server, "/healthz") == (200, "serving\n")


def test_metrics_that_fail_are_an_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[Exception] = [errors.StorageError("the disk fails")]

    def fail() -> list[str]:
        raise found[-1]

    monkeypatch.setattr(server.application.registry, "names", fail)
    assert get(server, "/metrics") == (503, "the disk fails\n")
    assert "cannot be shown" not in caplog.text
    found.append(RuntimeError("a bug"))
    assert get(server, "/metrics") == (500, "see the server's log\n")
    assert "a bug" in caplog.text
    assert get(server, "/healthz")[0] == 200


def test_a_token_is_required_where_there_is_one(
    start_server: Start, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    settings = MetricsSettings(listen="127.0.0.1:0", token_file=file)
    server = start_server(metrics=settings)
    assert get(server, "/metrics")[0] == 401
    assert get(server, "/metrics", Authorization="Bearer wrong")[0] == 401
    assert get(server, "/metrics", Authorization="Bearer \xe9")[0] == 401
    assert get(server, "/metrics", Authorization=TOKEN)[0] == 401
    assert get(server, "/healthz")[0] == 200
    assert get(server, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    file.write_text("another-token-of-some-length")
    server.metrics.reload(settings)
    assert get(server, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 401
    file.write_text("short")
    with pytest.raises(errors.InvalidParamsError, match="5 letters, at least 16"):
        server.metrics.reload(settings)
    new = "Bearer another-token-of-some-length"
    assert get(server, "/metrics", Authorization=new)[0] == 200


def test_a_missing_token_file_is_named(start_server: Start, tmp_path: Path) -> None:
    settings = MetricsSettings(listen="127.0.0.1:0", token_file=tmp_path / "none")
    with pytest.raises(
        errors.StorageError, match=r"metrics.token_file .*none: No such"
    ):
        start_server(metrics=settings)


def test_a_taken_port_is_named(server: Server, start_server: Start) -> None:
    settings = MetricsSettings(listen=f"127.0.0.1:{server.metrics.port}")
    with pytest.raises(errors.ServiceError, match=r"metrics.listen .*in use"):
        start_server("other", metrics=settings)


@pytest.fixture
def held(server: Server) -> Iterator[list[socket.socket]]:
    """More connections than are kept, which send nothing."""
    address = ("127.0.0.1", server.metrics.port)
    connections = [socket.create_connection(address) for _ in range(40)]
    yield connections
    for one in connections:
        one.close()


def test_silent_connections_give_way(server: Server, held: list[socket.socket]) -> None:
    assert get(server, "/healthz")[0] == 200
    held[0].settimeout(60)
    assert held[0].recv(1) == b""
    alive = 0
    for one in held:
        one.setblocking(False)  # they were ended before the answer, or in ten seconds
        try:
            alive += one.recv(1) != b""
        except BlockingIOError:
            alive += 1
        except ConnectionResetError:
            continue
    assert 0 < alive <= MOST_CONNECTIONS


def test_a_trickle_ends_in_time(
    start_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_port, "MOST_SECONDS", 0.6)
    server = start_server(metrics=MetricsSettings(listen="127.0.0.1:0"))
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.metrics.port)) as one:
        one.sendall(b"GET /metrics HTTP/1.1\r\n")
        with suppress(OSError):
            while time.monotonic() - began < 60:
                one.sendall(b"a: b\r\n")
                time.sleep(0.1)
    assert time.monotonic() - began < 60
    assert get(server, "/healthz")[0] == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /metrics HTTP/1.1\r\n" + b"a: " + b"b" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"m" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 50_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nAuthorization: \xff\xfe\r\n\r\n",
    ],
)
def test_bad_requests_end_and_the_next_is_answered(
    server: Server, request_bytes: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.metrics.port)) as one:
        one.settimeout(10)
        try:
            one.sendall(request_bytes)
            one.shutdown(socket.SHUT_WR)
            while one.recv(65_536):
                pass
        except OSError:
            pass  # it was ended already
    assert get(server, "/healthz")[0] == 200
