"""Tasks on a Ray: in order, again where a worker is lost, with their own errors."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gleann.index.errors import (
    EngineUnavailableError,
    InvalidParamsError,
    MissingFileError,
    UnavailableError,
)
from gleann.index.shards.build.folder import PROBE, require_free
from gleann.index.shards.rows import FileRows
from gleann.index.storage.manifest import read_manifest
from tests.support import ray_workers

AHEAD = 2
"""Tasks a worker that are given out before the results of earlier ones are taken."""

if TYPE_CHECKING:
    from gleann.service.cluster.session import Cluster


def by_value(cluster: "Cluster") -> None:
    """Let functions of this file travel whole: workers do not see the tests."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def travelling(cluster: "Cluster") -> "Cluster":
    by_value(cluster)
    return cluster


def test_results_come_in_the_order_of_the_tasks(travelling: "Cluster") -> None:
    import time

    def slow_first(number: int) -> int:
        time.sleep(0.3 if number == 0 else 0)
        return number * number

    assert list(travelling.run(slow_first, range(9))) == [n * n for n in range(9)]
    assert list(travelling.run(slow_first, [])) == []


def test_tasks_are_taken_as_there_are_workers(travelling: "Cluster") -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    found = travelling.run(abs, tasks())
    next(found)
    assert len(taken) <= 2 * travelling.workers
    assert list(found) == list(range(1, 40))


def test_arrays_in_the_function_travel_once(travelling: "Cluster") -> None:
    def total(rows: np.ndarray, number: int) -> float:
        assert not rows.flags.writeable
        return float(rows[number].sum())

    rows = np.arange(300_000.0).reshape(3, -1)
    found = list(travelling.run(partial(total, rows), range(3)))
    assert found == rows.sum(axis=1).tolist()


def test_errors_of_a_task_are_its_own(cluster: "Cluster") -> None:
    with pytest.raises(MissingFileError, match="no index at /nowhere") as caught:
        list(cluster.run(read_manifest, [Path("/nowhere")]))
    assert type(caught.value) is MissingFileError
    with pytest.raises(TypeError, match="bad operand type"):
        list(cluster.run(abs, ["text"]))


