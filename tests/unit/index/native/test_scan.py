"""Every tier's scan against the same search written in NumPy."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index.codes import Codes, Encoding
from gleann.index.engines import native
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import NativeEngine
from gleann.index.engines.stepwise import top_lists
from gleann.index.metric import list_scores

if not native.available():
    pytest.skip(native.unavailable_reason(), allow_module_level=True)

import native_oracle as oracle

TIERS = [*native.tiers(), native.EMULATED_TIER]
METRICS = ["ip", "cosine", "l2"]


def assert_equals(got, want):
    """Bit for bit: sums are integers, and distances are rounded once from float64."""
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.work.entries_scanned == want.entries
    assert got.work.reranked == want.pooled
    assert got.work.survivors >= got.work.reranked


def assert_same(got, want):
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("d", [1, 3, 7, 16, 17, 63, 64, 65, 100, 384])
@pytest.mark.parametrize("metric", METRICS)
def test_every_dimension(metric, d, tier):
    data = oracle.make_data(metric, n=300, d=d, nlist=5, seed=d)
    engine = NativeEngine(data, tier=tier, threads=1)
    request = ScanRequest(k=10, rerank=25)
    for nq in (2, 33):
        queries = oracle.make_queries(data, nq)
        list_nos = oracle.probe_some(data, nq, 3)
        got = engine.scan(queries, list_nos, request)
        assert_equals(got, oracle.search(data, queries, list_nos, request))
        assert got.work.lists_probed == (list_nos >= 0).sum()


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("d", [1, 2, 3, 16, 33, 130])
@pytest.mark.parametrize("offset", [0.0, 3000.0])
@pytest.mark.parametrize("kind", ["int8", "float32"])
@pytest.mark.parametrize("metric", METRICS)
def test_every_kind_of_codes(metric, kind, offset, d, tier):
    """Scores, and so pools and lists, are those of `Encoding`, bit for bit."""
    if metric == "cosine" and d == 1:
        pytest.skip("all rows are 1 or -1")
    data = oracle.make_data(
        metric, n=400, d=d, nlist=5, seed=d, kind=kind, offset=offset
    )
    engine = NativeEngine(data, tier=tier, threads=1)
    for nq, pool in ((2, 10), (33, 13)):
        queries = oracle.make_queries(data, nq)
        list_nos = oracle.probe_some(data, nq, 4)
        request = ScanRequest(k=10, rerank=pool)
        got = engine.scan(queries, list_nos, request)
        assert_equals(got, oracle.search(data, queries, list_nos, request))
        ranked = engine.rank_lists(queries, nprobe=3)
        scores = list_scores(queries, data.centroids, data.encoding)
        np.testing.assert_array_equal(ranked, top_lists(scores, nprobe=3))
        if metric != "cosine":  # whose queries a search brings to unit length again
            found = engine.search(queries, nprobe=3, request=request)
            assert_same(found, engine.scan(queries, ranked, request))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("metric", METRICS)
def test_float32_codes_of_every_list_length(metric, tier):
    lengths = [0, 1, 15, 16, 17, 33, 64, 65, 129, 143]
    primary = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((len(primary), 3)).astype(np.float32)
    secondary = np.where(primary > 1, primary - 1, -1).astype(np.int32)
    encoding = Encoding(metric=metric, kind="float32", center=np.ones(3, np.float32))
    data = oracle.data_of(
        metric,
        oracle.prepare(vectors, metric),
        primary,
        secondary,
        nlist=len(lengths),
        encoding=encoding,
    )
    queries = oracle.make_queries(data, 12)
    list_nos = np.arange(len(lengths), dtype=np.int32)[None].repeat(12, axis=0)
    engine = NativeEngine(data, tier=tier, threads=1)
    for segments in ("both", "primary"):
        for nq in (1, 12):
            request = ScanRequest(k=20, rerank=40, segments=segments)
            got = engine.scan(queries[:nq], list_nos[:nq], request)
            assert_equals(
                got, oracle.search(data, queries[:nq], list_nos[:nq], request)
            )


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("metric", METRICS)
def test_every_number_of_queries(metric, tier):
    data = oracle.make_data(metric, n=400, d=20, nlist=6)
    engine = NativeEngine(data, tier=tier, threads=1)
    request = ScanRequest(k=5, rerank=12)
    for nq in (0, 1, 2, 5, 6, 7, 16, 31, 32, 33, 97, 200):
        queries = oracle.make_queries(data, nq)
        list_nos = oracle.probe_some(data, nq, 4, gaps=False)
        got = engine.scan(queries, list_nos, request)
        assert_equals(got, oracle.search(data, queries, list_nos, request))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("metric", METRICS)
def test_every_list_length(metric, tier):
    """Ends of blocks and of runs of blocks, with the spilled part starting anywhere."""
    lengths = [0, 1, 15, 16, 17, 33, 64, 65, 129, 143]
    primary = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((len(primary), 9)).astype(np.float32)
    vectors = oracle.prepare(vectors, metric)
    secondary = np.where(primary > 1, primary - 1, -1).astype(np.int32)
    secondary[rng.random(len(primary)) < 0.5] = -1
    data = oracle.data_of(metric, vectors, primary, secondary, nlist=len(lengths))
    queries = oracle.make_queries(data, 12)
    list_nos = np.arange(len(lengths), dtype=np.int32)[None].repeat(12, axis=0)
    engine = NativeEngine(data, tier=tier, threads=1)
    for segments in ("both", "primary"):
        for columns in (slice(0, 4), slice(4, 8), slice(8, 10), slice(None)):
            request = ScanRequest(k=20, rerank=40, segments=segments)
            some = np.ascontiguousarray(list_nos[:, columns])
            got = engine.scan(queries, some, request)
            assert_equals(got, oracle.search(data, queries, some, request))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("segments", ["both", "primary"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.6])
def test_only_allowed_rows(share, segments, tier):
    data = oracle.make_data("l2", n=600, d=12, nlist=8)
    allowed = np.random.default_rng(3).random(600) < share
    request = ScanRequest(k=8, rerank=16, allowed=allowed, segments=segments)
    queries = oracle.make_queries(data, 40)
    list_nos = oracle.probe_some(data, 40, 5)
    got = NativeEngine(data, tier=tier).scan(queries, list_nos, request)
    assert_equals(got, oracle.search(data, queries, list_nos, request))
    assert allowed[got.rows[got.rows >= 0]].all()


@pytest.mark.parametrize("tier", TIERS)
def test_a_spilled_row_is_found_once_whichever_list_is_probed(tier):
    data = oracle.make_data("ip", n=60, d=8, nlist=3, seed=8)
    engine = NativeEngine(data, tier=tier)
    queries = oracle.make_queries(data, 1)
    request = ScanRequest(k=60, rerank=60)
    for probed in ([0, 1], [0, -1], [1, -1], [1, 0]):
        got = engine.scan(queries, np.array([probed], np.int32), request).rows[0]
        got = got[got >= 0]
        read = oracle.probed_rows(data, [j for j in probed if j >= 0], "both")
        np.testing.assert_array_equal(np.sort(got), np.unique(read))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("metric", METRICS)
def test_ties_keep_the_lower_rows(metric, tier):
    """Copies of three vectors tie at the pool's cut and in the answer."""
    rng = np.random.default_rng(6)
    base = oracle.prepare(rng.standard_normal((3, 10)).astype(np.float32), metric)
    vectors = np.tile(base, (250, 1))
    primary = rng.integers(0, 4, len(vectors)).astype(np.int32)
    secondary = np.where(primary == 2, 3, -1).astype(np.int32)
    data = oracle.data_of(metric, vectors, primary, secondary, nlist=4)
    queries = oracle.make_queries(data, 9)
    list_nos = np.tile(np.array([2, 0, 3, 1], np.int32), (9, 1))
    request = ScanRequest(k=30, rerank=35)
    got = NativeEngine(data, tier=tier).scan(queries, list_nos, request)
    assert_equals(got, oracle.search(data, queries, list_nos, request))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("d", [64, 130, 2048, 65_536])
