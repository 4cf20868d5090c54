"""Changes of several threads that share a commit, and one alone."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gleann.index import errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.state import store as store_module
from gleann.service.state.commits import group
from gleann.service.state.served import Served

DIM = 4
WRITERS = 16


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    application = Application(Config(data_dir=tmp_path / "data"))
    application.create_index("a", dim=DIM, metric="l2")
    yield application
    application.close()


class Commits:
    """Stands in for a slow disk, which can be made to fail."""

    def __init__(self) -> None:
        self.count = 0
        self.fails = False
        self.real = store_module.commit
        self.are_all_there: Callable[[], bool] = lambda: True

    def __call__(self, connection: sqlite3.Connection, *, file: Path) -> None:
        self.count += 1
        late = time.monotonic() + 60
        while not self.are_all_there():
            assert time.monotonic() < late, "writers have not come"
            time.sleep(0.001)
        time.sleep(0.02)
        if self.fails:
            connection.execute("ROLLBACK")
            raise errors.OutcomeUnknownError("the disk failed")
        self.real(connection, file=file)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    slow = Commits()
    monkeypatch.setattr(store_module, "commit", slow)
    return slow


def together(*calls: Callable[[], Any]) -> list[Any]:
    """The results of calls from as many threads, errors among them."""
    found: list[Any] = [None] * len(calls)

    def run(place: int) -> None:
        try:
            found[place] = calls[place]()
        except errors.GleannError as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def upsert(app: Application, first: int, count: int = 1) -> Any:
    rows = np.full((count, DIM), first, np.float32)
    return app.upsert("a", np.arange(first, first + count), rows)


def stored(app: Application) -> list[int]:
    """The ids that a new process would find."""
    app.close()
    again = Application(Config(data_dir=app.store.file.parent))
    try:
        view = again.registry.view("a")
        return sorted(view.ids_at(view.live_rows()).tolist())
    finally:
        again.close()


def test_writers_that_wait_share_a_commit(
    app: Application, commits: Commits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow they are: a commit ends when all others have come."""
    monkeypatch.setattr(group, "MOST_SECONDS", 60.0)
    inside: set[int] = set()
    writing = set(range(WRITERS))
    commits.are_all_there = lambda: inside >= writing

    def write(writer: int) -> list[Any]:
        versions = []
        for at in range(5):
            inside.add(writer)
            versions.append(upsert(app, 100 * writer + at))
            inside.discard(writer)
        writing.discard(writer)
        return versions

    found = together(*(partial(write, writer) for writer in range(WRITERS)))
    versions = [version for listed in found for version in listed]
    assert sorted(version.sequence for version in versions) == list(range(1, 81))
    for listed in found:
        assert listed == sorted(listed, key=lambda version: version.sequence)
    assert commits.count < 30  # 80 changes
    assert app.registry.view("a").sequence == 80
    expected = sorted(100 * w + at for w in range(WRITERS) for at in range(5))
    assert stored(app) == expected


@pytest.mark.alone
def test_a_lone_writer_waits_for_nobody(app: Application, commits: Commits) -> None:
    began = time.monotonic()
    for first in range(10):
        upsert(app, first)
    assert commits.count == 10
    assert time.monotonic() - began < 10 * 0.02 + 0.5


def test_what_is_acknowledged_is_visible(app: Application, commits: Commits) -> None:
    def write_and_read(first: int) -> bool:
        seen = []
        for at in range(first, first + 4):
            version = upsert(app, at)
            view = app.registry.view("a")
            seen.append(view.sequence >= version.sequence)
            seen.append(bool(view.find(np.array([at]))[0] >= 0))
        return all(seen)

    calls = [lambda first=10 * writer: write_and_read(first) for writer in range(8)]
    assert together(*calls) == [True] * 8


def test_a_change_that_is_refused_leaves_the_others(
    app: Application, commits: Commits
) -> None:
    """Also one that fails after its change: its receipt could not be written."""
    upsert(app, 0, 50)

    def late() -> None:
        with app.store.transaction() as transaction:
            app.delete_vectors("a", np.arange(25))
            app.upsert("a", np.array([7, 999]), np.zeros((2, DIM), np.float32))
            transaction.run("INSERT INTO requests VALUES ('x', 'x', x'', 1, NULL)")
            raise errors.InvalidInputError("late")

    def kind() -> Any:
        return app.upsert("a", np.array(["text"]), np.zeros((1, DIM), np.float32))

    calls = [lambda first=100 + writer: upsert(app, first) for writer in range(12)]
    calls += [
        lambda one=one: app.delete_vectors("a", np.array([one])) for one in (1, 2)
    ]
    calls += [late, kind, lambda: app.delete_vectors("a", np.array([55555]))]
    order = np.random.default_rng(0).permutation(len(calls))
    found = together(*(calls[at] for at in order))
    by_call = {int(at): result for at, result in zip(order, found, strict=True)}
    refused = {at for at, one in by_call.items() if isinstance(one, errors.GleannError)}
    assert refused == {14, 15, 16}
    view = app.registry.view("a")
    expected = sorted({*range(50), *range(100, 112)} - {1, 2})
    assert sorted(view.ids_at(view.live_rows()).tolist()) == expected
    assert view.find(np.arange(50)).tolist() == [
        -1 if at in (1, 2) else at for at in range(50)
    ]
    # Nothing of the refused change is in what the next one is made to.
    upsert(app, 999)
    assert app.delete_vectors("a", np.arange(3, 30))[0] == 27
    assert app.store.row("SELECT * FROM requests") is None
    assert stored(app) == sorted({*expected, 999} - set(range(3, 30)))