def test_the_task_that_failed_is_not_stopped_but_those_that_run(
    travelling: "Cluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray may end the driver that cancels a task whose answer has just come."""
    import time

    def fail_first(number: int) -> None:
        if number == 0:
            raise ValueError("the first")
        while True:
            time.sleep(0.05)

    cancel, wait, stopped = travelling.ray.cancel, travelling.ray.wait, []

    def stop(one: object, **how: object) -> None:
        assert wait([one], timeout=0) == ([], [one])
        stopped.append(one)
        cancel(one, **how)

    monkeypatch.setattr(travelling.ray, "cancel", stop)
    with pytest.raises(ValueError, match="the first"):
        list(travelling.run(fail_first, range(9)))
    # Ray may run one again whose worker has ended, which is then stopped once more.
    assert len(set(stopped)) == AHEAD * travelling.workers - 1
    assert list(travelling.run(abs, [-2])) == [2]


def test_tasks_that_are_stopped_leave_their_cpus(travelling: "Cluster") -> None:
    import time

    def fail_first(number: int) -> None:
        if number == 0:
            raise ValueError("the first")
        while True:
            time.sleep(0.05)

    def free() -> float:
        return float(travelling.ray.available_resources().get("CPU", 0))

    for _ in range(8):
        with pytest.raises(ValueError, match="the first"):
            list(travelling.run(fail_first, range(9)))
        assert ray_workers.wait_for(lambda: free() == travelling.workers, seconds=60)


FAILING = """
from pathlib import Path
from gleann.index.errors import MissingFileError
from gleann.index.storage.manifest import read_manifest
from gleann.service.cluster.pinned import pinned
from gleann.service.cluster.session import joined

def failing(run):
    try:
        list(run(read_manifest, [Path("/nowhere")] * 4))
    except MissingFileError:
        print(list(run(abs, [1, -2])))

with joined(workers=1) as cluster:
    failing(cluster.run)
    with pinned(cluster) as runner:
        failing(runner)
"""


def test_errors_of_other_tasks_are_not_written_beside_the_first() -> None:
    pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")
    done = subprocess.run(
        [sys.executable, "-c", FAILING], capture_output=True, text=True, check=True
    )
    # Ray may say there that it ended a task which was no longer wanted.
    said = [line for line in done.stdout.splitlines() if "(raylet)" not in line]
    assert said == ["[1, 2]", "[1, 2]"]
    assert "Unhandled" not in done.stderr


def test_a_task_whose_worker_is_killed_is_run_again(
    travelling: "Cluster", tmp_path: Path
) -> None:
    def die_once(number: int) -> int:
        mark = tmp_path / str(number)
        if number % 3 == 0 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert list(travelling.run(die_once, range(7))) == list(range(7))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_task_that_always_loses_its_worker_is_named(travelling: "Cluster") -> None:
    def die(number: int) -> int:
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with pytest.raises(UnavailableError, match="task 1 was lost: WorkerCrashedError"):
        list(travelling.run(die, range(3), retries=1))


def test_work_for_which_no_cpu_is_free_says_so_and_gives_up(
    cluster: "Cluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    from gleann.service.cluster import room
    from gleann.service.cluster.pinned import pinned

    def free() -> float:
        return float(cluster.ray.available_resources().get("CPU", 0))

    said: list[str] = []
    patience = room.Patience(said=1, most=3, tell=said.append)
    hasty, seconds = replace(cluster, patience=patience), count()
    # A second a look: on a busy machine a look may take longer than it says.
    monkeypatch.setattr(room, "monotonic", lambda: float(next(seconds)))
    with pinned(cluster) as first:
        # Ray says a while later what is taken.
        assert ray_workers.wait_for(lambda: free() == 0, seconds=60)
        with (
            pytest.raises(UnavailableError, match=r"2 of 2 workers .* 0 of 2 CPUs"),
            pinned(hasty),
        ):
            pass
        with pytest.raises(UnavailableError, match=r"1 of 1 workers .* 0 of 2 CPUs"):
            list(hasty.run(abs, [-1]))
        assert list(first(abs, [-2])) == [2]
        assert len(said) == 2
        assert "given up" not in said[0]
    assert list(cluster.run(abs, [-1])) == [1]
    with pinned(cluster) as second:
        assert list(second(abs, [-2])) == [2]


def test_other_versions_are_refused_with_both() -> None:
    pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")
    from gleann.service.cluster.versions import compare, versions

    here = versions()
    compare("host", here, dict(here))
    for name in here:
        other = here | {name: "0.0.7"}
        text = f"host has {name} 0.0.7 where this process has {here[name]}"
        with pytest.raises(EngineUnavailableError, match=text.replace(".", r"\.")):
            compare("host", here, other)


def test_machines_are_asked_for_versions_and_folders(
    cluster: "Cluster", tmp_path: Path
) -> None:
    from gleann.service.cluster import shared_folder
    from gleann.service.cluster.versions import require_same_versions

    require_same_versions(cluster.ray)
    shared_folder.require_shared(cluster, tmp_path / "a/b")
    assert list(tmp_path.iterdir()) == []
    # A command that is killed while it looks leaves the file it looks for.
    (tmp_path / f"{PROBE}1234").touch()
    require_free(tmp_path, overwrite=False)


def test_a_machine_that_does_not_answer_is_named(
    travelling: "Cluster", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it was asked does not go on there."""
    import time

    from gleann.service.cluster import nodes

    def back(number: int) -> int:
        return number

    def hang(folder: Path) -> None:
        (folder / str(os.getpid())).touch()
        while True:
            time.sleep(0.05)

    said = r"^the machine \S+ does not say it within 0.5 s$"
    asking = nodes.on_each_machine(travelling.ray, hang, tmp_path, doing="say it")
    with monkeypatch.context() as short:
        short.setattr(nodes, "SECONDS", 0.5)
        with pytest.raises(UnavailableError, match=said):
            next(asking)
    gone = [int(file.name) for file in tmp_path.iterdir()]
    assert ray_workers.wait_for(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in gone), seconds=60
    )
    [(_, answer)] = nodes.on_each_machine(travelling.ray, back, 3, doing="say it")
    assert answer == 3


def test_a_folder_that_a_machine_does_not_see_is_refused(
    cluster: "Cluster", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gleann.service.cluster import shared_folder

    monkeypatch.setattr(
        shared_folder, "on_each_machine", lambda *_, **__: iter([("far", False)])
    )
    with pytest.raises(
        MissingFileError, match=f"far does not see the folder {tmp_path}"
    ):
        shared_folder.require_shared(cluster, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_ray_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")
    from gleann.service.cluster.session import joined

    def refuse(**settings: object) -> None:
        raise ConnectionError("nobody is there")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    handler = signal.getsignal(signal.SIGTERM)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(
                UnavailableError, match=f"joined at '{address}': nobody is there"
            ),
            joined(address),
        ):
            pass
    assert signal.getsignal(signal.SIGTERM) is handler
    with pytest.raises(InvalidParamsError, match="workers must be at least 1, got 0"):
        joined(workers=0).__enter__()


@pytest.mark.parametrize("client", ["", "ray://"])
def test_an_address_that_nobody_listens_at_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    ray = pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")
    from gleann.service.cluster.session import joined

    begun: list[object] = []
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # that of others stays as it is
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **settings: begun.append(settings))
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"{client}127.0.0.1:{other.getsockname()[1]}"
    with (
        pytest.raises(UnavailableError, match=f"joined at '{address}'.*: .*refused"),
        joined(address),
    ):
        pass
    assert not begun


def test_a_ray_of_its_own_is_started_whatever_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")
    from gleann.service.cluster.session import joined

    begun: list[dict[str, object]] = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **settings: begun.append(settings))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with joined(workers=2) as cluster:
        assert cluster.workers == 2
    # Without it, RAY_ADDRESS is joined, or refused for the number of CPUs.
    assert begun[0]["address"] == "local"


def test_a_process_goes_on_with_the_ray_that_it_joined(cluster: "Cluster") -> None:
    from gleann.service.cluster.session import joined

    with joined(workers=1) as inner:
        assert inner.workers == 1
        assert list(inner.run(abs, [-3, -4])) == [3, 4]
    assert cluster.ray.is_initialized()
    assert list(replace(cluster, workers=1).run(abs, [-5])) == [5]


def test_a_ray_that_is_started_here_asks_for_a_token(cluster: "Cluster") -> None:
    """It listens on all addresses, and SECURITY.md says that strangers run no code."""
    assert cluster.address == ""
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_rows_travel_by_the_name_of_their_file(
    cluster: "Cluster", tmp_path: Path
) -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "vectors.npy", rows)
    there = FileRows(tmp_path / "vectors.npy", "f32", (4, 3))
    (found,) = cluster.run(np.asarray, [there])
    np.testing.assert_array_equal(found, rows)
    assert ray_workers.workers_of()
