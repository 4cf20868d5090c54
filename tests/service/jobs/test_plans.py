"""Requests that are only checked: what they answer, and that they change nothing."""

import ctypes
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.local import application_stubs
from gleann.service.values import Plan

OFF = gleann.OptimizerParams(enabled=False)


def filled(client: gleann.Client, rows: np.ndarray, name: str = "p") -> None:
    client.create_index(name, dim=8, metric="l2")
    client.upsert(name, np.arange(len(rows)), rows)


def plan_of(operation: Any) -> Plan:
    assert operation.plan is not None
    return operation.plan


def test_plans_of_all_that_has_one(
    client: gleann.Client, rows: np.ndarray, quick: BuildParams, tmp_path: Path
) -> None:
    filled(client, rows)
    np.save(tmp_path / "v.npy", rows[:50] + 1)
    before = client.get_index("p")
    planned = client.plans.build("p", quick)
    assert (planned.name, planned.done, planned.kind) == ("", True, "build")
    plan = plan_of(planned)
    assert plan.rows == len(rows)
    assert plan.seconds is not None
    assert plan.seconds > 0
    assert plan.memory_bytes > plan.disk_bytes > rows.nbytes
    assert plan.steps[0] == "It trains 8 lists and assigns 240 vectors to them."
    assert plan.steps[-1] == "It publishes version 1."
    imported = plan_of(client.plans.import_vectors("p", tmp_path / "v.npy"))
    assert imported.rows == 50
    assert "v.npy" in imported.steps[0]
    optimized = plan_of(client.plans.optimize("p"))
    assert optimized.rows == len(rows)
    assert "process of its own" in optimized.steps[-1]
    chosen = plan_of(client.plans.coresets.farthest_first("p", k=7))
    assert (chosen.rows, chosen.steps[1]) == (
        len(rows),
        "It chooses 7 of them by farthest_first.",
    )
    made = client.plans.create_index("q", dim=8, columns={"year": "int64"})
    assert (made.name, made.version, made.etag) == ("q", 0, "")
    # Nothing has changed, and nothing was asked for.
    assert client.get_index("p") == before
    assert [info.name for info in client.list_indexes()] == ["p"]
    assert client.jobs.list() == []


def test_a_plan_of_nothing(
    client: gleann.Client, rows: np.ndarray, quick: BuildParams
) -> None:
    filled(client, rows)
    client.build("p", quick).wait(timeout=60)
    built = plan_of(client.plans.build("p", quick))
    assert built.steps == ("It is built with these parameters.",)
    assert (built.memory_bytes, built.disk_bytes, built.disk_bytes_after) == (0, 0, 0)
    folded = plan_of(client.plans.optimize("p", "fold"))
    assert folded.steps == ("Nothing has to be done.",)


def test_what_the_request_refuses_its_plan_refuses(
    client: gleann.Client, rows: np.ndarray, tmp_path: Path
) -> None:
    client.create_index("empty", dim=8)
    filled(client, rows)
    with pytest.raises(errors.NotReadyError, match="empty"):
        client.plans.build("empty")
    with pytest.raises(errors.UnknownIndexError):
        client.plans.optimize("none")
    with pytest.raises(errors.InvalidParamsError, match="nlist is 1000"):
        client.plans.build("p", BuildParams(metric="l2", nlist=1000))
    with pytest.raises(errors.MissingFileError):
        client.plans.import_vectors("p", tmp_path / "none.npy")
    np.save(tmp_path / "wide.npy", np.ones((3, 9), np.float32))
    with pytest.raises(errors.InvalidInputError):
        client.plans.import_vectors("p", tmp_path / "wide.npy")
    with pytest.raises(errors.InvalidParamsError, match="k must be in"):
        client.plans.coresets.farthest_first("p", k=1000)
    with pytest.raises(errors.AlreadyExistsError):
        client.plans.create_index("p", dim=8)


def test_what_has_no_plan_is_not_done(client: gleann.Client, rows: np.ndarray) -> None:
    filled(client, rows)
    for call in (
        lambda: client.plans.indexes.delete("p"),
        lambda: client.plans.vectors.upsert("p", [1], rows[:1]),
        lambda: client.plans.vectors.delete("p", [1]),
    ):
        with pytest.raises(errors.InvalidParamsError, match="has no plan"):
            call()
    assert client.get_index("p").count == len(rows)


def test_a_version_that_a_session_needs_stays(
    client: gleann.Client, rows: np.ndarray, quick: BuildParams
) -> None:
    filled(client, rows)
    client.build("p", quick).wait(timeout=60)
    session = client.active.start("p", ids=np.arange(4), labels=np.arange(4) % 2)
    client.upsert("p", [900], rows[:1])
    stays = plan_of(client.plans.build("p"))
    assert "Version 1 stays, as a session needs it." in stays.steps
    client.sessions.close(session)
    goes = plan_of(client.plans.build("p"))
    assert stays.disk_bytes_after > goes.disk_bytes_after


