"""Long work where the store refuses, requests pile up, or a crash comes between."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index import Progress, SoarIndex, errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.jobs import workers
from gleann.service.jobs.queue import SHORT
from gleann.service.jobs.table import MAX_ATTEMPTS
from gleann.service.state.commits.group import Transaction
from gleann.service.state.store import Store
from gleann.v1 import coreset_pb2, index_pb2, vector_pb2

ROWS = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


@pytest.fixture
def open_directory(tmp_path: Path) -> Iterator[Callable[[], Application]]:
    """Open one data directory, again and again; each opening closes the one before."""
    opened: list[Application] = []

    def again() -> Application:
        while opened:
            opened.pop().close()
        config = Config(data_dir=tmp_path / "d", import_roots=(tmp_path,))
        opened.append(Application(config))
        return opened[0]

    yield again
    for application in opened:
        application.close()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Builds of 200 rows or more wait at their first report until `go` is set."""
    begun, go, real = threading.Event(), threading.Event(), SoarIndex.build_on_disk
    builds: list[int] = []

    def build(rows: Any, *arguments: Any, progress: Any, **settings: Any) -> Any:
        builds.append(rows.shape[0])
        if rows.shape[0] >= 200:
            begun.set()
            while not go.wait(0.02):
                progress(Progress(phase="held", done=0, total=1))
        return real(rows, *arguments, progress=progress, **settings)

    monkeypatch.setattr(SoarIndex, "build_on_disk", build)
    yield type("Held", (), {"begun": begun, "go": go, "builds": builds})
    go.set()


def asked(name: str, *, seed: int = 0) -> index_pb2.BuildIndexRequest:
    params = index_pb2.BuildParams(nlist=4, tune_queries=0, seed=seed)
    return index_pb2.BuildIndexRequest(name=name, params=params)


def filled(application: Application, name: str, rows: int) -> None:
    application.create_index(name, dim=8, metric="l2")
    application.upsert(name, np.arange(rows), ROWS[:rows])


