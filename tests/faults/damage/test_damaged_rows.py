"""Damage to one index, row or file is named and not served; the others go on."""

import shutil
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from databases import run_sql
from grpc_health.v1 import health_pb2, health_pb2_grpc

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.selection.active import ActiveParams
from gleann.service.config import Config
from gleann.service.server import serve
from gleann.service.state.log import changes
from gleann.service.views.live_index import View

QUICK = BuildParams(metric="l2", nlist=4, tune_queries=0)
ROWS = np.random.default_rng(0).normal(size=(260, 8)).astype(np.float32)
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexes "a" and "b", each sealed with 200 rows and with 6 changes since."""
    directory = tmp_path_factory.mktemp("made") / "data"
    with gleann.Client(directory) as client:
        for name in "ab":
            client.create_index(name, dim=8, metric="l2")
            client.upsert(name, np.arange(200), ROWS[:200])
            client.build(name, QUICK).wait(timeout=60)
            for start in range(200, 260, 12):
                ids = np.arange(start, start + 12)
                client.upsert(name, ids, ROWS[start : start + 12])
            client.delete_vectors(name, [3])
    return directory


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "data")


def require_right(client: gleann.Client, name: str) -> None:
    ids = np.delete(np.arange(260), 3)
    assert np.array_equal(client.get_vectors(name, ids), ROWS[ids])
    found = client.search(name, ROWS[ids], SearchParams(k=1, exact=True))
    assert np.array_equal(found.ids[:, 0], ids)
    assert client.get_index(name).count == 259


def require_broken(client: gleann.Client, name: str, says: str) -> None:
    listed = {info.name: info.broken or "" for info in client.list_indexes()}
    assert says in listed[name]
    assert says in (client.get_index(name).broken or "")
    for call in (
        lambda: client.get_vectors(name, [0]),
        lambda: client.search(name, ROWS[:1]),
        lambda: client.upsert(name, [1], ROWS[:1]),
        lambda: client.delete_vectors(name, [1]),
        lambda: client.build(name),
        lambda: client.active.start(name, ids=[0, 1], labels=[0, 1]),
    ):
        with pytest.raises((errors.CorruptDataError, errors.NotReadyError)) as told:
            call()
        assert says in str(told.value)


LAST = "index_number = 1 AND sequence = 6"
SPOILS = {
    "ids that are no message": ("ids = x'ff'", "change 6 of 'a'"),
    "other ids": (
        "ids = (SELECT ids FROM changes WHERE index_number = 2 AND sequence = 3)",
        "change 6 of 'a'",
    ),
    "vectors a byte short": ("vectors = substr(vectors, 2)", "change 6 of 'a'"),
    "another number": (
        "vectors = CAST(x'0000803f' || substr(vectors, 5) AS BLOB)",
        "change 6 of 'a'",
    ),
    "text for bytes": ("vectors = 'text'", "change 6 of 'a'"),
    "a deletion of it": ("vectors = NULL", "change 6 of 'a'"),
    "another index": ("index_number = 2", "ends with change 5"),
    "another sequence": ("sequence = 5", "change 5 of 'a'"),
    "a hole": ("sequence = NULL", "ends with change 5"),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_change_is_named_and_not_served(data: Path, spoil: str) -> None:
    assignment, says = SPOILS[spoil]
    run_sql(data, f"UPDATE changes SET {assignment} WHERE {LAST}")
    with gleann.Client(data) as client:
        require_broken(client, "a", says)
        if spoil == "another index":
            require_broken(client, "b", "change 6 of 'b'")
            return
        require_right(client, "b")
        client.delete_index("a")
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", [1], ROWS[:1])
        assert client.get_index("a").broken is None


def test_a_change_without_a_checksum_is_still_looked_at(data: Path) -> None:
    """As those of an older gleann are."""
    run_sql(data, "UPDATE changes SET checksum = NULL")
    with gleann.Client(data) as client:
        require_right(client, "a")
    spoilt = "CAST(x'0000c07f' || substr(vectors, 5) AS BLOB)"
    run_sql(data, f"UPDATE changes SET vectors = {spoilt} WHERE {LAST}")
    with gleann.Client(data) as client:
        require_broken(client, "a", "12 ids, 12 vectors, of which 11 are finite")
        require_right(client, "b")


def test_a_change_that_is_missing_is_noticed(data: Path) -> None:
    run_sql(data, f"DELETE FROM changes WHERE {LAST}")
    with gleann.Client(data) as client:
        require_broken(client, "a", "ends with change 5, but change 7 was acknowledged")
        require_right(client, "b")


@pytest.mark.parametrize(
    "assignment",
    ["dim = 4", "metric = 'ip'", "version = 3", "sequence = 1", "sealed_sequence = 0"],
)
def test_a_spoilt_description_is_noticed(data: Path, assignment: str) -> None:
    run_sql(data, f"UPDATE indexes SET {assignment} WHERE name = 'a'")
    with gleann.Client(data) as client:
        require_broken(client, "a", "the row 1 of the table indexes")
        require_right(client, "b")
    # Nothing was swept by what cannot be believed.
    assert list((data / "indexes" / "1").rglob("vectors.npy"))


@pytest.mark.parametrize("kind", [MemoryError, RuntimeError, KeyError])
def test_whatever_is_raised_while_opening_stays_with_its_index(
    data: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    real = changes.replayed

    def failing(store: Any, view: View) -> View:
        if view.name == "a":
            raise kind("no more")
        return real(store, view)

    with monkeypatch.context() as patched:
        patched.setattr(changes, "replayed", failing)
        with gleann.Client(data) as client:
            says = "not enough memory" if kind is MemoryError else "no more"
            require_broken(client, "a", says)
            require_right(client, "b")
    with gleann.Client(data) as client:
        require_right(client, "a")


def test_a_change_that_memory_has_no_room_for(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before it is committed; what was there is served, and goes on."""
    real, failures = View.upserted, []

    def failing(view: View, *values: Any, **named: Any) -> View:
        if view.name == "a" and len(failures) < 2:
            failures.append(view)
            raise MemoryError
        return real(view, *values, **named)

    with gleann.Client(data) as client:
        monkeypatch.setattr(View, "upserted", failing)
        for _ in range(2):
            with pytest.raises(errors.NotReadyError, match="not enough memory"):
                client.upsert("a", [900], ROWS[:1] + 1)
            require_right(client, "a")
        client.upsert("a", [900], ROWS[:1] + 1)
        assert np.array_equal(client.get_vectors("a", [900]), ROWS[:1] + 1)
        require_right(client, "b")
    with gleann.Client(data) as client:
        assert np.array_equal(client.get_vectors("a", [900]), ROWS[:1] + 1)