def test_extreme_codes_do_not_saturate(d, tier):
    """All +-127: the largest sums there are, of either sign and of mixed signs."""
    rng = np.random.default_rng(7)
    signs = rng.choice(np.array([-1, 1], np.float32), size=(48, d))
    signs[0], signs[1] = 1, -1
    data = oracle.data_of(
        "ip",
        signs * 127,
        np.zeros(48, np.int32),
        np.full(48, -1, np.int32),
        nlist=1,
    )
    assert np.abs(data.codes.values).min() == 127
    queries = np.ascontiguousarray(data.vectors[:9])
    list_nos = np.zeros((9, 1), np.int32)
    request = ScanRequest(k=48, rerank=48)
    got = NativeEngine(data, tier=tier).scan(queries, list_nos, request)
    assert_equals(got, oracle.search(data, queries, list_nos, request))
    assert got.distances[0, 0] == -d * 127 * 127
    # A pool of one row is chosen by the integer sums alone.
    one = ScanRequest(k=1, rerank=1)
    got = NativeEngine(data, tier=tier).scan(queries, list_nos, one)
    np.testing.assert_array_equal(got.rows[:, 0], np.arange(9))


@pytest.mark.parametrize("tier", TIERS)
def test_large_pool_and_k(tier):
    data = oracle.make_data("cosine", n=5000, d=6, nlist=3)
    queries = oracle.make_queries(data, 4)
    list_nos = oracle.probe_some(data, 4, 3, gaps=False)
    request = ScanRequest(k=1024, rerank=3000)
    got = NativeEngine(data, tier=tier).scan(queries, list_nos, request)
    assert_equals(got, oracle.search(data, queries, list_nos, request))