def done_within(application: Application, names: list[str], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not all(application.jobs.get(name).done for name in names):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


BEGIN = "UPDATE operations SET state = 'running', started"
OUTCOME = "UPDATE operations SET state = ?, ended"


def refuse(
    patched: pytest.MonkeyPatch, write: str, left: list[int] | None = None
) -> None:
    """Refuse statements that begin so: always, or as often as `left` has entries."""
    run = Transaction.run

    def refusing(transaction: Transaction, sql: str, *values: object) -> Any:
        if sql.startswith(write) and (left is None or left):
            if left:
                left.pop()
            raise errors.StorageError("the database refused: disk is full")
        return run(transaction, sql, *values)

    patched.setattr(Transaction, "run", refusing)


@pytest.mark.parametrize("write", [BEGIN, OUTCOME], ids=["begin", "outcome"])
def test_a_write_that_is_refused_is_tried_again(
    open_directory: Callable[[], Application],
    monkeypatch: pytest.MonkeyPatch,
    write: str,
) -> None:
    """The disk is full for a moment, as work begins or as its outcome is written."""
    monkeypatch.setattr(workers, "FIRST_PAUSE", 0.2)
    application = open_directory()
    filled(application, "a", 9)
    refusals = [1, 2]
    refuse(monkeypatch, write, refusals)
    names = [application.build(asked("a")).name for _ in range(2)]
    used = time.process_time()
    assert not application.jobs.wait(names[0], seconds=0.3).done
    assert time.process_time() - used < 0.25
    assert done_within(application, names, 20)
    assert [application.jobs.get(name).WhichOneof("result") for name in names] == [
        "response",
        "response",
    ]
    assert application.get_index("a").version == 1


def test_a_read_that_is_refused_once_work_began_is_tried_again(
    open_directory: Callable[[], Application], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "FIRST_PAUSE", 0.05)
    application = open_directory()
    filled(application, "a", 9)
    run, row = Transaction.run, Store.row
    begun: list[threading.Thread] = []
    refused: list[str] = []

    def began(transaction: Transaction, sql: str, *values: object) -> Any:
        if sql.startswith(BEGIN):
            begun.append(threading.current_thread())
        return run(transaction, sql, *values)

    def refuse_once(store: Store, sql: str, *values: object) -> Any:
        if threading.current_thread() in begun and not refused:
            refused.append(sql)
            raise errors.StorageError("the database refused: disk I/O error")
        return row(store, sql, *values)

    monkeypatch.setattr(Transaction, "run", began)
    monkeypatch.setattr(Store, "row", refuse_once)
    name = application.build(asked("a")).name
    assert done_within(application, [name], 20)
    assert refused == ["SELECT * FROM operations WHERE name = ?"]
    assert application.jobs.get(name).WhichOneof("result") == "response"


@pytest.mark.parametrize("step", ["rows", "give_back_space"])
def test_a_build_that_is_published_is_not_reported_as_failed(
    open_directory: Callable[[], Application],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """The disk refuses what comes after the commit: old files and free pages stay."""

    real, refused = getattr(Store, step), []

    def refuse(store: Store, *what: Any, **how: Any) -> Any:
        if step == "rows" and "version FROM sessions" not in what[0]:
            return real(store, *what, **how)
        refused.append(what)
        raise errors.StorageError("the database refused: disk I/O error")

    application = open_directory()
    filled(application, "a", 9)
    monkeypatch.setattr(Store, step, refuse)
    name = application.build(asked("a")).name
    assert application.jobs.wait(name, seconds=30).WhichOneof("result") == "response"
    assert application.get_index("a").version == 1
    assert application.building.current(asked("a")) is not None
    assert refused


def test_a_job_that_waits_for_the_disk_can_be_cancelled(
    open_directory: Callable[[], Application], monkeypatch: pytest.MonkeyPatch
) -> None:
    application = open_directory()
    filled(application, "a", 9)
    with monkeypatch.context() as patched:
        refuse(patched, BEGIN)
        name = application.build(asked("a")).name
        application.jobs.cancel(name)
        assert application.jobs.get(name).error.message == f"{name} was cancelled"
    assert application.jobs.wait(application.build(asked("a")).name, seconds=30).done
    assert application.get_index("a").version == 1


def test_a_waiter_of_work_that_never_ends_takes_no_cpu(
    open_directory: Callable[[], Application],
) -> None:
    """An operation that no worker has: nothing wakes whoever waits for it."""
    application = open_directory()
    filled(application, "a", 9)
    name = application.build(asked("a")).name
    application.jobs.wait(name, seconds=30)
    with application.store.transaction() as transaction:
        transaction.run("UPDATE operations SET state = 'running'")
    used, began = time.process_time(), time.monotonic()
    assert not application.jobs.wait(name, seconds=1).done
    assert time.monotonic() - began >= 1
    assert time.process_time() - used < 0.3


def staged(application: Application) -> int:
    (row,) = application.store.rows(
        "SELECT count(*) FROM changes WHERE sequence IS NULL"
    )
    return int(row[0])


@pytest.mark.parametrize("end", ["gave up", "cancelled", "refused"])
def test_the_parts_of_an_import_that_ended_are_dropped(
    open_directory: Callable[[], Application], tmp_path: Path, end: str
) -> None:
    """However it ends: given up after crashes, cancelled after one, or failing."""
    path = tmp_path / "v.npy"
    np.save(path, ROWS)
    application = open_directory()
    application.create_index("a", dim=8, metric="l2")
    request = vector_pb2.ImportVectorsRequest(index="a")
    request.npy.path = str(path)
    name = application.import_vectors(request).name
    application.jobs.wait(name, seconds=30)
    application.delete_vectors("a", np.arange(len(ROWS)))
    # What a crash amid the import leaves.
    state = "queued" if end == "cancelled" else "running"
    attempts = MAX_ATTEMPTS if end == "gave up" else 1
    application.registry.stage("a", name, np.arange(100), ROWS[:100])
    with application.store.transaction() as transaction:
        transaction.run("DELETE FROM changes WHERE sequence IS NOT NULL")
        transaction.run("UPDATE indexes SET sequence = 0, id_type = NULL")
        transaction.run(
            "UPDATE operations SET state = ?, attempts = ?, response = NULL",
            state,
            attempts,
        )
    assert staged(application) == 1
    if end == "cancelled":
        application.jobs.cancel(name)
        assert staged(application) == 0
        return
    path.unlink()
    application = open_directory()
    operation = application.jobs.wait(name, seconds=30)
    assert operation.WhichOneof("result") == "error"
    assert staged(application) == 0
    assert application.get_index("a").count == 0


def test_an_import_that_got_through_is_not_done_again(
    open_directory: Callable[[], Application],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its rows were published, its outcome was not written, and the file is gone."""
    path = tmp_path / "v.npy"
    np.save(path, ROWS)
    application = open_directory()
    filled(application, "a", 1)  # into an empty index, it would be sealed at once
    request = vector_pb2.ImportVectorsRequest(index="a")
    request.npy.path = str(path)
    with monkeypatch.context() as patched:
        refuse(patched, OUTCOME)
        name = application.import_vectors(request).name
        end = time.monotonic() + 20
        while application.get_index("a").count == 1 and time.monotonic() < end:
            time.sleep(0.02)
        application.upsert("a", np.arange(3), ROWS[:3] + 5)
        application.close(seconds=10)
    path.unlink()
    application = open_directory()
    operation = application.jobs.wait(name, seconds=30)
    imported = vector_pb2.ImportVectorsResponse()
    assert operation.response.Unpack(imported)
    assert imported.count == len(ROWS)
    # Nor does it overwrite what came after it.
    view = application.registry.view("a")
    kept = view.vectors_at(view.require(np.arange(3)))
    assert np.array_equal(kept, ROWS[:3] + 5)


def test_a_selection_that_is_done_again_takes_its_own_place(
    open_directory: Callable[[], Application],
) -> None:
    """Its outcome was not written: the choice of the first run is not left behind."""
    application = open_directory()
    filled(application, "a", 50)
    request = coreset_pb2.CreateSelectionJobRequest(index="a", k=3)
    request.random.seed = 1
    name = application.select(request).name
    for _ in range(2):
        assert application.jobs.wait(name, seconds=30).done
        assert len(application.store.rows("SELECT name FROM selections")) == 1
        with application.store.transaction() as transaction:
            transaction.run("UPDATE operations SET state = 'running', response = NULL")
        application = open_directory()


def test_fifteen_builds_of_an_index_are_one_and_keep_no_other_waiting(
    open_directory: Callable[[], Application], held: Any
) -> None:
    application = open_directory()
    filled(application, "large", 300)
    filled(application, "small", 50)
    first = application.build(asked("large")).name
    assert held.begun.wait(20)
    names = [application.build(asked("large")).name for _ in range(14)]
    other = application.build(asked("large", seed=1)).name
    assert len({first, *names}) == 15
    # The small one is done while the large one is still held.
    small = application.build(asked("small")).name
    assert application.jobs.wait(small, seconds=20).done
    assert not application.jobs.get(first).done
    held.go.set()
    assert done_within(application, [first, *names, other], 60)
    assert held.builds == [300, 50, 300]
    versions = [version_of(application, name) for name in [first, *names, other]]
    assert versions == [1] * 15 + [2]


def behind_others(application: Application, held: Any, *, count: int) -> list[str]:
    """Ask for equal builds of "a" while both workers are held by other work."""
    filled(application, "a", 300)
    for name in ("b", "c"):
        filled(application, name, 200)
        application.build(asked(name))
    while len(held.builds) < 2:
        time.sleep(0.02)
    return [application.build(asked("a")).name for _ in range(count)]


def let_begin(application: Application, held: Any) -> None:
    """Cancel the other work, and return when "a" is being built."""
    for operation in application.jobs.list(after=0, limit=2):
        application.jobs.cancel(operation[1].name)
    while len(held.builds) < 3:
        time.sleep(0.02)


def version_of(application: Application, name: str) -> int:
    index = index_pb2.Index()
    assert application.jobs.get(name).response.Unpack(index)
    return int(index.version.sealed)


def test_equal_requests_that_wait_are_one_after_a_crash_too(
    open_directory: Callable[[], Application], held: Any
) -> None:
    application = open_directory()
    filled(application, "a", 300)
    names = [application.build(asked("a")).name for _ in range(6)]
    assert held.begun.wait(20)
    threading.Timer(0.3, held.go.set).start()
    application = open_directory()  # the first was cut off
    assert done_within(application, names, 60)
    assert len(held.builds) == 2
    assert {version_of(application, name) for name in names} == {1}


def test_who_cancels_one_of_equal_requests_leaves_the_others(
    open_directory: Callable[[], Application], held: Any
) -> None:
    application = open_directory()
    waiting = behind_others(application, held, count=4)
    application.jobs.cancel(waiting[0])
    let_begin(application, held)
    application.jobs.cancel(waiting[1])
    for name in (waiting[0], waiting[1]):
        operation = application.jobs.get(name)
        assert operation.done
        assert operation.error.message == f"{name} was cancelled"
    held.go.set()
    assert done_within(application, waiting, 60)
    assert [version_of(application, name) for name in waiting[2:]] == [1, 1]


def test_when_all_have_cancelled_the_work_stops(
    open_directory: Callable[[], Application], held: Any
) -> None:
    application = open_directory()
    waiting = behind_others(application, held, count=2)
    let_begin(application, held)
    for name in waiting:
        application.jobs.cancel(name)
    assert done_within(application, waiting, 20)
    assert application.get_index("a").version == 0


def test_what_is_built_is_not_built_again(
    open_directory: Callable[[], Application], held: Any
) -> None:
    held.go.set()
    application = open_directory()
    filled(application, "a", 50)

    def built(request: index_pb2.BuildIndexRequest) -> int:
        operation = application.build(request)
        application.jobs.wait(operation.name, seconds=30)
        return version_of(application, operation.name)

    assert [built(asked("a")) for _ in range(3)] == [1, 1, 1]
    again = application.build(asked("a"))
    assert again.done
    assert application.jobs.get(again.name).done
    # Other parameters, other rows and fewer rows are another version.
    assert built(asked("a", seed=1)) == 2
    assert built(asked("a")) == 3
    application.upsert("a", [7], ROWS[:1])
    assert not application.build(asked("a")).done
    assert built(asked("a")) == 4
    application.delete_vectors("a", [7])
    assert built(asked("a")) == 5
    # The same name is not the same index.
    application.registry.delete("a")
    filled(application, "a", 50)
    assert built(asked("a")) == 1
    assert held.builds == [50, 50, 50, 50, 49, 50]


def test_a_build_behind_an_import_waits_for_its_rows(
    open_directory: Callable[[], Application], held: Any, tmp_path: Path
) -> None:
    """Though the index is unchanged, and built, when the build is asked for."""
    held.go.set()
    np.save(tmp_path / "v.npy", ROWS[:100])
    application = open_directory()
    filled(application, "a", 50)
    first = application.build(asked("a")).name
    request = vector_pb2.ImportVectorsRequest(index="a")
    request.npy.path = str(tmp_path / "v.npy")
    application.import_vectors(request)
    second = application.build(asked("a")).name
    assert done_within(application, [first, second], 30)
    assert (version_of(application, first), version_of(application, second)) == (1, 2)
    assert application.get_index("a").count == 100


def test_what_is_short(open_directory: Callable[[], Application]) -> None:
    """A limit that large work is above of, and that does not move without a reason."""
    assert SHORT == 4_194_304
    application = open_directory()
    filled(application, "a", 50)
    assert application.building.demand(asked("a").SerializeToString()).size() == 400
    gone = application.building.demand(asked("gone").SerializeToString())
    assert gone.short


def test_a_request_that_cannot_be_read_fails_alone(
    open_directory: Callable[[], Application],
) -> None:
    """It waits in the queue of a directory that is opened; the others go on."""
    application = open_directory()
    filled(application, "a", 9)
    name = application.build(asked("a")).name
    application.jobs.wait(name, seconds=30)
    for damaged in ("text", b"\xff\xff\xff"):
        with application.store.transaction() as transaction:
            transaction.run(
                "UPDATE operations SET state = 'queued', request = ?, response = NULL",
                damaged,
            )
        application = open_directory()
        assert application.jobs.wait(name, seconds=30).HasField("error")
    assert application.jobs.wait(application.build(asked("a")).name, seconds=30).done