M_MMAP_THRESHOLD = -3
"""Of malloc.h. Otherwise glibc raises it to 32 MiB when a large block is freed."""


class Usage:
    """What a block takes: CPU seconds, and the most memory and disk above the start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended = threading.Event()
        self.memory = self.disk = self.disk_after = 0
        self.seconds = 0.0

    def __enter__(self) -> "Usage":
        # What the allocator keeps would be used again, and not be seen as taken: large
        # blocks go back to the system as soon as they are free.
        gc.collect()
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 4 << 20)
        ctypes.CDLL(None).malloc_trim(0)
        self._start = all_anonymous_bytes(), folder_bytes(self._folder)
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        self._cpu = cpu_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = cpu_seconds() - self._cpu
        self._ended.set()
        self._thread.join()
        self.disk_after = folder_bytes(self._folder) - self._start[1]

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            self.memory = max(self.memory, all_anonymous_bytes() - self._start[0])
            self.disk = max(self.disk, folder_bytes(self._folder) - self._start[1])


def cpu_seconds() -> float:
    """Of this process, and of those that it started and that have ended."""
    times = os.times()
    return sum((times.user, times.system, times.children_user, times.children_system))


def all_anonymous_bytes() -> int:
    """Memory of this process and of those that it started."""
    tasks = Path("/proc/self/task").glob("*/children")
    started = [number for one in tasks for number in _text(one).split()]
    # Between its fork and its start, a process has the pages of this one.
    ours = _text(Path("/proc/self/cmdline"))
    started = [one for one in started if _text(Path(f"/proc/{one}/cmdline")) != ours]
    return sum(anonymous_bytes(number) for number in ("self", *started))


def anonymous_bytes(process: str) -> int:
    lines = _text(Path(f"/proc/{process}/status")).splitlines()
    found = [int(one.split()[1]) for one in lines if one.startswith("RssAnon")]
    return 1024 * sum(found)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # it has ended meanwhile


def folder_bytes(folder: Path) -> int:
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(at, name)).st_size  # noqa: PTH116, PTH118
            except FileNotFoundError:
                continue  # removed meanwhile
    return total


@pytest.fixture
def one_core(tmp_path: Path) -> Iterator[gleann.Client]:
    """A client whose work has one core: then it takes as many seconds as of CPU."""
    config = Config(
        data_dir=tmp_path / "d", threads=1, import_roots=(tmp_path,), optimizer=OFF
    )
    with gleann.Client.of_stubs(application_stubs(Application(config))) as client:
        yield client


def within(planned: float, used: float, factor: float, *, slack: float) -> bool:
    """Whether two amounts are alike to a factor, beside what any work takes."""
    return planned <= factor * used + slack and used <= factor * planned + slack


MIB = 1 << 20


@pytest.mark.slow
@pytest.mark.parametrize(("n", "dim"), [(30_000, 64), (15_000, 200), (70_000, 64)])
def test_work_takes_what_its_plan_says(
    one_core: gleann.Client, tmp_path: Path, n: int, dim: int
) -> None:
    """Memory and disk to a factor of 2, seconds of CPU to a factor of 3."""
    rng = np.random.default_rng(3)
    centres = 2 * rng.normal(size=(100, dim))
    rows = (centres[rng.integers(100, size=n)] + rng.normal(size=(n, dim))).astype("f4")
    np.save(tmp_path / "v.npy", rows)
    one_core.create_index("warm", dim=8, metric="l2")
    one_core.upsert("warm", np.arange(500), rows[:500, :8].copy())
    one_core.build("warm").wait(timeout=120)
    one_core.create_index("p", dim=dim, metric="l2")
    works: list[Callable[[gleann.Client | Any], Any]] = [
        lambda calls: calls.import_vectors("p", tmp_path / "v.npy"),
        lambda calls: calls.build("p"),
        lambda calls: calls.build(
            "p", BuildParams(metric="l2", spill="none", nlist=50)
        ),
    ]
    for work in works:
        plan = plan_of(work(one_core.plans))
        with Usage(tmp_path / "d") as used:
            work(one_core).wait(timeout=300)
            time.sleep(0.5)  # the old version and the log are removed
        assert plan.seconds is not None
        said = f"{plan}, used {vars(used)}"
        assert within(plan.seconds, used.seconds, 3, slack=0.2), said
        assert within(plan.memory_bytes, used.memory, 2, slack=16 * MIB), said
        assert within(plan.disk_bytes, used.disk, 2, slack=MIB), said
        assert abs(plan.disk_bytes_after - used.disk_after) < 0.1 * rows.nbytes, said
