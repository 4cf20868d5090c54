"""Long work where the store refuses, requests pile up, or a crash comes between."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from long_work import ROWS, asked, done_within, filled
from stream_calls import until

from gleann.index import errors
from gleann.service.application import Application
from gleann.service.jobs import workers
from gleann.service.jobs.queue import SHORT
from gleann.service.jobs.table import MAX_ATTEMPTS
from gleann.service.state.commits.group import Transaction
from gleann.service.state.store import Store
from gleann.v1 import coreset_pb2, vector_pb2

BEGIN = "UPDATE operations SET state = 'running', started"
OUTCOME = "UPDATE operations SET state = ?, ended"


def refuse(patched: pytest.MonkeyPatch, write: str) -> list[str]:
    """Refuse statements that begin so; the list gets those that were refused."""
    run, refused = Transaction.run, list[str]()

    def refusing(transaction: Transaction, sql: str, *values: object) -> Any:
        if sql.startswith(write):
            refused.append(sql)
            raise errors.StorageError("the database refused: disk is full")
        return run(transaction, sql, *values)

    patched.setattr(Transaction, "run", refusing)
    return refused


@pytest.mark.alone
@pytest.mark.parametrize("write", [BEGIN, OUTCOME], ids=["begin", "outcome"])
def test_a_write_that_is_refused_is_tried_again(
    open_directory: Callable[[], Application],
    monkeypatch: pytest.MonkeyPatch,
    write: str,
) -> None:
    """The disk is full for a moment, as work begins or as its outcome is written."""
    monkeypatch.setattr(workers, "FIRST_PAUSE", 0.5)
    application = open_directory()
    filled(application, "a", 9)
    with monkeypatch.context() as patched:
        refused = refuse(patched, write)
        names = [application.build(asked("a")).name for _ in range(2)]
        until(lambda: bool(refused))
        used = time.process_time()
        assert not application.jobs.wait(names[0], seconds=0.3).done
        assert time.process_time() - used < 0.25
    assert done_within(application, names, 60)
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
    assert done_within(application, [name], 60)
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
    assert application.jobs.wait(name, seconds=60).WhichOneof("result") == "response"
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
    assert application.jobs.wait(application.build(asked("a")).name, seconds=60).done
    assert application.get_index("a").version == 1


@pytest.mark.alone
def test_a_waiter_of_work_that_never_ends_takes_no_cpu(
    open_directory: Callable[[], Application],
) -> None:
    """An operation that no worker has: nothing wakes whoever waits for it."""
    application = open_directory()
    filled(application, "a", 9)
    name = application.build(asked("a")).name
    application.jobs.wait(name, seconds=60)
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
    application.jobs.wait(name, seconds=60)
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
    operation = application.jobs.wait(name, seconds=60)
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
        end = time.monotonic() + 60
        while application.get_index("a").count == 1:
            assert time.monotonic() < end
            time.sleep(0.02)
        application.upsert("a", np.arange(3), ROWS[:3] + 5)
        application.close(seconds=10)
    path.unlink()
    application = open_directory()
    operation = application.jobs.wait(name, seconds=60)
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
        assert application.jobs.wait(name, seconds=60).done
        assert len(application.store.rows("SELECT name FROM selections")) == 1
        with application.store.transaction() as transaction:
            transaction.run("UPDATE operations SET state = 'running', response = NULL")
        application = open_directory()


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
    application.jobs.wait(name, seconds=60)
    for damaged in ("text", b"\xff\xff\xff"):
        with application.store.transaction() as transaction:
            transaction.run(
                "UPDATE operations SET state = 'queued', request = ?, response = NULL",
                damaged,
            )
        application = open_directory()
        assert application.jobs.wait(name, seconds=60).HasField("error")
    assert application.jobs.wait(application.build(asked("a")).name, seconds=60).done
