import threading

import numpy as np
import pytest

from gleann.index import BuildParams, Progress, SearchParams, SoarIndex, errors
from gleann.index.operating.cost import CostModel
from gleann.index.operating.points import choose_point


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(11)
    centres = rng.normal(size=(30, 10))
    noise = 0.7 * rng.normal(size=(3000, 10))
    return (centres[rng.integers(30, size=3000)] + noise).astype(np.float32)


@pytest.fixture(scope="module")
def index(rows):
    return SoarIndex.build(rows, BuildParams(metric="cosine", spill="soar", seed=1))


def test_public_shape(index, rows):
    assert len(index) == 3000
    assert index.ids.tolist() == list(range(3000))
    assert (index.dim, index.metric) == (10, "cosine")
    assert index.params.seed == 1
    assert 0 < index.spilled_share < 1
    found = index.search(rows[:7], SearchParams(k=4, nprobe=9))
    assert found.ids.shape == found.distances.shape == (7, 4)
    assert found.ids[:, 0].tolist() == list(range(7))
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert found.stats.nprobe == 9
    assert found.stats.estimated_recall is None
    assert not found.stats.exact


def test_distances_are_what_they_say(rows):
    queries = rows[:5] + 1
    for metric in ("ip", "cosine", "l2"):
        index = SoarIndex.build(rows, BuildParams(metric=metric, tune_queries=0))
        found = index.search(queries, SearchParams(k=3, nprobe=index.nlist))
        for q in range(5):
            x, y = queries[q].astype(float), rows[found.ids[q]].astype(float)
            want = {
                "ip": -(y @ x),
                "cosine": 1 - y @ x / np.linalg.norm(x) / np.linalg.norm(y, axis=1),
                "l2": ((y - x) ** 2).sum(1),
            }[metric]
            np.testing.assert_allclose(found.distances[q], want, rtol=1e-5, atol=1e-5)


def test_same_seed_same_index(rows):
    params = BuildParams(metric="l2", seed=5)
    a, b = SoarIndex.build(rows, params), SoarIndex.build(rows, params)
    np.testing.assert_array_equal(a.data.lists.rows, b.data.lists.rows)
    assert a.operating_points == b.operating_points
    assert a.data_hash == b.data_hash


def test_the_caller_s_array_is_not_touched(rows):
    copy = rows.copy()
    index = SoarIndex.build(rows, BuildParams(metric="cosine"))
    index.search(rows[:10])
    np.testing.assert_array_equal(rows, copy)


@pytest.mark.parametrize("ids", ["int", "str"])
def test_ids_are_the_caller_s(rows, ids, tmp_path):
    names = np.arange(3000) * 7 + 3
    names = np.random.default_rng(0).permutation(names)
    if ids == "str":
        names = np.array([f"word-{i}é" for i in names])
    index = SoarIndex.build(rows, BuildParams(tune_queries=0), ids=names)
    index.save(tmp_path / "i")
    index = SoarIndex.load(tmp_path / "i")
    assert index.ids.tolist() == names.tolist()
    found = index.search(rows[40:44], SearchParams(k=2, nprobe=5))
    assert found.ids[:, 0].tolist() == names[40:44].tolist()
    assert index.rows_of(names[[5, 0, 5]]).tolist() == [5, 0, 5]
    with pytest.raises(errors.UnknownIdError, match="1 of 2"):
        index.rows_of([names[0], names[0] + names[0]])
    nothing = index.search(
        rows[:1], SearchParams(k=2, allowed=np.zeros(3000, np.bool_))
    )
    assert nothing.ids.tolist() == ([["", ""]] if ids == "str" else [[-1, -1]])


def test_ids_of_the_other_kind_are_unknown(index):
    with pytest.raises(errors.UnknownIdError, match="are integers"):
        index.rows_of(["0"])


def test_target_recall_is_reached(index, rows, assert_recall):
    rng = np.random.default_rng(3)
    queries = rows[:400] + 0.2 * rng.normal(size=(400, 10)).astype(np.float32)
    exact = index.search(queries, SearchParams(exact=True))
    assert exact.stats.exact
    used = []
    for target in (0.8, 0.95, 0.99):
        found = index.search(queries, SearchParams(target_recall=target))
        assert found.stats.estimated_recall >= target
        assert_recall(found.distances, exact.distances, at_least=target - 0.02)
        used.append(found.stats.entries_scanned)
    assert used == sorted(used)
    default = index.search(queries)
    assert default.stats.estimated_recall >= 0.95


def test_points_rise_in_cost_and_recall(index):
    model = CostModel(index.dim, index.nlist)
    for k in (1, 10, 100):
        points = [p for p in index.operating_points if p.k == k]
        assert points
        costs = [p.cost(model) for p in points]
        recalls = [p.recall for p in points]
        assert costs == sorted(costs)
        assert recalls == sorted(recalls)
        assert recalls[-1] > 0.99


