"""Searches that arrive while one runs are merged, and nobody notices but the engine."""

import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.service.search import batcher, view_search
from gleann.service.search.batcher import Batcher
from gleann.service.search.task import SearchTask
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import Sealed, View


@pytest.fixture
def view(rows: np.ndarray) -> View:
    empty = View(number=1, name="v", dim=8, metric="l2", delta=Delta(8))
    return empty.upserted(np.arange(len(rows)), rows, sequence=1)


def task(view: View, queries: np.ndarray, params: SearchParams) -> SearchTask:
    return SearchTask(view=view, queries=queries, params=params)


class Engine:
    """Holds the first search until `go` is set, and counts the queries of each."""

    def __init__(self) -> None:
        self.real = view_search.search
        self.sizes: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def search(self, view: View, queries: np.ndarray, *rest: Any, **named: Any) -> Any:
        self.sizes.append(len(queries))
        if len(self.sizes) == 1:
            self.begun.set()
            assert self.go.wait(60)
        return self.real(view, queries, *rest, **named)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    engine = Engine()
    monkeypatch.setattr(view_search, "search", engine.search)
    yield engine
    engine.go.set()


class Crowd:
    """Searches at once: the first is held until the others wait behind it."""

    def __init__(self, engine: Engine, view: View) -> None:
        self.batcher = Batcher()
        self.engine, self.view = engine, view
        self.threads = ThreadPoolExecutor(16)
        self.futures: list[Future[Any]] = []

    def search(self, queries: np.ndarray, params: SearchParams) -> None:
        waiting = self.waiting()
        job = self.threads.submit(self.batcher.search, task(self.view, queries, params))
        self.futures.append(job)
        if len(self.futures) == 1:
            assert self.engine.begun.wait(60)
            return
        while self.waiting() == waiting and not job.done():
            pass

    def waiting(self) -> int:
        return sum(self.batcher.waiting())

    def finish(self) -> list[Any]:
        self.engine.go.set()
        self.threads.shutdown()
        assert self.batcher.waiting() == []  # nothing is kept of what ended
        return [job.exception() or job.result() for job in self.futures]


def test_those_that_wait_run_together(
    engine: Engine, view: View, rows: np.ndarray
) -> None:
    crowd, params = Crowd(engine, view), SearchParams(k=4)
    blocks = [rows[start : start + 3 + start % 2] for start in range(0, 60, 7)]
    for block in blocks:
        crowd.search(block, params)
    answers = crowd.finish()
    assert engine.sizes == [len(blocks[0]), sum(map(len, blocks[1:]))]
    for block, found in zip(blocks, answers, strict=True):
        alone = engine.real(view, block, params, allowed=None)
        assert np.array_equal(found.rows, alone.rows)
        assert np.array_equal(found.distances, alone.distances)
        assert found.stats == alone.stats


def test_other_parameters_do_not_wait(
    engine: Engine, view: View, rows: np.ndarray
) -> None:
    crowd = Crowd(engine, view)
    crowd.search(rows[:2], SearchParams(k=4))
    crowd.search(rows[:2], SearchParams(k=5))
    crowd.futures[1].result(60)  # while the first is still held
    first, second = crowd.finish()
    assert first.rows.shape == (2, 4)
    assert second.rows.shape == (2, 5)


@pytest.mark.parametrize(("metric", "length"), [("cosine", 0), ("l2", 3e38)])
@pytest.mark.parametrize("nprobe", [None, 4])
@pytest.mark.parametrize("sealed", [False, True])
def test_bad_calls_leave_the_others_one_scan(
    engine: Engine,
    rows: np.ndarray,
    metric: Any,
    length: float,
    sealed: bool,
    nprobe: int | None,
) -> None:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    view = View(number=1, name="v", dim=8, metric=metric, delta=Delta(8))
    if sealed:
        index = SoarIndex.build(unit, BuildParams(metric=metric, nlist=4, spill="none"))
        view = replace(view, sealed=Sealed(index=index), version=1)
    else:
        view = view.upserted(np.arange(len(rows)), unit, sequence=1)
    crowd = Crowd(engine, view)
    bad = np.full((3, 8), length, np.float32)
    nan = np.full((1, 8), np.nan, np.float32)
    for queries in (unit[:1], unit[:2], bad, unit[:4], nan):
        crowd.search(queries, SearchParams(k=1, nprobe=nprobe, exact=nprobe is None))
    first, good, long, other, missing = crowd.finish()
    assert isinstance(long, errors.InvalidInputError)
    assert isinstance(missing, errors.NonFiniteError)
    assert "row 0" in str(long)
    assert [found.rows.ravel().tolist() for found in (first, good, other)] == [
        [0],
        [0, 1],
        [0, 1, 2, 3],
    ]
    # The first alone, the batch that failed before it compared rows, and the rest.
    assert engine.sizes == [1, 10, 6]


def test_batches_have_a_size(
    engine: Engine, view: View, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "MAX_QUERIES", 10)
    crowd = Crowd(engine, view)
    for count in (1, 4, 6, 3, 20, 2):
        crowd.search(rows[:count], SearchParams(k=1))
    answers = crowd.finish()
    assert engine.sizes == [1, 10, 3, 20, 2]
    assert [len(found.rows) for found in answers] == [1, 4, 6, 3, 20, 2]


def test_a_bug_reaches_all_that_wait(
    engine: Engine, view: View, rows: np.ndarray
) -> None:
    crowd = Crowd(engine, view)
    for _ in range(4):
        crowd.search(rows[:2], SearchParams(k=1))
    engine.real = lambda *_, **__: 1 / 0
    assert all(isinstance(answer, ZeroDivisionError) for answer in crowd.finish())


def test_a_bug_lets_the_next_one_run(
    view: View, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = Batcher()
    with monkeypatch.context() as patched:
        patched.setattr(view_search, "search", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            batcher.search(task(view, rows[:1], SearchParams(k=1)))
    assert batcher.search(task(view, rows[:1], SearchParams(k=1))).rows.tolist() == [
        [0]
    ]


def test_what_a_spoilt_batch_held_is_free_before_each_is_asked_alone(
    engine: Engine, view: View, rows: np.ndarray
) -> None:
    held: list[weakref.ref[np.ndarray]] = []
    search = engine.real

    def run(view: View, queries: np.ndarray, *rest: Any, **named: Any) -> Any:
        if len(queries) > 2:
            work = np.zeros(8)
            held.append(weakref.ref(work))
            raise errors.DeviceMemoryError("cuda:0 is out of memory")
        assert all(work() is None for work in held)
        return search(view, queries, *rest, **named)

    engine.real = run
    crowd = Crowd(engine, view)
    for first in (0, 2, 4):
        crowd.search(rows[first : first + 2], SearchParams(k=1))
    answers = crowd.finish()
    assert engine.sizes == [2, 4, 2, 2]
    assert len(held) == 1
    assert [found.rows[:, 0].tolist() for found in answers] == [[0, 1], [2, 3], [4, 5]]
