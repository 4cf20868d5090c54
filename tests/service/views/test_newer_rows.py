"""Searches while rows arrive: newer rows are found at once, and assigned later."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines import native
from gleann.service.search import view_search
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import Sealed, View

N, DIM = 4000, 16
PARAMS = SearchParams(k=10, target_recall=0.99)


def make_rows(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(30, DIM))
    rows = centres[rng.integers(30, size=count)] + 0.4 * rng.normal(size=(count, DIM))
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def index() -> SoarIndex:
    params = BuildParams(metric="l2", nlist=60)
    return SoarIndex.build(make_rows(N, 1), params, ids=np.arange(N))


@pytest.fixture
def view(index: SoarIndex) -> View:
    return View(
        number=1,
        name="v",
        dim=DIM,
        metric="l2",
        delta=Delta(DIM),
        version=1,
        sealed=Sealed(index),
    )


def search(view: View, queries: np.ndarray, params: SearchParams) -> np.ndarray:
    return view_search.search(view, queries, params, allowed=None).rows


def recall(view: View, queries: np.ndarray) -> float:
    found = search(view, queries, PARAMS)
    exact = search(view, queries, SearchParams(k=10, exact=True))
    shared = [len(set(a) & set(b)) for a, b in zip(found, exact, strict=True)]
    return float(np.mean(shared)) / 10


def wait_until_assigned(view: View, index: SoarIndex) -> None:
    lists = view.delta.newer_lists(index)
    search(view, view.delta.vectors[:1], PARAMS)
    for _ in range(6000):
        if not lists.due:
            return
        time.sleep(0.01)
    pytest.fail("rows are still not assigned after 60 s")


needs_native = pytest.mark.skipif(
    not native.available(), reason=native.unavailable_reason()
)


@needs_native
def test_rows_are_found_before_and_after_they_are_assigned(
    view: View, index: SoarIndex
) -> None:
    queries = make_rows(100, 2)
    for start in range(N, N + 1500, 300):
        ids = np.arange(start, start + 300)
        view = view.upserted(ids, make_rows(300, start), sequence=start)
        assert recall(view, queries) >= 0.97
    wait_until_assigned(view, index)
    assert recall(view, queries) >= 0.97
    own = search(view, view.delta.vectors, SearchParams(k=1))
    assert (own[:, 0] == np.arange(N, N + 1500)).all()


@needs_native
def test_replaced_and_deleted_rows_are_never_found(
    view: View, index: SoarIndex
) -> None:
    old = view
    view = view.upserted(np.arange(0, N, 2), make_rows(N // 2, 3), sequence=1)
    view = view.deleted(np.arange(1, N, 4), sequence=2)
    wait_until_assigned(view, index)
    queries = make_rows(100, 4)
    found = search(view, queries, PARAMS)
    assert (found >= 0).all()
    live = set(view.live_rows().tolist())
    assert set(found.ravel().tolist()) <= live
    assert recall(view, queries) >= 0.97
    assert search(old, queries, PARAMS).max() < N


@needs_native
def test_what_searches_read_is_made_once_a_state(view: View, index: SoarIndex) -> None:
    view = view.upserted(np.arange(N, N + 500), make_rows(500, 3), sequence=1)
    first = view.delta.newer_rows(index, view.alive)
    assert view.delta.newer_rows(index, view.alive) is first
    wait_until_assigned(view, index)
    second = view.delta.newer_rows(index, view.alive)
    assert second is not first
    assert view.delta.newer_rows(index, view.alive) is second
    later = view.upserted(np.arange(N + 500, N + 501), make_rows(1, 4), sequence=2)
    assert later.delta.newer_lists(index) is view.delta.newer_lists(index)


def test_lists_are_of_the_version_that_is_searched(
    view: View, index: SoarIndex
) -> None:
    view = view.upserted(np.arange(N, N + 100), make_rows(100, 3), sequence=1)
    other = SoarIndex.build(make_rows(500, 9), BuildParams(metric="l2", nlist=5))
    lists = view.delta.newer_lists(index)
    assert view.delta.newer_lists(other) is not lists


def test_an_acknowledged_row_is_found_while_others_arrive(tmp_path: Path) -> None:
    """Several writers and readers at once; each row is its own nearest neighbour."""
    with gleann.Client(tmp_path / "data") as client:
        client.create_index("i", dim=DIM, metric="l2")
        client.upsert("i", np.arange(N), make_rows(N, 1))
        client.build("i", BuildParams(metric="l2", nlist=60, tune_queries=64)).wait(
            timeout=60
        )

        def write(worker: int) -> int:
            for turn in range(12):
                ids = N + 10_000 * worker + 40 * turn + np.arange(40)
                rows = make_rows(40, int(ids[0]))
                client.upsert("i", ids, rows)
                found = client.search("i", rows[:5], SearchParams(k=1))
                assert found.ids[:, 0].tolist() == ids[:5].tolist()
            return worker

        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(write, range(3))) == [0, 1, 2]
        assert client.get_index("i").count == N + 3 * 12 * 40