def test_health_tells_which_index_is_broken(data: Path) -> None:
    run_sql(data, f"UPDATE changes SET ids = x'ff' WHERE {LAST}")
    server = serve(Config(data_dir=data, listen="127.0.0.1:0"))
    address = server.target.removeprefix("grpc://")
    try:
        with (
            grpc.insecure_channel(address) as channel,
            gleann.Client(server.target) as client,
        ):
            health = health_pb2_grpc.HealthStub(channel)

            def state(service: str) -> Any:
                request = health_pb2.HealthCheckRequest(service=service)
                return health.Check(request).status

            assert state("") == state("gleann.v1.SearchService") == SERVING
            assert state("indexes/b") == SERVING
            assert state("indexes/a") == NOT_SERVING
            require_broken(client, "a", "change 6 of 'a'")
            client.create_index("c", dim=2)
            assert state("indexes/c") == SERVING
            watch = health.Watch(health_pb2.HealthCheckRequest(service="indexes/c"))
            assert next(watch).status == SERVING
            client.delete_index("c")
            assert next(watch).status == UNKNOWN
            with pytest.raises(grpc.RpcError, match="no service 'indexes/c'") as caught:
                state("indexes/c")
            assert caught.value.code() == grpc.StatusCode.NOT_FOUND
            client.create_index("c", dim=2)
            assert next(watch).status == state("indexes/c") == SERVING
    finally:
        server.stop(grace=1)


