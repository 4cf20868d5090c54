"""Pausing and resuming long work: queued, running, shared, in the background."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from held import Held

import gleann
from gleann.index import errors
from gleann.service.application import Application
from gleann.service.jobs.schedule import Schedule
from gleann.service.jobs.sealed_import import SealedImport
from gleann.service.optimizer import writing
from gleann.v1 import coreset_pb2, index_pb2, vector_pb2

ROWS = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
Opens = Callable[[], Application]


def filled(application: Application, name: str = "a", rows: int = 50) -> None:
    application.create_index(name, dim=8, metric="l2")
    application.upsert(name, np.arange(rows), ROWS[:rows])


def build_of(name: str, *, seed: int = 0) -> index_pb2.BuildIndexRequest:
    params = index_pb2.BuildParams(nlist=4, tune_queries=0, seed=seed)
    return index_pb2.BuildIndexRequest(name=name, params=params)


def import_of(path: Path, rows: np.ndarray) -> vector_pb2.ImportVectorsRequest:
    np.save(path, rows)
    request = vector_pb2.ImportVectorsRequest(index="a")
    request.npy.path = str(path)
    return request


def state_of(application: Application, name: str) -> str:
    metadata = index_pb2.OperationMetadata()
    application.jobs.get(name).metadata.Unpack(metadata)
    return index_pb2.JobState.Name(metadata.state).removeprefix("JOB_STATE_").lower()


def until(met: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it was not met in time"
        time.sleep(0.01)


def has_stopped(application: Application, name: str) -> bool:
    """Whether no run of an operation is left in memory."""
    return application.jobs.under_way("build") != name


def test_running_work_stops_and_begins_again(
    open_directory: Opens, held_builds: Held
) -> None:
    application = open_directory()
    filled(application)
    name = application.build(build_of("a")).name
    assert held_builds.begun.wait(60)
    application.jobs.pause(name)
    assert state_of(application, name) == "paused"
    until(lambda: application.jobs.is_settled("a"))
    assert not application.jobs.wait(name, seconds=0.2).done
    assert held_builds.runs == 1
    held_builds.go.set()
    application.jobs.resume(name)
    assert application.jobs.wait(name, seconds=60).WhichOneof("result") == "response"
    assert held_builds.runs == 2
    lines = " ".join(application.jobs.log(name, after=0)[0])
    assert lines.index("paused on request") < lines.index("resumed on request")


def test_queued_work_is_set_aside_and_others_go_on(
    open_directory: Opens, held_builds: Held
) -> None:
    """A build that is paused holds back neither builds nor selections of its index."""
    application = open_directory()
    filled(application)
    first = application.build(build_of("a")).name
    assert held_builds.begun.wait(60)
    second = application.build(build_of("a", seed=1)).name
    third = application.build(build_of("a", seed=2)).name
    chosen = coreset_pb2.CreateSelectionJobRequest(index="a", k=3)
    chosen.random.seed = 1
    selection = application.select(chosen).name
    application.jobs.pause(second)
    application.jobs.pause(second)  # nothing more happens
    held_builds.go.set()
    for name in (first, third, selection):
        assert application.jobs.wait(name, seconds=60).done
    assert state_of(application, second) == "paused"
    application.jobs.resume(second)
    application.jobs.resume(second)
    assert application.jobs.wait(second, seconds=60).WhichOneof("result") == "response"
    with pytest.raises(errors.NotReadyError, match="has ended"):
        application.jobs.pause(second)
    with pytest.raises(errors.NotReadyError, match="has ended"):
        application.jobs.resume(second)
    for control in (application.jobs.pause, application.jobs.resume):
        with pytest.raises(errors.UnknownJobError, match="operations/none"):
            control("operations/none")


def test_one_of_equal_requests_is_paused_alone(
    open_directory: Opens, held_builds: Held
) -> None:
    application = open_directory()
    filled(application)
    filled(application, "b")
    filled(application, "c")
    blocking = [application.build(build_of(name)).name for name in ("b", "c")]
    until(lambda: held_builds.runs == 2)
    names = [application.build(build_of("a")).name for _ in range(3)]
    for name in blocking:
        application.jobs.cancel(name)
    until(lambda: held_builds.runs == 3)
    application.jobs.pause(names[0])
    held_builds.go.set()
    for name in names[1:]:
        assert application.jobs.wait(name, seconds=60).HasField("response")
    assert state_of(application, names[0]) == "paused"
    application.jobs.resume(names[0])
    assert application.jobs.wait(names[0], seconds=60).HasField("response")


def test_a_pause_outlives_the_process(open_directory: Opens, held_builds: Held) -> None:
    """Of queued and of running work, also when the server stops before it stops."""
    application = open_directory()
    filled(application)
    running = application.build(build_of("a")).name
    assert held_builds.begun.wait(60)
    queued = application.build(build_of("a", seed=1)).name
    application.jobs.pause(queued)
    application.jobs.pause(running)
    application = open_directory()
    held_builds.go.set()
    for name in (running, queued):
        assert state_of(application, name) == "paused"
        assert not application.jobs.wait(name, seconds=0.1).done
    with pytest.raises(errors.NotReadyError, match="open operations"):
        application.registry.delete("a")
    for name in (running, queued):
        application.jobs.resume(name)
        assert application.jobs.wait(name, seconds=60).HasField("response")


def test_resumed_before_it_stopped_it_goes_on(
    open_directory: Opens, held_builds: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = open_directory()
    filled(application)
    name = application.build(build_of("a")).name
    assert held_builds.begun.wait(60)
    for _ in range(20):
        application.jobs.pause(name)
        application.jobs.resume(name)
    assert state_of(application, name) in ("running", "queued")
    held_builds.go.set()
    assert application.jobs.wait(name, seconds=60).HasField("response")
    assert application.get_index("a").version == 1


@pytest.mark.parametrize("shared", [False, True])
def test_a_pause_that_comes_too_late_leaves_nothing(
    open_directory: Opens,
    held_builds: Held,
    monkeypatch: pytest.MonkeyPatch,
    shared: bool,
) -> None:
    """Work that ends between the change on disk and the word to stop has ended.

    Otherwise it would be taken for paused, and its index would not be compacted.
    """
    application = open_directory()
    for index in "abc":
        filled(application, index)
    if shared:
        blocking = [application.build(build_of(index)).name for index in "bc"]
        until(lambda: held_builds.runs == 2)
        names = [application.build(build_of("a")).name for _ in range(2)]
        for one in blocking:
            application.jobs.cancel(one)
        until(lambda: held_builds.runs == 3)
    else:
        names = [application.build(build_of("a")).name]
        assert held_builds.begun.wait(60)
    word = "set_aside" if shared else "pause_run"
    real = getattr(Schedule, word)

    def late(schedule: Schedule, *arguments: Any, **named: Any) -> None:
        held_builds.go.set()
        until(lambda: application.jobs.under_way("build", index="a") is None)
        real(schedule, *arguments, **named)

    monkeypatch.setattr(Schedule, word, late)
    assert application.jobs.pause(names[-1]).done
    assert state_of(application, names[-1]) == "done"
    assert application.jobs.paused("build", index="a") is None
    assert application.jobs.is_settled("a")


def test_paused_work_is_cancelled_at_once(
    open_directory: Opens, held_builds: Held
) -> None:
    application = open_directory()
    filled(application)
    name = application.build(build_of("a")).name
    assert held_builds.begun.wait(60)
    application.jobs.pause(name)
    until(lambda: application.jobs.is_settled("a"))
    application.jobs.cancel(name)
    assert application.jobs.get(name).done
    assert state_of(application, name) == "cancelled"
    application.registry.delete("a")


def test_running_work_is_paused_and_cancelled(
    open_directory: Opens, held_builds: Held
) -> None:
    application = open_directory()
    filled(application)
    name = application.build(build_of("a")).name
    assert held_builds.begun.wait(60)
    application.jobs.pause(name)
    application.jobs.cancel(name)
    assert application.jobs.wait(name, seconds=60).done
    assert state_of(application, name) == "cancelled"
    assert held_builds.runs == 1


@pytest.fixture
def held_import(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Imports that are sealed at once wait until `go` is set."""
    holding, real = Held(), SealedImport.write

    def write(importing: SealedImport, *arguments: Any) -> None:
        holding.hold(importing.report)
        real(importing, *arguments)

    monkeypatch.setattr(SealedImport, "write", write)
    yield holding
    holding.go.set()


