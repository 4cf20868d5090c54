"""Ranking lists, choosing a tier, and what the native border refuses."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index.engines import native
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import NativeEngine
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.errors import InvalidParamsError
from gleann.index.metric import list_scores

if not native.available():
    pytest.skip(native.unavailable_reason(), allow_module_level=True)

import native_oracle as oracle

TIERS = [*native.tiers(), native.EMULATED_TIER]
METRICS = ["ip", "cosine", "l2"]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("metric", METRICS)
def test_lists_are_ranked_as_in_numpy(metric, tier):
    for d, nlist in ((1, 1), (3, 15), (17, 16), (64, 33), (100, 250)):
        data = oracle.make_data(metric, n=nlist, d=d, nlist=nlist, seed=d)
        engine = NativeEngine(data, tier=tier)
        for nq, nprobe in ((0, 1), (1, nlist), (50, max(1, nlist // 3))):
            queries = oracle.make_queries(data, nq)
            got = engine.rank_lists(queries, nprobe=nprobe)
            assert got.shape == (nq, nprobe)
            assert got.dtype == np.int32
            want = ReferenceEngine(data).rank_lists(queries, nprobe=nprobe)
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("nlist", [3_000, 12_000])
def test_many_lists_are_ranked_a_few_queries_at_a_time(nlist, tier):
    data = oracle.make_data("l2", n=nlist, d=3, nlist=nlist)
    queries = oracle.make_queries(data, 45)
    got = NativeEngine(data, tier=tier, threads=2).rank_lists(queries, nprobe=30)
    want = ReferenceEngine(data).rank_lists(queries, nprobe=30)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("tier", TIERS)
def test_equal_lists_go_to_the_lower_number(tier):
    data = oracle.make_data("cosine", n=90, d=5, nlist=90)
    data = replace(data, centroids=np.tile(data.centroids[:3], (30, 1)))
    queries = oracle.make_queries(data, 60)
    got = NativeEngine(data, tier=tier).rank_lists(queries, nprobe=40)
    order = list_scores(queries, data.centroids[:3], data.encoding).argsort(axis=1)[
        :, ::-1
    ]
    np.testing.assert_array_equal(got[:, :30] % 3, order[:, :1].repeat(30, axis=1))
    np.testing.assert_array_equal(got[:, 30:] % 3, order[:, 1:2].repeat(10, axis=1))
    assert (np.diff(got[:, :30], axis=1) > 0).all()
    assert (np.diff(got[:, 30:], axis=1) > 0).all()


@pytest.mark.parametrize("tier", TIERS)
def test_ranking_does_not_depend_on_threads_or_batch(tier):
    data = oracle.make_data("l2", n=70, d=31, nlist=70)
    queries = oracle.make_queries(data, 130)
    want = NativeEngine(data, tier=tier, threads=1).rank_lists(queries, nprobe=20)
    engine = NativeEngine(data, tier=tier, threads=5)
    np.testing.assert_array_equal(engine.rank_lists(queries, nprobe=20), want)
    for q in (0, 47, 48, 129):
        one = engine.rank_lists(queries[q : q + 1], nprobe=20)
        np.testing.assert_array_equal(one[0], want[q])


def test_the_name_tells_the_tier():
    data = oracle.make_data("ip", n=20, d=4, nlist=2)
    assert NativeEngine(data).name == f"native/{native.tiers()[0]}"
    for tier in TIERS:
        assert NativeEngine(data, tier=tier).name == f"native/{tier}"
    assert native.tiers()[-1] == "portable"
    assert native.unavailable_reason() == ""


def test_unknown_tiers_and_negative_threads_are_refused():
    data = oracle.make_data("ip", n=20, d=4, nlist=2)
    with pytest.raises(InvalidParamsError, match="mmx"):
        NativeEngine(data, tier="mmx")
    with pytest.raises(InvalidParamsError, match="-1"):
        NativeEngine(data, threads=-1)


@pytest.mark.parametrize(
    ("list_nos", "what"),
    [
        ([[0, 2]], "does not exist"),
        ([[1, 1]], "twice"),
        ([[0, 1], [0, 1]], "list_nos"),
    ],
)
def test_the_border_reads_no_list_that_is_not_there(list_nos, what):
    data = oracle.make_data("ip", n=20, d=4, nlist=2)
    engine = NativeEngine(data)
    with pytest.raises(ValueError, match=what):
        engine.scan(
            oracle.make_queries(data, 1),
            np.array(list_nos, np.int32),
            ScanRequest(k=1, rerank=1),
        )


def test_the_border_checks_shapes():
    data = oracle.make_data("ip", n=20, d=4, nlist=2)
    engine = NativeEngine(data)
    queries = oracle.make_queries(data, 3)
    list_nos = np.zeros((3, 1), np.int32)
    with pytest.raises(ValueError, match="queries"):
        engine.rank_lists(queries[:, :3], nprobe=1)
    with pytest.raises(ValueError, match="nprobe"):
        engine.rank_lists(queries, nprobe=3)
    with pytest.raises(ValueError, match="rerank"):
        engine.scan(queries, list_nos, ScanRequest(k=2, rerank=1))
    request = ScanRequest(k=1, rerank=1, allowed=np.ones(19, bool))
    with pytest.raises(ValueError, match="allowed"):
        engine.scan(queries, list_nos, request)


def test_arrays_that_contradict_each_other_are_refused():
    data = oracle.make_data("ip", n=20, d=4, nlist=3)
    with pytest.raises(ValueError, match="shape"):
        NativeEngine(replace(data, vectors=data.vectors[:19]))
    bad_rows = data.lists.rows.copy()
    bad_rows[3] = 20
    with pytest.raises(ValueError, match="row does not exist"):
        NativeEngine(replace(data, lists=replace(data.lists, rows=bad_rows)))
    bad_mids = data.lists.mids + 1000
    with pytest.raises(ValueError, match="ascend"):
        NativeEngine(replace(data, lists=replace(data.lists, mids=bad_mids)))
    orphan = np.full_like(data.lists.others, -1)
    with pytest.raises(ValueError, match="no primary"):
        NativeEngine(replace(data, lists=replace(data.lists, others=orphan)))