def test_points_for_an_unmeasured_k(index):
    points = index.operating_points
    assert choose_point(points, k=7, target_recall=0.9).k == 10
    assert choose_point(points, k=5000, target_recall=0.9).k == 1000
    assert choose_point((), k=5, target_recall=0.9) is None
    unreachable = choose_point(points, k=10, target_recall=1.0)
    best = max(p.recall for p in points if p.k == 10)
    assert unreachable.recall == best


def test_without_points_a_default_probe_serves(rows):
    index = SoarIndex.build(rows, BuildParams(tune_queries=0))
    found = index.search(rows[:3])
    assert index.operating_points == ()
    assert found.stats.estimated_recall is None
    assert found.stats.nprobe == round(index.nlist**0.5)


@pytest.mark.parametrize("allowed_count", [0, 1, 3, 40, 2900])
@pytest.mark.parametrize("nprobe", [1, 4])
def test_a_filter_never_hides_rows_that_exist(index, rows, allowed_count, nprobe):
    allowed = np.zeros(3000, np.bool_)
    allowed[np.random.default_rng(1).permutation(3000)[:allowed_count]] = True
    params = SearchParams(k=5, nprobe=nprobe, allowed=allowed)
    found = index.search(rows[:30], params)
    assert ((found.ids >= 0).sum(axis=1) == min(5, allowed_count)).all()
    assert allowed[found.ids[found.ids >= 0]].all()


def test_short_lists_are_completed(index, rows):
    found = index.search(rows[:20], SearchParams(k=2000, nprobe=1))
    assert found.stats.completed == 20
    assert (found.ids >= 0).all()
    assert all(len(set(r)) == 2000 for r in found.ids.tolist())


def test_mask_of(index):
    mask = index.mask_of([4, 9])
    assert np.flatnonzero(mask).tolist() == [4, 9]


def test_progress_and_cancel(rows):
    seen = []
    SoarIndex.build(rows, progress=seen.append)
    phases = list(dict.fromkeys(p.phase for p in seen))
    assert phases == ["train", "assign", "tune", "encode", "done"]
    for phase in phases:
        done = [p.done for p in seen if p.phase == phase]
        assert done == sorted(done)
    assert seen[-1].done == seen[-1].total == len(rows)

    def stop(progress: Progress) -> None:
        if progress.phase == "assign":
            raise errors.CancelledError("asked to")

    with pytest.raises(errors.CancelledError):
        SoarIndex.build(rows, progress=stop)


def test_many_threads_may_search(index, rows):
    params = SearchParams(k=5, nprobe=6)
    want = index.search(rows[:200], params).ids
    answers = [None] * 6

    def work(i):
        answers[i] = index.search(rows[:200], params).ids

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for got in answers:
        np.testing.assert_array_equal(got, want)


def test_repr_says_what_it_is(index):
    assert repr(index).startswith("SoarIndex(n=3000, dim=10, metric='cosine', nlist=")


def test_missing_faiss_is_said_plainly(monkeypatch, rows):
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(errors.EngineUnavailableError, match="pip install faiss-cpu"):
        SoarIndex.build(rows, BuildParams(tune_queries=0), engine="faiss")


def test_the_same_parameters_are_planned_anew_where_a_mask_may_have_changed(index):
    queries = index.vectors[:3]
    allowed = np.ones(len(index), np.bool_)
    params = SearchParams(k=1, nprobe=index.nlist, allowed=allowed)
    assert index.search_rows(queries, params)[0].ravel().tolist() == [0, 1, 2]
    allowed[1] = False
    assert index.search_rows(queries, params)[0].ravel().tolist()[1] != 1
    plain = SearchParams(k=1, nprobe=index.nlist)
    for _ in range(2):
        assert index.search_rows(queries, plain)[0].ravel().tolist() == [0, 1, 2]


def test_all_rows_are_found_in_all_lists():
    """Beyond the largest measured k, nprobe grows with k."""
    rows = np.random.default_rng(8).normal(size=(3000, 8)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(metric="l2", nlist=40, tune_queries=64))
    found = index.find_rows(rows[:2], SearchParams(k=3000))
    assert found.stats.nprobe <= 40
    assert np.sort(found.rows, axis=1).tolist() == [list(range(3000))] * 2


@pytest.mark.parametrize("k", [10, 11, 20, 60])
def test_no_more_lists_are_probed_than_there_are(k):
    rows = np.random.default_rng(16).normal(size=(60, 3)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(metric="l2"))
    assert index.nlist == 1
    for allowed in (None, np.arange(60) > 3):
        found = index.search(rows[:5], SearchParams(k=k, allowed=allowed))
        assert found.ids.shape == (5, k)
        assert found.stats.nprobe <= 1