@pytest.mark.parametrize("restarts", [0, 1])
def test_a_started_import_holds_back_what_changes_its_index(
    open_directory: Opens, held_import: Held, tmp_path: Path, restarts: int
) -> None:
    """Its rows are as old as its start: later changes stand, and are not sealed."""
    application = open_directory()
    application.create_index("a", dim=8, metric="l2")
    filled(application, "other")
    name = application.import_vectors(import_of(tmp_path / "v.npy", ROWS)).name
    assert held_import.begun.wait(60)
    application.jobs.pause(name)
    application.upsert("a", np.arange(5), ROWS[:5] + 7)
    for _ in range(restarts):
        application = open_directory()
    build = application.build(build_of("a")).name
    chosen = coreset_pb2.CreateSelectionJobRequest(index="a", k=2)
    chosen.random.seed = 1
    # What only reads goes on, and so do other indexes.
    assert application.jobs.wait(application.select(chosen).name, seconds=60).done
    more = import_of(tmp_path / "w.npy", ROWS[:3] + 9)
    later = application.import_vectors(more).name
    assert application.jobs.wait(
        application.build(build_of("other")).name, seconds=60
    ).done
    assert not application.jobs.wait(build, seconds=0.3).done
    assert not application.jobs.get(later).done
    held_import.go.set()
    application.jobs.resume(name)
    for one in (name, build, later):
        operation = application.jobs.wait(one, seconds=60)
        assert operation.HasField("response"), operation.error
    view = application.registry.view("a")
    assert view.count == len(ROWS)
    stored = view.vectors_at(view.require(np.arange(6)))
    np.testing.assert_array_equal(stored[:3], ROWS[:3] + 9)
    np.testing.assert_array_equal(stored[3:5], ROWS[3:5] + 7)
    np.testing.assert_array_equal(stored[5], ROWS[5])


