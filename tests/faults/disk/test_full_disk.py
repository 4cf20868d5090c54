"""A full disk: changes are refused with the numbers, and all else goes on.

On a real file system of a few megabytes, where this process may mount one.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from threading import current_thread
from typing import Any

import grpc
import numpy as np
import pytest
import stream_calls
from full_disk import MIB, fill, mounted, until
from grpc_health.v1 import health_pb2, health_pb2_grpc

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.selection.active import ActiveParams
from gleann.service.config import Config
from gleann.service.config.metrics import MetricsSettings
from gleann.service.config.storage import StorageSettings
from gleann.service.server import Server, serve
from gleann.service.state.disk import Disk
from gleann.v1 import index_pb2

DIM = 16
ROWS = np.random.default_rng(5).normal(size=(400, DIM)).astype(np.float32)
PARAMS = BuildParams(metric="l2", nlist=4, tune_queries=0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    with mounted(tmp_path / "disk", mib=24) as folder:
        yield folder


@pytest.fixture
def server(small_disk: Path) -> Iterator[Server]:
    config = Config(
        data_dir=small_disk / "data",
        listen="127.0.0.1:0",
        storage=StorageSettings(min_free_bytes=4 * MIB),
        metrics=MetricsSettings(listen="127.0.0.1:0"),
        import_roots=(small_disk,),
        export_roots=(small_disk,),
    )
    with serve(config) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[gleann.Client]:
    with gleann.Client(server.target) as client:
        client.create_index("words", dim=DIM, metric="l2", columns={"n": "int64"})
        client.upsert("words", range(400), ROWS, {"n": range(400)})
        client.build("words", PARAMS).wait()
        yield client


def health_of(server: Server, service: str) -> int:
    with grpc.insecure_channel(server.target.removeprefix("grpc://")) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return stub.Check(health_pb2.HealthCheckRequest(service=service)).status


def metric_of(server: Server, name: str) -> float:
    """A metric without labels, as Prometheus fetches it."""
    assert server.metrics is not None
    address = ("127.0.0.1", server.metrics.port)
    with closing(HTTPConnection(*address, timeout=60)) as connection:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    [line] = [line for line in lines if line.startswith(f"{name} ")]
    return float(line.split()[-1])


def changes(
    client: gleann.Client, session: str, asked: list[int], file: Path
) -> dict[str, Callable[[], object]]:
    """Changes of most kinds; `test_read_only_methods.py` has every method."""
    return {
        "create": lambda: client.create_index("more", dim=4),
        "update": lambda: client.update_index("words", add_columns={"m": "int64"}),
        "upsert": lambda: client.upsert("words", [1], ROWS[:1]),
        "stream": lambda: client.upload("words", numbered(range(3)), stream_id="a"),
        "delete": lambda: client.delete_vectors("words", [1]),
        "payload": lambda: client.update_payload("words", {"n": [1]}, ids=[1]),
        "no payload": lambda: client.delete_payload("words", ["n"], ids=[1]),
        "build": lambda: client.build("words", BuildParams(metric="l2", nlist=3)),
        "optimize": lambda: client.optimize("words", kind="rebuild"),
        "import": lambda: client.import_vectors("words", file),
        "curate": lambda: client.curation.near_duplicates("words", radius=0.1),
        "select": lambda: client.coresets.farthest_first("words", k=3),
        "session": lambda: start(client),
        "labels": lambda: client.active.submit_labels(session, asked, [1]),
        "snapshot": lambda: client.snapshots.create("words"),
    }


def numbered(batches: range) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of 10 rows."""
    for number in batches:
        yield np.arange(10) + 10 * number, ROWS[:10]


def send_on(stream: Any, batches: range) -> int:
    for ids, rows in numbered(batches):
        stream.send(ids, rows)
    return stream.flush()


def ends_of_streams(client: gleann.Client) -> dict[str, int]:
    """How many streams ended with each status."""
    methods = client.server_status().methods
    codes = {one.method.rpartition("/")[2]: one.codes for one in methods}
    return dict(codes.get("StreamUpsertVectors", {}))


def start(client: gleann.Client) -> str:
    params = ActiveParams(pool="classifier")
    ids = list(range(6))
    return client.active.start("words", ids=ids, labels=[0, 1] * 3, params=params).name


def require_told(server: Server, client: gleann.Client, *, refused: int) -> None:
    """Status, metrics and health tell that changes are refused, and the numbers."""
    status = client.server_status()
    assert "min_free_bytes is 4194304" in status.reason
    assert status.disk_free_bytes <= 4 * MIB
    assert metric_of(server, "gleann_read_only") == 1
    assert metric_of(server, "gleann_changes_refused_total") >= refused
    assert metric_of(server, "gleann_disk_free_bytes") <= 4 * MIB
    assert health_of(server, "gleann.v1.VectorService") == 2  # NOT_SERVING
    assert health_of(server, "gleann.v1.SearchService") == 1
    assert health_of(server, "") == 1
    assert health_of(server, "indexes/words") == 1


