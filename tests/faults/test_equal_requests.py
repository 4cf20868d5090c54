"""Equal requests of long work: one job, whoever cancels and whatever crashes."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from long_work import ROWS, asked, done_within, filled
from stream_calls import until

from gleann.index import Progress, SoarIndex
from gleann.service.application import Application
from gleann.v1 import index_pb2, vector_pb2


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


def test_fifteen_builds_of_an_index_are_one_and_keep_no_other_waiting(
    open_directory: Callable[[], Application], held: Any
) -> None:
    application = open_directory()
    filled(application, "large", 300)
    filled(application, "small", 50)
    first = application.build(asked("large")).name
    assert held.begun.wait(60)
    names = [application.build(asked("large")).name for _ in range(14)]
    other = application.build(asked("large", seed=1)).name
    assert len({first, *names}) == 15
    # The small one is done while the large one is still held.
    small = application.build(asked("small")).name
    assert application.jobs.wait(small, seconds=60).done
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
    until(lambda: len(held.builds) >= 2)
    return [application.build(asked("a")).name for _ in range(count)]


def let_begin(application: Application, held: Any) -> None:
    """Cancel the other work, and return when "a" is being built."""
    for operation in application.jobs.list(after=0, limit=2):
        application.jobs.cancel(operation[1].name)
    until(lambda: len(held.builds) >= 3)


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
    assert held.begun.wait(60)
    application = open_directory()  # the first was cut off
    held.go.set()
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
    assert done_within(application, waiting, 60)
    assert application.get_index("a").version == 0


def test_what_is_built_is_not_built_again(
    open_directory: Callable[[], Application], held: Any
) -> None:
    held.go.set()
    application = open_directory()
    filled(application, "a", 50)

    def built(request: index_pb2.BuildIndexRequest) -> int:
        operation = application.build(request)
        application.jobs.wait(operation.name, seconds=60)
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
    assert done_within(application, [first, second], 60)
    assert (version_of(application, first), version_of(application, second)) == (1, 2)
    assert application.get_index("a").count == 100