def test_a_commit_that_fails_is_told_to_all(app: Application, commits: Commits) -> None:
    upsert(app, 0, 20)
    commits.fails = True
    calls = [lambda first=100 + writer: upsert(app, first) for writer in range(6)]
    calls.append(lambda: app.delete_vectors("a", np.arange(5)))
    found = together(*calls)
    assert {type(one) for one in found} == {errors.OutcomeUnknownError}
    commits.fails = False
    view = app.registry.view("a")
    assert (view.sequence, view.count) == (1, 20)
    assert app.delete_vectors("a", np.arange(3))[1].sequence == 2
    upsert(app, 5)
    assert app.registry.view("a").vectors_at(
        app.registry.view("a").find(np.array([5]))
    ).tolist() == [[5.0] * DIM]
    assert stored(app) == list(range(3, 20))


@pytest.mark.parametrize("count", [20_000, 400_000])
def test_a_full_disk_refuses_changes_and_keeps_the_others(
    app: Application, count: int
) -> None:
    """Of changes that are queued, and of one that is logged by itself."""
    upsert(app, 0, 10)
    with app.store.transaction() as transaction:
        (pages,) = transaction.run("PRAGMA page_count").fetchone()
        transaction.run(f"PRAGMA max_page_count = {pages}")
    for _ in range(2):
        with pytest.raises(errors.StorageError, match="full"):
            upsert(app, 1000, count)
        assert app.registry.view("a").state.sequence == 1
    assert app.count("a")[0] == 10
    with app.store.transaction() as transaction:
        transaction.run("PRAGMA max_page_count = 1073741823")
    assert upsert(app, 5, 10).sequence == 2
    assert stored(app) == list(range(15))


def test_reads_see_nothing_that_is_not_committed(
    app: Application, commits: Commits
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with app.store.transaction() as transaction:
            transaction.run("INSERT INTO requests VALUES ('x', 'y', x'', 1, NULL)")
            assert app.store.row("SELECT digest FROM requests")["digest"] == "y"
            begun.set()
            go_on.wait(60)

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(60)
    assert app.store.row("SELECT * FROM requests") is None  # and does not wait
    go_on.set()
    thread.join()
    assert app.store.row("SELECT digest FROM requests")["digest"] == "y"


def test_nobody_waits_for_a_long_transaction(
    app: Application, commits: Commits
) -> None:
    """A change that was made before it is acknowledged before it ends."""
    begun, go_on = threading.Event(), threading.Event()

    def publish() -> None:
        assert begun.wait(60)
        with app.store.long_transaction() as transaction:
            transaction.run("INSERT INTO requests VALUES ('x', 'y', x'', 1, NULL)")
            assert go_on.wait(60)

    thread = threading.Thread(target=publish)
    thread.start()
    with app.store.transaction():
        upsert(app, 1)
        begun.set()
        time.sleep(0.1)  # the other one waits for its turn now
    assert app.registry.view("a").count == 1
    assert app.store.row("SELECT * FROM requests") is None
    go_on.set()
    thread.join()
    assert app.store.row("SELECT digest FROM requests")["digest"] == "y"


def test_an_index_that_is_removed_and_made_again_meanwhile(
    app: Application, commits: Commits
) -> None:
    def replace() -> None:
        with app.store.transaction():
            upsert(app, 500)
            app.registry.delete("a")
            with pytest.raises(errors.UnknownIndexError):
                app.registry.upsert("a", np.array([1]), np.zeros((1, DIM), np.float32))
            app.create_index("a", dim=DIM, metric="l2")
            app.registry.upsert("a", np.array([3]), np.ones((1, DIM), np.float32))

    upsert(app, 0, 10)
    calls = [lambda first=100 + at: upsert(app, first) for at in range(6)]
    found = together(replace, *calls)
    kinds = {type(one).__name__ for one in found}
    assert kinds <= {"NoneType", "IndexVersion"}
    ids = stored(app)
    assert 3 in ids
    assert set(ids) <= {3, *range(100, 106)}


def test_an_undo_that_fails_is_no_commit(
    app: Application, commits: Commits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that wait must not take their changes for committed."""
    upsert(app, 0)
    commits.fails = True
    real = Served.rewind

    def late(self: Served, mark: int) -> None:
        real(self, mark)
        raise MemoryError

    monkeypatch.setattr(Served, "rewind", late)
    found = together(*(lambda first=w: failed(app, first) for w in range(1, 7)))
    assert set(found) <= {MemoryError, errors.OutcomeUnknownError}
    monkeypatch.setattr(Served, "rewind", real)
    commits.fails = False
    assert upsert(app, 9).sequence == 2


def failed(app: Application, first: int) -> Any:
    try:
        return upsert(app, first)
    except (MemoryError, errors.GleannError) as error:
        return type(error)


def test_a_read_shows_no_commit_before_the_state_in_memory_does(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed, shown = threading.Event(), threading.Event()
    publish = Served.publish

    def late(served: Served) -> None:
        committed.set()
        time.sleep(0.2)
        publish(served)
        shown.set()

    monkeypatch.setattr(Served, "publish", late)
    rows = np.zeros((3, DIM), np.float32)
    writer = threading.Thread(target=lambda: app.upsert("a", np.arange(3), rows))
    writer.start()
    assert committed.wait(60)
    # What tells of the change, such as a request that is answered already.
    app.store.rows("SELECT * FROM indexes")
    assert shown.is_set()
    assert len(app.registry.view("a").live_rows()) == 3
    writer.join()