@pytest.mark.slow
def test_a_full_disk_makes_the_server_read_only(
    server: Server, client: gleann.Client, small_disk: Path
) -> None:
    session = start(client)
    asked = client.active.next_batch(session).ids[:1].tolist()
    snapshot = client.snapshots.create("words").wait()
    client.create_index("spare", dim=4)
    np.save(small_disk / "more.npy", ROWS[:5])
    before = client.search("words", ROWS[:5], SearchParams(k=3))
    ballast = fill(small_disk, leaving=3 * MIB)
    until("read-only", client)
    every = changes(client, session, asked, small_disk / "more.npy")
    for name, change in every.items():
        with pytest.raises(errors.StorageError, match=r"\d+ bytes free.* 4194304") as e:
            change()
        assert "read-only" in str(e.value), name
    require_told(server, client, refused=len(every))
    # Reads, and what makes room.
    after = client.search("words", ROWS[:5], SearchParams(k=3))
    assert after.ids.tolist() == before.ids.tolist()
    assert client.count("words") == 400
    client.snapshots.delete(snapshot.name)
    client.delete_index("spare")
    client.sessions.close(session)
    ballast.unlink()
    until("serving", client)
    assert client.server_status().reason == ""
    assert health_of(server, "gleann.v1.VectorService") == 1
    assert metric_of(server, "gleann_read_only") == 0
    client.upsert("words", [1], ROWS[:1])
    client.build("words", PARAMS).wait()


@pytest.mark.slow
def test_a_stream_stops_while_the_server_is_read_only_and_goes_on_then(
    server: Server, client: gleann.Client, small_disk: Path
) -> None:
    """What was acknowledged stays, and the stream goes on behind it."""
    stream = client.vectors.stream("words", stream_id="nightly")
    assert send_on(stream, range(40, 45)) == 50
    ballast = fill(small_disk, leaving=3 * MIB)
    until("read-only", client)
    with pytest.raises(errors.StorageError, match=r"\d+ bytes free.* 4194304"):
        send_on(stream, range(45, 50))
    stream.cancel()
    assert client.count("words") == 450
    stream_calls.until(lambda: not server.upserts.streams())
    stream_calls.until(lambda: bool(ends_of_streams(client)))  # a call ends a bit later
    ended = ends_of_streams(client)
    ballast.unlink()
    until("serving", client)
    again = client.upload("words", numbered(range(40, 50)), stream_id="nightly")
    assert again == 100
    assert client.count("words") == 500
    assert ended == {"RESOURCE_EXHAUSTED": 1}


@pytest.mark.slow
def test_a_disk_that_fills_within_a_second_is_told_by_the_failed_write(
    server: Server, client: gleann.Client, small_disk: Path
) -> None:
    """Before the next look, a write meets ENOSPC."""
    server.application.store.disk.close()
    fill(small_disk, leaving=0)
    many = np.tile(ROWS, (10, 1))

    def write_on() -> None:
        for first in range(0, 400_000, 4000):
            client.upsert("words", range(first, first + 4000), many)

    with pytest.raises(errors.StorageError) as first:
        write_on()
    assert "min_free_bytes" not in str(first.value)
    status = client.server_status(["state", "reason"])
    assert status.state == "read-only"
    with pytest.raises(errors.StorageError, match="the server is read-only"):
        client.upsert("words", [1], ROWS[:1])
    assert client.search("words", ROWS[:1]).ids[0, 0] >= 0


@pytest.mark.slow
def test_a_job_on_a_full_disk_fails_with_the_numbers(
    server: Server,
    client: gleann.Client,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was asked for in time, and runs when the disk is full."""
    client.upsert("words", range(1000, 1400), ROWS)
    fill(small_disk, leaving=3 * MIB)
    disk, real = server.application.store.disk, Disk.require_room
    asking = current_thread()

    def require_room(of: Disk) -> None:
        if current_thread() is not asking:
            real(of)

    disk.look()
    assert disk.reason
    monkeypatch.setattr(Disk, "require_room", require_room)
    request = index_pb2.BuildIndexRequest(name="words")
    asked = server.application.jobs.asked
    operation = asked("build", index="words", request=request)()
    ended = server.application.jobs.wait(operation.name, seconds=60)
    assert ended.done
    assert "min_free_bytes is 4194304" in ended.error.message


@pytest.mark.slow
def test_an_import_that_would_fill_the_disk_is_refused(
    client: gleann.Client, small_disk: Path
) -> None:
    """Rows that are logged are in the write-ahead log too, as its plan says."""
    np.save(small_disk / "more.npy", np.tile(ROWS, (125, 1)))
    plan = client.plans.import_vectors("words", small_disk / "more.npy").plan
    assert plan is not None
    assert plan.disk_bytes == 8_000_000
    fill(small_disk, leaving=plan.disk_bytes - 500_000)
    with pytest.raises(errors.StorageError, match="takes about 8000000 bytes"):
        client.import_vectors("words", small_disk / "more.npy")
    assert client.jobs.list("kind = 'import'") == []


@pytest.mark.slow
def test_a_start_on_a_full_disk_serves_or_says_why_not(small_disk: Path) -> None:
    storage = StorageSettings(min_free_bytes=MIB)
    config = Config(data_dir=small_disk / "data", listen="127.0.0.1:0", storage=storage)
    with serve(config) as server, gleann.Client(server.target) as client:
        client.create_index("words", dim=DIM, metric="l2")
        client.upsert("words", range(400), ROWS)
        client.build("words", PARAMS).wait()
    ballast = fill(small_disk, leaving=128 * 1024)
    with serve(config) as server, gleann.Client(server.target) as client:
        assert client.server_status(["state"]).state == "read-only"
        assert client.search("words", ROWS[:1]).ids[0, 0] == 0
    ballast.unlink()
    fill(small_disk, leaving=0)
    with pytest.raises(errors.StorageError, match=r"refused: .*\(\d+ bytes are free\)"):
        serve(config)
