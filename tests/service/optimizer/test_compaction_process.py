"""The process of a compaction: stopped, killed, resumed, without room, and alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compaction_world import (
    BASE,
    DIM,
    SEALED,
    World,
    assert_holds,
    inputs_of,
    rows_of,
    until,
)

from gleann.service.optimizer import process
from gleann.service.optimizer.worker import NICENESS, Inputs
from gleann.service.state import disk_room
from gleann.v1 import index_pb2


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
    world.app.close(seconds=240)
    assert time.monotonic() - begun < 60
    hanging()
    world.opened()
    assert not world.ended(name).HasField("error")
    assert world.view().version == 2
    assert_holds(world.view(), BASE | dict.fromkeys(range(SEALED, SEALED + 60), 0))


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
    assert time.monotonic() - begun < 60
    assert not built.HasField("error")
    # What is left to do is nothing, and it says so.
    assert not world.ended(name).HasField("error")
    assert world.view().version == 2
    assert world.view().sealed.index.params.nlist == 8


def test_indexes_are_compacted_one_after_the_other(
    world: World, hanging: Callable[[], None]
) -> None:
    world.app.create_index("j", dim=DIM, metric="l2")
    for index in ("i", "j"):
        ids = np.arange(SEALED, SEALED + 60)
        world.app.upsert(index, ids, rows_of(ids))
    first = world.app.optimizer.look()
    assert first in ("i", "j")
    until(lambda: bool(inputs_of(world)))
    assert world.app.optimizer.look() is None
    name = world.app.jobs.under_way("optimize")
    assert name is not None
    hanging()
    world.app.jobs.cancel(name)
    world.ended(name)
    second = world.looked()
    assert second is not None
    assert not world.ended(second).HasField("error")
    compacted = {"i": "j", "j": "i"}[first]
    assert not world.app.registry.view(compacted).has_changes
    assert world.app.registry.view(first).has_changes


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
    assert started[0].wait(timeout=60) == -signal.SIGKILL
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
    assert child.wait(timeout=60) == 1
    child.stdout.close()


def test_inputs_left_by_a_crash_are_removed(world: World) -> None:
    left = world.config.data_dir / "indexes/1/versions/.new-abc-inputs"
    left.mkdir()
    Inputs(left).write_keep(np.ones(3, bool))
    world.app.close()
    world.opened()
    assert not left.exists()
