"""A view against a plain dictionary, over random changes."""

from typing import Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

import gleann
from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.index.ids.checks import hold_id_array
from gleann.index.ids.held import IdLookup
from gleann.index.newer import search as newer_search
from gleann.index.texts import Texts
from gleann.service.search.allowed import allowed_in
from gleann.service.search.view_search import search
from gleann.service.views.live_index import Delta, Sealed, View

DIM = 3


def sealed_view(truth: dict[Any, np.ndarray], version: int, sequence: int) -> View:
    params = BuildParams(metric="l2", nlist=2, tune_queries=0)
    rows = np.array(list(truth.values()))
    index = SoarIndex.build(rows, params, ids=list(truth), engine="reference")
    return View(
        number=1,
        name="v",
        dim=DIM,
        metric="l2",
        delta=Delta(DIM),
        version=version,
        sequence=sequence,
        sealed=Sealed(index),
    )


def named(view: View, rows: np.ndarray) -> list[Any]:
    return list(view.ids_at(rows).tolist())


def check(view: View, truth: dict[Any, np.ndarray], names: np.ndarray) -> None:
    assert view.count == len(truth)
    there = np.array([name in truth for name in names.tolist()])
    assert np.array_equal(view.find(hold_id_array(names)) >= 0, there)
    if not truth:
        return
    ids = names[there]
    expected = np.array([truth[name] for name in ids.tolist()])
    assert np.array_equal(view.vectors_at(view.require(hold_id_array(ids))), expected)
    live = view.live_rows()
    assert sorted(view.ids_at(live).tolist()) == sorted(truth)
    query = expected[:1] + np.float32(0.1)
    found = search(view, query, SearchParams(k=len(truth), nprobe=2), allowed=None)
    near = ((expected.astype(float) - query) ** 2).sum(axis=1)
    assert sorted(named(view, found.rows[0])) == sorted(truth)
    assert np.allclose(found.distances[0], np.sort(near), rtol=1e-4)
    some = ids[:: max(1, len(ids) // 3)]
    found = search(
        view,
        query,
        SearchParams(k=len(truth)),
        allowed=allowed_in(view, allowed_ids=hold_id_array(some), condition=None),
    )
    assert set(named(view, found.rows[0, : len(some)])) == set(some.tolist())
    assert np.isinf(found.distances[0, len(some) :]).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("strings", [False, True])
def test_random_changes(seed: int, strings: bool) -> None:
    """Upserts, deletions and builds; and no older view changes under its reader."""
    rng = np.random.default_rng(seed)
    names = np.arange(30)
    names = np.array([f"n{i}" * (1 + i % 3) for i in names]) if strings else names
    view = View(number=1, name="v", dim=DIM, metric="l2", delta=Delta(DIM))
    truth: dict[Any, np.ndarray] = {}
    history: list[tuple[View, dict[Any, np.ndarray]]] = []
    for sequence in range(1, 25):
        action = rng.choice(["upsert", "upsert", "delete", "build"])
        ids = rng.permutation(names)[: rng.integers(1, 9)]
        if action == "upsert":
            rows = rng.normal(size=(len(ids), DIM)).astype(np.float32)
            view = view.upserted(hold_id_array(ids), rows, sequence=sequence)
            truth = truth | dict(zip(ids.tolist(), rows, strict=True))
        elif action == "delete":
            view = view.deleted(hold_id_array(ids), sequence=sequence)
            truth = {name: row for name, row in truth.items() if name not in ids}
        elif len(truth) > 2:
            view = sealed_view(truth, view.version + 1, sequence)
        history.append((view, truth))
    for older, content in history:
        check(older, content, names)


def test_a_missing_id_is_named() -> None:
    view = View(number=1, name="v", dim=DIM, metric="l2", delta=Delta(DIM))
    view = view.upserted(np.arange(3), np.ones((3, DIM), np.float32), sequence=1)
    with pytest.raises(errors.UnknownIdError, match=r"no id 9, 8 in 'v' \(2 of 3"):
        view.require(np.array([1, 9, 8]))


def test_lookup_of_the_other_kind_finds_nothing() -> None:
    lookup = IdLookup(np.array([4, 2]))
    assert lookup.find(np.array([2, 3, 4])).tolist() == [1, -1, 0]
    assert lookup.find(Texts.of_texts(["2"])).tolist() == [-1]
    assert IdLookup(np.array([], np.int64)).find(np.array([2])).tolist() == [-1]


@pytest.mark.parametrize(("queries", "threads"), [(2, 1), (5, 3)])
def test_rows_before_a_build_are_compared_on_one_thread(
    client: gleann.Client,
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    queries: int,
    threads: int,
) -> None:
    """But for scans that take long; here, those of more than two queries."""
    heard = []
    real = newer_search.exact_search_prepared

    def listen(*arguments: Any, **settings: Any) -> Any:
        found = ThreadpoolController().select(user_api="blas").info()
        heard.extend(
            library["num_threads"]
            for library in found
            if library["threading_layer"] != "openmp"  # those have one for each thread
        )
        return real(*arguments, **settings)

    client.create_index("new", dim=8, metric="ip")
    client.upsert("new", np.arange(100), rows[:100])
    monkeypatch.setattr(newer_search, "exact_search_prepared", listen)
    monkeypatch.setattr(newer_search, "ONE_THREAD", 2 * 100 * 8)
    with threadpool_limits(3, user_api="blas"):
        client.search("new", rows[:queries], SearchParams(k=5))
    assert set(heard) == {threads}
