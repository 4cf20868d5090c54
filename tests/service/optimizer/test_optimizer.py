"""Compaction by itself: when it is due, beside changes, and whatever stops it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.longrunning import operations_pb2

from gleann.index.errors import (
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
    RecallWarning,
    StorageError,
    UnknownIndexError,
)
from gleann.index.exact import exact_search
from gleann.index.params import SearchParams
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.optimizer import compaction, optimizer, process, writing
from gleann.service.optimizer.history import History
from gleann.service.optimizer.measuring import Measuring
from gleann.service.optimizer.optimizer import Optimizer
from gleann.service.optimizer.worker import NICENESS, Inputs
from gleann.service.optimizer_params import OptimizerParams, OptimizerState
from gleann.service.state import disk_room
from gleann.service.views.live_index import View
from gleann.service.wire.optimizer_messages import compaction_kind_to_wire
from gleann.v1 import index_pb2, vector_pb2

DIM, SEALED = 8, 400
PARAMS = OptimizerParams(min_rows=10, pending_share=0.1, removed_share=0.2)
OPEN = Optimizer.open
HANGS = "import sys, time; sys.stdin; time.sleep(60)"


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class World:
    """An application whose optimizer looks only when the test says so."""

    def __init__(self, directory: Path, **params: Any) -> None:
        self.clock = Clock()
        self.config = Config(data_dir=directory, optimizer=PARAMS.filled(PARAMS))
        self.app = self.opened()

    def opened(self) -> Application:
        self.app = Application(self.config, clock=self.clock)
        self.app.optimizer.close()
        return self.app

    def view(self) -> View:
        return self.app.registry.view("i")

    def state(self) -> OptimizerState:
        return self.app.optimizer.state(self.view())

    def upsert(self, ids: np.ndarray, seed: int = 0) -> None:
        self.app.upsert("i", ids, rows_of(ids, seed))

    def build(self) -> None:
        request = index_pb2.BuildIndexRequest(name="i")
        request.params.nlist, request.params.tune_queries = 8, 0
        assert not self.ended(self.app.build(request).name).HasField("error")
        # The clock of the database is the real one.
        self.clock.now = time.time() + 1000

    def ended(self, name: str) -> operations_pb2.Operation:
        operation = self.app.jobs.wait(name, seconds=60)
        assert operation.done
        return operation

    def looked(self) -> str | None:
        """Look once; the operation that this started, if any."""
        if self.app.optimizer.look() is None:
            return None
        name = self.app.jobs.under_way("optimize")
        if name is not None:
            return name
        (row,) = self.app.store.rows(
            "SELECT name FROM operations WHERE kind = 'optimize'"
            " ORDER BY number DESC LIMIT 1"
        )
        return str(row["name"])

    def asked(self, kind: Any = None) -> operations_pb2.Operation:
        request = index_pb2.OptimizeIndexRequest(
            name="i", kind=compaction_kind_to_wire(kind)
        )
        return self.app.optimize(request)


def rows_of(ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """What belongs to ids: every test can tell a row from what replaced it."""
    rows = [np.random.default_rng([int(i), seed]).normal(size=DIM) for i in ids]
    return np.array(rows, np.float32)


def assert_holds(view: View, expected: dict[int, int]) -> None:
    """The index holds these ids with rows of these seeds, and finds each of them."""
    held = view.ids_at(view.live_rows()).tolist()
    assert sorted(held) == sorted(expected)
    ids = np.array(sorted(expected))
    rows = np.concatenate([rows_of([i], expected[i]) for i in ids.tolist()])
    np.testing.assert_array_equal(view.vectors_at(view.require(ids)), rows)
    if view.sealed is not None and not view.has_changes:
        index = view.sealed.index
        every = SearchParams(k=3, nprobe=index.nlist, rerank=len(ids))
        found = index.search(rows, every)
        nearest, _ = exact_search(rows, rows, metric="l2", k=3)
        np.testing.assert_array_equal(found.ids, ids[nearest])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An index "i" of 400 rows that is built, and an hour in which nothing happened."""
    world = World(tmp_path / "data")
    world.app.create_index("i", dim=DIM, metric="l2")
    world.upsert(np.arange(SEALED))
    world.build()
    yield world
    world.app.close(seconds=10)