@pytest.mark.parametrize("tier", TIERS)
def test_threads_and_batches_do_not_change_the_answer(tier):
    """Nor does the path: one query goes list by list, 80 share their lists."""
    data = oracle.make_data("l2", n=3000, d=33, nlist=40)
    queries = oracle.make_queries(data, 80)
    list_nos = oracle.probe_some(data, 80, 7)
    request = ScanRequest(k=9, rerank=20)
    want = NativeEngine(data, tier=tier, threads=1).scan(queries, list_nos, request)
    for threads in (2, 5):
        engine = NativeEngine(data, tier=tier, threads=threads)
        got = engine.scan(queries, list_nos, request)
        assert_same(got, want)
        for q in range(0, 80, 11):
            single = engine.scan(queries[q : q + 1], list_nos[q : q + 1], request)
            np.testing.assert_array_equal(single.rows[0], want.rows[q])
            np.testing.assert_array_equal(single.distances[0], want.distances[q])


@pytest.mark.parametrize("tier", native.tiers()[:1])
def test_one_query_shared_by_threads(tier):
    """Enough codes to read that the lists of one query are split."""
    data = oracle.make_data("cosine", n=40_000, d=128, nlist=16)
    queries = oracle.make_queries(data, 2)
    list_nos = oracle.probe_some(data, 2, 7, gaps=False)
    allowed = np.arange(40_000) % 3 != 0
    request = ScanRequest(k=10, rerank=40, allowed=allowed)
    alone = NativeEngine(data, tier=tier, threads=1)
    shared = NativeEngine(data, tier=tier, threads=6)
    want = alone.scan(queries, list_nos, request)
    got = shared.scan(queries, list_nos, request)
    assert_same(got, want)
    assert got.work.entries_scanned == want.work.entries_scanned
    assert_equals(got, oracle.search(data, queries, list_nos, request))