def test_a_started_import_that_is_paused_in_the_queue_holds_back_too(
    open_directory: Opens, held_import: Held, held_builds: Held, tmp_path: Path
) -> None:
    """Resumed, it waits for a worker, and is paused again before it has one."""
    application = open_directory()
    application.create_index("a", dim=8, metric="l2")
    for other in ("b", "c"):
        filled(application, other)
    name = application.import_vectors(import_of(tmp_path / "v.npy", ROWS)).name
    assert held_import.begun.wait(60)
    application.jobs.pause(name)
    until(lambda: application.jobs.under_way("import") is None)
    others = [application.build(build_of(other)).name for other in ("b", "c")]
    until(lambda: held_builds.runs == 2)
    application.jobs.resume(name)
    application.jobs.pause(name)
    application.upsert("a", np.arange(9), ROWS[:9] + 7)
    build = application.build(build_of("a")).name
    held_import.go.set()
    held_builds.go.set()
    for other in others:
        assert application.jobs.wait(other, seconds=60).done
    assert not application.jobs.wait(build, seconds=0.3).done
    application.jobs.resume(name)
    for one in (name, build):
        operation = application.jobs.wait(one, seconds=60)
        assert operation.HasField("response"), operation.error
    view = application.registry.view("a")
    assert view.count == len(ROWS)
    stored = view.vectors_at(view.require(np.arange(9)))
    np.testing.assert_array_equal(stored, ROWS[:9] + 7)


def test_a_cancelled_import_holds_nothing_back(
    open_directory: Opens, held_import: Held, tmp_path: Path
) -> None:
    application = open_directory()
    application.create_index("a", dim=8, metric="l2")
    name = application.import_vectors(import_of(tmp_path / "v.npy", ROWS)).name
    assert held_import.begun.wait(60)
    application.jobs.pause(name)
    application.upsert("a", np.arange(9), ROWS[:9])
    build = application.build(build_of("a")).name
    application.jobs.cancel(name)
    assert application.jobs.wait(build, seconds=60).HasField("response")
    assert application.get_index("a").count == 9


def test_staged_rows_are_dropped_by_a_pause(
    open_directory: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small import is staged in the log; it reads its file again when resumed."""
    application = open_directory()
    filled(application, rows=1)
    holding, stage = Held(), application.registry.stage

    def staging(*arguments: Any, **named: Any) -> None:
        stage(*arguments, **named)
        holding.begun.set()
        holding.go.wait(60)

    monkeypatch.setattr(application.registry, "stage", staging)
    name = application.import_vectors(import_of(tmp_path / "v.npy", ROWS)).name
    assert holding.begun.wait(60)
    application.jobs.pause(name)
    staged = "SELECT number FROM changes WHERE sequence IS NULL"
    assert application.store.rows(staged)
    holding.go.set()
    until(lambda: not application.store.rows(staged))
    assert application.get_index("a").count == 1
    application.jobs.resume(name)
    assert application.jobs.wait(name, seconds=60).HasField("response")
    assert application.get_index("a").count == len(ROWS)


def test_a_paused_compaction_is_not_started_again(
    open_directory: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the background: it stops, the optimizer starts no other, and a build runs."""
    holding, real = Held(), writing.perform_apart

    def perform(inputs: Any, progress: Any, *, threads: int) -> None:
        holding.hold(progress)
        real(inputs, progress, threads=threads)

    monkeypatch.setattr(writing, "perform_apart", perform)
    application = open_directory()
    filled(application)
    tuned = gleann.OptimizerParams(
        enabled=True, min_rows=1, min_seconds=0, pending_share=0.01
    )
    application.update_index("a", optimizer=tuned)
    request = index_pb2.OptimizeIndexRequest(name="a")
    name = application.optimize(request).name
    assert holding.begun.wait(60)
    application.jobs.pause(name)
    until(lambda: application.jobs.under_way("optimize") is None)
    assert application.optimizer.look() is None
    assert application.get_index("a").optimizer.operation == name
    build = application.build(build_of("a")).name
    assert application.jobs.wait(build, seconds=60).HasField("response")
    holding.go.set()
    application.jobs.resume(name)
    assert application.jobs.wait(name, seconds=60).HasField("response")
