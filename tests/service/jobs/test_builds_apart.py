"""Long builds run in a process of low priority, and write what a thread would write."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SoarIndex, errors
from gleann.index.parallel.priority import LEAST_PRIORITY, NICENESS
from gleann.service.jobs import building
from gleann.service.optimizer import process, writing

ROWS = np.random.default_rng(5).standard_normal((600, 12)).astype(np.float32)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The folders of inputs of the processes that ran."""
    ran: list[Path] = []
    real = writing.perform_apart

    def perform(inputs: Any, *rest: Any, **named: Any) -> None:
        ran.append(inputs.folder)
        real(inputs, *rest, **named)

    monkeypatch.setattr(writing, "perform_apart", perform)
    return ran


def files_of(data: Path) -> dict[str, bytes]:
    """The arrays of the latest sealed version; their folder has a random name."""
    found = {
        file.name: file.read_bytes()
        for file in (data / "indexes").glob("**/2/data-*/*")
        if file.is_file()
    }
    assert {"vectors.npy", "centroids.npy"} <= set(found)
    return found


def collection(data: Path, ids: Callable[[np.ndarray], Any]) -> gleann.Client:
    """A sealed version of some rows, with newer rows, removals and payload."""
    client = gleann.Client(data)
    client.indexes.create("a", dim=12, metric="cosine", columns={"part": "int64"})
    numbers = np.arange(len(ROWS))
    client.vectors.upsert("a", ids(numbers[:400]), ROWS[:400], {"part": [1] * 400})
    client.indexes.build("a", BuildParams(nlist=8)).wait()
    client.vectors.delete("a", ids(numbers[:7]))
    client.vectors.upsert("a", ids(numbers[350:]), ROWS[350:], {"part": [2] * 250})
    client.payload.update("a", {"part": [3]}, ids=ids(numbers[20:21]))
    return client


@pytest.mark.parametrize("kind", ["int64", "string"])
def test_a_build_apart_writes_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: list[Path], kind: str
) -> None:
    def ids(numbers: np.ndarray) -> Any:
        return numbers if kind == "int64" else [f"row-{n}" for n in numbers]

    params, found = BuildParams(nlist=9, spill="soar"), []
    for name, short in (("thread", building.SHORT), ("apart", 0)):
        with collection(tmp_path / name, ids) as client, monkeypatch.context() as patch:
            patch.setattr(building, "SHORT", short)
            assert client.indexes.build("a", params).wait().count == 593
            answer = client.search("a", ROWS[:50])
            part = client.payload.get("a", ids(np.array([20]))).to_pylist()
        found.append((files_of(tmp_path / name), answer.ids.tolist(), part))
    assert found[0] == found[1]
    assert len(processes) == 1
    assert not any(folder.exists() for folder in processes)


def test_only_long_builds_take_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: list[Path]
) -> None:
    with collection(tmp_path, lambda numbers: numbers) as client:
        client.indexes.build("a").wait()
        assert processes == []
        monkeypatch.setattr(building, "SHORT", 593 * 12 - 1)
        client.indexes.build("a", BuildParams(nlist=5)).wait()
        assert len(processes) == 1
        monkeypatch.setattr(building, "SHORT", 593 * 12)
        client.indexes.build("a", BuildParams(nlist=6)).wait()
        assert len(processes) == 1


def test_short_builds_give_way_to_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: list[Path]
) -> None:
    """Their thread has a lower priority, and so have the kernels that it starts."""
    real, found = SoarIndex.build_on_disk, []

    def build(*arguments: Any, **named: Any) -> Any:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return real(*arguments, **named)

    monkeypatch.setattr(SoarIndex, "build_on_disk", build)
    with collection(tmp_path, lambda numbers: numbers):
        own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert processes == []
    assert found == [min(own + NICENESS, LEAST_PRIORITY)]


def test_a_process_that_is_killed_fails_the_build_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "SHORT", 0)
    monkeypatch.setattr(process, "CODE", "import os; os.kill(os.getpid(), 9)")
    with collection_of_rows(tmp_path) as client:
        with pytest.raises(errors.LimitError, match="ended by the system"):
            client.indexes.build("a").wait()
        assert list((tmp_path / "indexes").rglob("*inputs*")) == []
        assert client.indexes.get("a").version == 0
        assert client.search("a", ROWS[:1]).ids[0, 0] == 0


def test_a_process_without_memory_fails_the_build_as_work_here_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "SHORT", 0)
    code = (
        "import sys\nfrom gleann.service.optimizer import worker\n"
        "def refuse(*_): raise MemoryError\n"
        "worker.perform = refuse\nworker.main(sys.argv[1])"
    )
    monkeypatch.setattr(process, "CODE", code)
    with collection_of_rows(tmp_path) as client:
        with pytest.raises(errors.LimitError, match="not enough memory"):
            client.indexes.build("a").wait()
        assert client.indexes.get("a").version == 0


def test_a_build_that_is_cancelled_ends_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    monkeypatch.setattr(building, "SHORT", 0)
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid()))"
    monkeypatch.setattr(process, "CODE", f"{code}; time.sleep(60)")
    with collection_of_rows(tmp_path / "data") as client:
        operation = client.indexes.build("a")
        while not pid.exists() or not pid.read_text():
            pass
        operation.cancel()
        with pytest.raises(errors.CancelledError):
            operation.wait()
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


def collection_of_rows(data: Path) -> gleann.Client:
    """A collection that was never built."""
    client = gleann.Client(data)
    client.indexes.create("a", dim=12, metric="l2")
    client.vectors.upsert("a", np.arange(len(ROWS)), ROWS)
    return client