BASE = dict.fromkeys(range(SEALED), 0)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Compactions that never end; call it to let later ones end."""
    real = process.CODE
    monkeypatch.setattr(process, "CODE", HANGS)
    return lambda: monkeypatch.setattr(process, "CODE", real)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_newer_rows_are_folded_in_when_they_are_due(world: World) -> None:
    world.upsert(np.arange(SEALED, SEALED + 40))
    assert world.looked() is None  # 9 %
    world.upsert(np.arange(SEALED + 40, SEALED + 60), seed=1)
    assert world.state().pending_share == pytest.approx(60 / 460)
    name = world.looked()
    assert name is not None
    operation = world.ended(name)
    assert not operation.HasField("error")
    expected = BASE | dict.fromkeys(range(SEALED, SEALED + 40), 0)
    expected |= dict.fromkeys(range(SEALED + 40, SEALED + 60), 1)
    view, state = world.view(), world.state()
    assert (view.version, view.has_changes) == (2, False)
    assert_holds(view, expected)
    assert (state.last_kind, state.last_error, state.operation) == ("fold", None, None)
    assert state.drift == pytest.approx(1, abs=0.5)
    training = view.sealed.index.header.training
    assert (training.rows, training.kept) == (SEALED, SEALED)
    assert world.looked() is None


@pytest.mark.parametrize("how", ["policy", "optimize"])
def test_rows_far_from_all_centroids_are_not_folded_in(world: World, how: str) -> None:
    ids = np.arange(SEALED, SEALED + 100)
    world.app.upsert("i", ids, rows_of(ids) * 3 + 20)
    name = world.looked() if how == "policy" else world.asked().name
    assert name is not None
    assert not world.ended(name).HasField("error")
    index = world.view().sealed.index
    assert (world.state().last_kind, world.state().drift) == ("rebuild", None)
    assert index.header.training.rows == SEALED + 100


def test_no_recall_is_promised_while_the_lists_have_drifted(world: World) -> None:
    request = index_pb2.BuildIndexRequest(name="i")
    request.params.nlist = 8
    world.ended(world.app.build(request).name)
    queries, params = rows_of(np.arange(20), 5), SearchParams(k=10)
    before = world.view().sealed.index.search(queries, params).stats
    assert before.estimated_recall is not None
    ids = np.arange(SEALED, SEALED + 100)
    world.app.upsert("i", ids, rows_of(ids) * 3 + 20)
    expected = Measuring(world.app.store, History(world.app.store))
    measured = expected.after_fold(world.view(), expected.of(world.view()))
    world.ended(world.asked("fold").name)
    index = world.view().sealed.index
    assert index.header.training.drift > 1.5
    assert measured.drift_after == pytest.approx(index.header.training.drift, rel=1e-4)
    for one in (params, SearchParams(k=10, target_recall=0.8)):
        with pytest.warns(RecallWarning, match="does not hold any more"):
            assert index.search(queries, one).stats.estimated_recall is None
    assert index.search(queries, SearchParams(k=5, target_recall=1)).stats.exact
    # Though nothing is newer, and it has few rows.
    world.clock.now += 1000
    assert "times as far" in world.state().decision
    name = world.looked()
    assert name is not None
    world.ended(name)
    assert world.view().sealed.index.header.training.rows == SEALED + 100


def test_the_answer_says_of_no_compaction_that_it_is_under_way(world: World) -> None:
    world.upsert(np.arange(SEALED, SEALED + 60))
    operation = world.ended(world.asked("fold").name)
    described = index_pb2.Index()
    assert operation.response.Unpack(described)
    assert described.version.sealed == 2
    assert described.optimizer.last_kind == index_pb2.COMPACTION_KIND_FOLD
    assert not described.optimizer.operation


def test_it_looks_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.app.close(seconds=10)
    monkeypatch.setattr(Optimizer, "open", OPEN)
    monkeypatch.setattr(optimizer, "SECONDS_BETWEEN", 0.02)
    params = OptimizerParams(min_rows=10, pending_share=0.1, min_seconds=0)
    world.app = Application(Config(data_dir=world.config.data_dir, optimizer=params))
    world.upsert(np.arange(SEALED, SEALED + 60))
    until(lambda: world.view().version == 2)
    assert_holds(world.view(), BASE | dict.fromkeys(range(SEALED, SEALED + 60), 0))


def test_the_one_list_of_an_import_is_trained(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", rows_of(np.arange(SEALED)))
    world = World(tmp_path / "data")
    world.config = replace(world.config, import_roots=(tmp_path,))
    world.app.close(seconds=10)
    world.opened()
    world.app.create_index("i", dim=DIM, metric="l2")
    request = vector_pb2.ImportVectorsRequest(index="i")
    request.npy.path = str(tmp_path / "v.npy")
    world.ended(world.app.import_vectors(request).name)
    assert world.view().sealed.index.nlist == 1
    world.clock.now = time.time() + 1000
    assert "one list that an import wrote" in world.state().decision
    name = world.looked()
    assert name is not None
    assert not world.ended(name).HasField("error")
    assert (world.view().version, world.view().sealed.index.nlist) == (2, 6)
    assert_holds(world.view(), BASE)
    world.clock.now += 1000
    assert world.looked() is None
    world.app.close(seconds=10)


def test_new_parameters_are_considered_without_a_change(tmp_path: Path) -> None:
    """An index that was left alone is not forgotten when it is no longer."""
    world = World(tmp_path / "data")
    world.app.create_index("i", dim=DIM, metric="l2")
    world.upsert(np.arange(SEALED))
    world.build()
    every = OptimizerParams(min_rows=1000)
    world.app.update_index("i", optimizer=replace(every, enabled=False))
    world.upsert(np.arange(SEALED, 2 * SEALED))
    world.ended(world.asked("fold").name)
    world.clock.now += 1000
    assert world.looked() is None
    world.app.update_index("i", optimizer=replace(every, enabled=True))
    assert world.looked() is None
    world.app.update_index("i", optimizer=OptimizerParams(min_rows=10))
    name = world.looked()
    assert name is not None
    assert not world.ended(name).HasField("error")
    training = world.view().sealed.index.header.training
    assert training.rows == 2 * SEALED
    world.app.close(seconds=10)


def test_two_compactions_are_some_time_apart(world: World) -> None:
    for step in range(2):
        world.upsert(np.arange(SEALED + 60 * step, SEALED + 60 * step + 60))
        if step:
            assert world.looked() is None
            assert "fold in 10 s" in world.state().decision
            world.clock.now += 10
        name = world.looked()
        assert name is not None
        world.ended(name)
        # The version is published by the real clock; this one is ahead of it.
    assert world.view().version == 3


def test_removed_rows_are_left_out(world: World) -> None:
    world.app.delete_vectors("i", np.arange(0, 100))
    world.upsert(np.array([200]), seed=5)
    name = world.looked()
    assert name is not None
    world.ended(name)
    expected = {i: 0 for i in BASE if i >= 100} | {200: 5}
    assert_holds(world.view(), expected)
    assert world.view().sealed_rows == len(expected)


def test_changes_during_a_compaction_stand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = writing.perform_apart

    def changed_meanwhile(*arguments: Any, **options: Any) -> None:
        world.upsert(np.array([1, SEALED + 1, SEALED + 900]), seed=7)
        world.app.delete_vectors("i", np.array([2, SEALED + 2]))
        assert world.looked() is None  # never two for one index
        real(*arguments, **options)

    monkeypatch.setattr(writing, "perform_apart", changed_meanwhile)
    world.upsert(np.arange(SEALED, SEALED + 60))
    name = world.looked()
    assert name is not None
    world.ended(name)
    expected = BASE | dict.fromkeys(range(SEALED, SEALED + 60), 0)
    expected |= dict.fromkeys([1, SEALED + 1, SEALED + 900], 7)
    for gone in (2, SEALED + 2):
        del expected[gone]
    view = world.view()
    assert (view.version, view.sealed_rows) == (2, SEALED + 60)
    assert_holds(view, expected)
    world.app.close(seconds=10)
    world.opened()
    assert_holds(world.view(), expected)


def test_an_index_that_was_never_built_gets_lists(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="l2", optimizer=None)
    world.upsert(np.arange(39))
    world.clock.now = time.time() + 100
    assert world.looked() is None
    world.upsert(np.arange(39, 200))
    name = world.looked()
    assert name is not None
    world.ended(name)
    assert_holds(world.view(), dict.fromkeys(range(200), 0))
    assert world.state().last_kind == "rebuild"
    world.app.close()


def test_lists_are_trained_anew_when_rows_have_doubled(world: World) -> None:
    world.upsert(np.arange(SEALED, 2 * SEALED))
    name = world.looked()
    assert name is not None
    world.ended(name)
    training = world.view().sealed.index.header.training
    assert (training.rows, training.kept) == (2 * SEALED, 2 * SEALED)
    assert_holds(world.view(), dict.fromkeys(range(2 * SEALED), 0))


def test_an_index_may_be_tuned_or_left_out(world: World) -> None:
    world.upsert(np.arange(SEALED, SEALED + 60))
    off = OptimizerParams(enabled=False)
    world.app.update_index("i", optimizer=off)
    assert world.looked() is None
    assert "turned off" in world.state().decision
    tuned = OptimizerParams(enabled=True, pending_share=0.5)
    world.app.update_index("i", optimizer=tuned)
    assert world.looked() is None
    assert world.state().params.pending_share == 0.5
    assert world.state().params.min_rows == 10


def test_a_compaction_may_be_asked_for(world: World) -> None:
    world.upsert(np.arange(SEALED, SEALED + 3))
    assert world.looked() is None
    world.ended(world.asked().name)
    view = world.view()
    assert (view.version, view.sealed_rows) == (2, SEALED + 3)
    assert world.asked().done  # there is nothing to do
    world.ended(world.asked("rebuild").name)
    training = world.view().sealed.index.header.training
    assert (world.view().version, training.rows) == (3, SEALED + 3)
    assert world.state().last_kind == "rebuild"
    with pytest.raises(UnknownIndexError):
        world.app.optimize(index_pb2.OptimizeIndexRequest(name="nothing"))
    with pytest.raises(InvalidParamsError, match="kind is 9"):
        world.app.optimize(index_pb2.OptimizeIndexRequest(name="i", kind=9))
    world.app.create_index("empty", dim=2, metric="l2")
    with pytest.raises(NotReadyError, match="empty"):
        world.app.optimize(index_pb2.OptimizeIndexRequest(name="empty"))


def test_a_compaction_that_fails_is_tried_again_later_and_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise StorageError("no space left")

    world.upsert(np.arange(SEALED, SEALED + 60))
    with monkeypatch.context() as patch:
        patch.setattr(writing, "perform_apart", refuse)
        for wait in (1, 10, 20, 40):
            world.clock.now += wait - 1
            assert wait == 1 or world.looked() is None
            world.clock.now += 1
            name = world.looked()
            assert name is not None
            world.ended(name)
            assert world.state().last_error == "no space left"
    assert_holds(world.view(), BASE | dict.fromkeys(range(SEALED, SEALED + 60), 0))
    # A restart forgets neither the reason nor the count.
    world.app.close(seconds=10)
    world.opened()
    assert world.state().last_error == "no space left"
    assert world.looked() is None
    world.clock.now += 4000
    name = world.looked()
    assert name is not None
    world.ended(name)
    assert (world.state().last_error, world.view().version) == (None, 2)


@pytest.mark.usefixtures("hanging")
def test_a_compaction_is_cancelled_like_any_operation(world: World) -> None:
    name = world.asked("rebuild").name
    until(lambda: bool(inputs_of(world)))
    assert world.state().operation == name
    world.app.jobs.cancel(name)
    assert world.ended(name).error.code == 1
    assert world.state().last_error == "it was cancelled"
    assert not inputs_of(world)
    assert world.view().version == 1


def test_closing_stops_a_compaction_and_opening_resumes_it(
    world: World, hanging: Callable[[], None]
) -> None:
    world.upsert(np.arange(SEALED, SEALED + 60))
    name = world.looked()
    assert name is not None
    until(lambda: bool(inputs_of(world)))
    begun = time.monotonic()
    world.app.close(seconds=20)
    assert time.monotonic() - begun < 5
    hanging()
    world.opened()
    assert not world.ended(name).HasField("error")
    assert world.view().version == 2
    assert_holds(world.view(), BASE | dict.fromkeys(range(SEALED, SEALED + 60), 0))


def held_by_files(world: World, row: np.ndarray) -> bool:
    """Whether any file of the data directory has the bytes of a row."""
    files = [path for path in world.config.data_dir.rglob("*") if path.is_file()]
    return any(row.tobytes() in path.read_bytes() for path in files)


@pytest.mark.parametrize("how", ["policy", "optimize", "build"])
def test_an_index_whose_rows_were_all_deleted_gives_its_files_back(
    world: World, how: str
) -> None:
    row = rows_of(np.arange(1))[0]
    assert held_by_files(world, row)
    world.app.delete_vectors("i", np.arange(SEALED))
    assert "all of its 400 vectors were removed" in world.state().decision
    if how == "build":
        name = world.app.build(index_pb2.BuildIndexRequest(name="i")).name
    else:
        name = world.looked() if how == "policy" else world.asked().name
    assert name is not None
    assert not world.ended(name).HasField("error")
    for _ in range(2):
        view, info = world.view(), world.app.registry.info(world.view())
        assert (view.version, view.sealed, view.count) == (2, None, 0)
        assert (view.sequence, info.id_type, info.nlist) == (2, "int64", None)
        assert not view.has_changes
        assert world.state().decision == "It is empty."
        assert world.looked() is None
        assert world.app.optimize(index_pb2.OptimizeIndexRequest(name="i")).done
        world.app.close(seconds=10)
        world.opened()
    assert [p.name for p in (world.config.data_dir).glob("indexes/1/versions/*")] == [
        "2"
    ]
    with pytest.raises(InvalidInputError, match="int64 ids"):
        world.app.upsert("i", np.array(["a"]), rows_of(np.arange(1)))
    world.upsert(np.arange(60), seed=3)
    assert_holds(world.view(), dict.fromkeys(range(60), 3))
    world.ended(world.asked().name)
    assert world.view().version == 3
    assert_holds(world.view(), dict.fromkeys(range(60), 3))


def test_changes_during_the_compaction_of_an_emptied_index_stand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compaction.publish_empty

    def late(path: Path) -> None:
        world.upsert(np.arange(5), seed=9)
        real(path)

    monkeypatch.setattr(compaction, "publish_empty", late)
    world.app.delete_vectors("i", np.arange(SEALED))
    assert not world.ended(world.asked().name).HasField("error")
    assert (world.view().version, world.view().sealed) == (2, None)
    assert_holds(world.view(), dict.fromkeys(range(5), 9))
    world.app.close(seconds=10)
    world.opened()
    assert_holds(world.view(), dict.fromkeys(range(5), 9))


def test_the_log_of_an_emptied_index_that_was_not_built_is_dropped(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="l2")
    world.upsert(np.arange(5))
    world.app.delete_vectors("i", np.arange(5))
    world.clock.now = time.time() + 1000
    name = world.looked()
    assert name is not None
    assert not world.ended(name).HasField("error")
    assert not world.app.store.rows("SELECT 1 FROM changes")
    assert (world.view().version, world.view().has_changes) == (1, False)
    world.app.close(seconds=10)


def test_a_compaction_gives_way_to_a_build(
    world: World, hanging: Callable[[], None]
) -> None:
    world.upsert(np.arange(SEALED, SEALED + 60))
    name = world.looked()
    assert name is not None
    until(lambda: bool(inputs_of(world)))
    hanging()
    request = index_pb2.BuildIndexRequest(name="i")
    request.params.nlist, request.params.tune_queries = 8, 0
    begun = time.monotonic()
    built = world.ended(world.app.build(request).name)
    assert time.monotonic() - begun < 20
    assert not built.HasField("error")
    # What is left to do is nothing, and it says so.
    assert not world.ended(name).HasField("error")
    assert world.view().version == 2
    assert world.view().sealed.index.params.nlist == 8


@pytest.mark.usefixtures("hanging")
def test_an_index_can_be_deleted_while_it_is_compacted(world: World) -> None:
    name = world.asked("rebuild").name
    until(lambda: bool(inputs_of(world)))
    world.app.registry.delete("i")
    assert "no index" in world.ended(name).error.message
    assert world.app.optimizer.look() is None


@pytest.mark.usefixtures("hanging")
def test_a_process_that_is_killed_costs_nothing_but_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = process.Popen

    def remembered(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(process, "Popen", remembered)
    name = world.asked("rebuild").name
    until(lambda: bool(started))
    os.kill(started[0].pid, signal.SIGKILL)
    assert "not enough memory" in world.ended(name).error.message
    assert_holds(world.view(), BASE)


@pytest.mark.parametrize("stop", process.STOPS)
def test_what_stops_a_server_does_not_end_the_process(
    world: World, monkeypatch: pytest.MonkeyPatch, stop: signal.Signals
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real, mask = process.Popen, signal.pthread_sigmask(signal.SIG_BLOCK, [])

    def signalled(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        child = real(*arguments, **options)
        # At once: the interpreter has hardly begun.
        child.send_signal(stop)
        started.append(child)
        return child

    monkeypatch.setattr(process, "Popen", signalled)
    world.upsert(np.arange(SEALED, SEALED + 60))
    assert not world.ended(world.asked("rebuild").name).HasField("error")
    assert len(started) == 1
    assert (world.view().version, world.state().last_error) == (2, None)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask


def test_a_compaction_is_resumed_where_the_server_stopped(
    world: World, hanging: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = process.Popen

    def remembered(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(process, "Popen", remembered)
    world.upsert(np.arange(SEALED, SEALED + 60))
    name = world.asked("rebuild").name
    until(lambda: bool(started))
    # Another group than that of the server, which a Ctrl-C goes to.
    assert os.getpgid(started[0].pid) == started[0].pid
    world.app.close(seconds=20)
    assert started[0].wait(timeout=20) == -signal.SIGKILL
    hanging()
    world.opened()
    assert not world.ended(name).HasField("error")
    assert (world.view().version, world.state().last_error) == (2, None)


def test_a_compaction_needs_room_on_the_disk(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(world.config.data_dir)._replace(free=20_000)
    monkeypatch.setattr(disk_room.shutil, "disk_usage", lambda _: usage)
    error = world.ended(world.asked("rebuild").name).error
    assert "takes about 41600 bytes" in error.message
    assert "20000 are free" in error.message
    assert not list(world.config.data_dir.glob("indexes/1/versions/.new-*"))


def test_without_processes_a_compaction_runs_in_this_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(process, "Popen", refuse)
    world.upsert(np.arange(SEALED, SEALED + 60))
    assert not world.ended(world.asked().name).HasField("error")
    assert world.view().version == 2


def test_the_process_has_a_low_priority_and_ends_with_its_parent() -> None:
    code = process.CODE.replace(
        "main(sys.argv[1])",
        "import gleann.service.optimizer.worker as w, os, time;"
        " w.perform = lambda *_: (print(os.nice(0), flush=True), time.sleep(60));"
        " main(sys.argv[1])",
    )
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", code, "."],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=process.environment(1),
    )
    assert child.stdout is not None
    # Beside that of the tests, which may have been started with one.
    lower = min(os.nice(0) + NICENESS, 19)
    assert child.stdout.readline() == b"%d\n" % lower
    for stop in process.STOPS:
        child.send_signal(stop)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=0.3)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(timeout=20) == 1
    child.stdout.close()


@pytest.mark.slow
def test_a_name_of_strings(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="cosine")
    ids = np.array([f"row ü {i}" for i in range(60)])
    rows = rows_of(np.arange(60))
    world.app.upsert("i", ids[:50], rows[:50])
    world.build()
    world.app.delete_vectors("i", ids[:5])
    world.app.upsert("i", ids[50:], rows[50:])
    world.ended(world.asked("fold").name)
    index = world.view().sealed.index
    np.testing.assert_array_equal(index.ids, ids[5:])
    world.ended(world.asked("rebuild").name)
    np.testing.assert_array_equal(world.view().sealed.index.ids, ids[5:])
    world.app.close()


SCHEMA = Schema([Column("split", "string"), Column("n", "int64")])


def values_of(ids: np.ndarray, split: str) -> Payload:
    return Payload.of({"split": [split] * len(ids), "n": ids.tolist()}, SCHEMA)


def payload_in(view: View) -> dict[int, tuple[str, int]]:
    """The payload of each id."""
    rows = view.live_rows()
    held = view.payload_at(rows).to_arrow().to_pylist()
    ids = view.ids_at(rows).tolist()
    return {i: (one["split"], one["n"]) for i, one in zip(ids, held, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fold", "rebuild"])
def test_payload_goes_along(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="l2", schema=SCHEMA)
    ids = np.arange(100)
    world.app.upsert("i", ids, rows_of(ids), values_of(ids, "old"))
    world.build()
    expected = {i: ("old", i) for i in range(100)}

    def upsert(some: np.ndarray, split: str) -> None:
        world.app.upsert("i", some, rows_of(some), values_of(some, split))
        expected.update({i: (split, i) for i in some.tolist()})

    upsert(np.arange(95, 120), "new")
    world.app.delete_vectors("i", np.arange(1))
    del expected[0]
    world.ended(world.asked(kind).name)
    assert not world.view().has_changes
    assert payload_in(world.view()) == expected
    # Patches of sealed and of newer rows.
    upsert(np.arange(120, 130), "new")
    patched = np.array([7, 125])
    split = Schema([SCHEMA.columns[0]])
    values = Payload.of({"split": ["p", "p"]}, split)
    world.app.update_payload("i", patched, values)
    expected.update({i: ("p", i) for i in patched.tolist()})
    world.ended(world.asked(kind).name)
    assert not world.view().has_changes
    assert payload_in(world.view()) == expected
    world.app.close()


@pytest.mark.parametrize("kind", ["fold", "rebuild"])
def test_all_columns_were_dropped(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path)
    world.app.create_index("i", dim=DIM, metric="l2", schema=SCHEMA)
    ids = np.arange(100)
    world.app.upsert("i", ids, rows_of(ids), values_of(ids, "old"))
    world.build()
    world.app.update_index("i", drop_columns=SCHEMA.names)
    world.upsert(np.arange(100, 105))
    assert not world.ended(world.asked(kind).name).HasField("error")
    view = world.view()
    assert (view.version, view.count, view.has_changes) == (2, 105, False)
    assert view.sealed.index.payload is None
    world.app.close()


def inputs_of(world: World) -> list[Path]:
    """The folders of inputs of compactions under way."""
    return list(
        world.config.data_dir.glob("indexes/*/versions/.new-*-inputs/spec.json")
    )


def test_inputs_left_by_a_crash_are_removed(world: World) -> None:
    left = world.config.data_dir / "indexes/1/versions/.new-abc-inputs"
    left.mkdir()
    Inputs(left).write_keep(np.ones(3, bool))
    world.app.close()
    world.opened()
    assert not left.exists()