@pytest.fixture
def sessions(tmp_path: Path) -> tuple[str, str]:
    """Two sessions of version 1 of an index whose version 2 is served."""
    ids = np.arange(200)
    with gleann.Client(tmp_path) as client:
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", ids, ROWS[:200], request_id="first")
        client.build("a", QUICK, request_id="build").wait(timeout=60)
        client.coresets.farthest_first("a", k=3, request_id="choose").wait(timeout=60)
        params = ActiveParams(batch=3)
        one, two = (
            client.active.start(
                "a", ids=ids[:20], labels=ids[:20] % 2, params=params
            ).name
            for _ in range(2)
        )
        client.upsert("a", [1], ROWS[:1])
        client.build("a", QUICK).wait(timeout=60)
    return one, two


def test_a_spoilt_session(tmp_path: Path, sessions: tuple[str, str]) -> None:
    spoilt, kept = sessions
    run_sql(tmp_path, f"UPDATE sessions SET version = 2 WHERE name = '{spoilt}'")
    with gleann.Client(tmp_path) as client:
        for call in (client.next_batch, client.sessions.get):
            with pytest.raises(errors.CorruptDataError, match=spoilt):
                call(spoilt)
        assert [one.name for one in client.sessions.list()] == [kept]
        assert len(client.next_batch(kept)) == 3
        # Which version the spoilt one needs is not known: none is swept.
        versions = tmp_path / "indexes" / "1" / "versions"
        assert {path.name for path in versions.iterdir()} == {"1", "2"}
        client.sessions.close(spoilt)
        assert client.get_index("a").count == 200


@pytest.mark.usefixtures("sessions")
def test_spoilt_operations_selections_and_receipts(tmp_path: Path) -> None:
    run_sql(tmp_path, "UPDATE requests SET digest = 'x' WHERE request_id = 'first'")
    run_sql(tmp_path, "UPDATE selections SET items = x'00'")
    run_sql(tmp_path, "UPDATE operations SET state = 'queued' WHERE number = 1")
    with gleann.Client(tmp_path) as client:
        with pytest.raises(errors.CorruptDataError, match="'first' of the table requ"):
            client.upsert("a", np.arange(200), ROWS[:200], request_id="first")
        built, chosen, _ = client.operations.list()
        with pytest.raises(errors.CorruptDataError, match="of the table operations"):
            built.wait()
        with pytest.raises(errors.CorruptDataError, match="of the table selections"):
            chosen.wait()
        assert client.get_index("a").version == 2


def flip(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def outcome_of(directory: Path, name: str) -> str:
    """Whether an index is served right or refused; wrong answers fail the test."""
    try:
        client = gleann.Client(directory)
    except errors.GleannError:
        return "no start"
    with client:
        try:
            require_right(client, name)
        except (errors.CorruptDataError, errors.NotReadyError) as error:
            return "refused" if repr(name) in str(error) else str(error)
    return "right"


@pytest.mark.slow
@pytest.mark.parametrize("which", ["database", "sealed", "acknowledged"])
def test_a_flipped_bit_is_noticed_or_does_not_matter(
    made: Path, tmp_path: Path, which: str
) -> None:
    rng = np.random.default_rng(5)
    patterns = {"database": "gleann.sqlite3", "sealed": "indexes/1/**/*.*"}
    files = sorted(made.glob(patterns.get(which, which)))
    outcomes = []
    for trial in range(40 if which == "database" else 24):
        copy = tmp_path / "data"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(made, copy)
        files_there = [p for p in files if p.is_file()]
        chosen = files_there[trial % len(files_there)]
        flip(copy / chosen.relative_to(made), rng)
        outcomes.append((outcome_of(copy, "a"), outcome_of(copy, "b")))
    assert {one for both in outcomes for one in both} <= {
        "right",
        "refused",
        "no start",
    }
    if which == "sealed":
        assert set(outcomes) == {("refused", "right")}
    if which == "acknowledged":
        assert set(outcomes) <= {("right", "right"), ("no start", "no start")}
    assert len(outcomes) > 20