@pytest.mark.parametrize("tier", TIERS)
def test_one_searched_query_shared_by_threads(tier):
    """Each part picks the lists for itself; together they must be those of one."""
    data = oracle.make_data("cosine", n=40_000, d=128, nlist=16)
    queries = oracle.make_queries(data, 2)
    request = ScanRequest(k=10, rerank=40)
    alone = NativeEngine(data, tier=tier, threads=1)
    shared = NativeEngine(data, tier=tier, threads=6)
    want = alone.search(queries, nprobe=7, request=request)
    got = shared.search(queries, nprobe=7, request=request)
    assert_same(got, want)
    assert got.work.lists_probed == 14
    assert got.work.entries_scanned == want.work.entries_scanned


@pytest.mark.parametrize("tier", TIERS)
def test_memory_mapped_vectors(tier, tmp_path):
    data = oracle.make_data("cosine", n=200, d=16, nlist=4)
    np.save(tmp_path / "vectors.npy", data.vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    queries = oracle.make_queries(data, 6)
    list_nos = oracle.probe_some(data, 6, 2)
    request = ScanRequest(k=5, rerank=10)
    on_disk = NativeEngine(replace(data, vectors=mapped), tier=tier)
    assert_equals(
        on_disk.scan(queries, list_nos, request),
        oracle.search(data, queries, list_nos, request),
    )


@pytest.mark.parametrize("tier", TIERS)
def test_huge_and_tiny_values(tier):
    """Squares beyond float32, scales below its normal range: rows find themselves."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((40, 8)).astype(np.float32)
    vectors[:20] *= np.float32(1e18)
    vectors[20:39] *= np.float32(1e-30)
    vectors[39] = 0
    data = oracle.data_of(
        "l2", vectors, np.zeros(40, np.int32), np.full(40, -1, np.int32), nlist=1
    )
    request = ScanRequest(k=1, rerank=40)
    queries = np.ascontiguousarray(vectors)
    got = NativeEngine(data, tier=tier).scan(
        queries, np.zeros((40, 1), np.int32), request
    )
    assert (got.distances == 0).all()


@pytest.mark.parametrize("tier", TIERS)
def test_l2_scores_round_alike_on_all_tiers(tier):
    """Far from the origin, scores at the pool's cut differ in their last bits only.

    A compiler that fuses the product and the difference into one rounding would choose
    other rows.
    """
    rng = np.random.default_rng(2)
    vectors = (100 + rng.standard_normal((3000, 3))).astype(np.float32)
    lists = np.zeros(3000, np.int32)
    data = oracle.data_of("l2", vectors, lists, np.full(3000, -1, np.int32), nlist=1)
    queries = np.ascontiguousarray(vectors[:20])
    probe = np.zeros((20, 1), np.int32)
    request = ScanRequest(k=500, rerank=500)
    got = NativeEngine(data, tier=tier).scan(queries, probe, request)
    assert_equals(got, oracle.search(data, queries, probe, request))


def test_codes_of_queries_follow_the_rule_of_codes_py():
    """Ties of the rounding go to the even code, as in NumPy."""
    d = 254
    halves = (np.arange(d, dtype=np.float32) - 126.5).reshape(1, d)
    halves[0, -1] = 127
    axes = Codes(
        values=127 * np.eye(d, dtype=np.int8), scales=np.full(d, 1 / 127, np.float32)
    )
    data = oracle.data_of(
        "ip",
        np.eye(d, dtype=np.float32),
        np.zeros(d, np.int32),
        np.full(d, -1, np.int32),
        nlist=1,
    )
    data = replace(data, codes=axes)
    probe = np.zeros((1, 1), np.int32)
    for tier in TIERS:
        for pool in (1, 7, 100, 253):
            request = ScanRequest(k=pool, rerank=pool)
            got = NativeEngine(data, tier=tier).scan(halves, probe, request)
            assert_equals(got, oracle.search(data, halves, probe, request))
