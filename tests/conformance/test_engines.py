"""The contract of `gleann.index.engines.contract`, on every engine and native tier."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k
from gleann.index.engines.choose import make_engine
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.errors import NonFiniteError, ZeroVectorError
from gleann.index.metric import prepare

METRICS = ["ip", "cosine", "l2"]
SPILLS = ["soar", "naive", "none"]


@pytest.fixture(scope="module")
def built():
    """One index for each (metric, spill, d), built once and served by each engine."""
    cache = {}

    def build(metric, spill, *, d=24, n=1500, nlist=30, duplicates=False):
        key = (metric, spill, d, n, nlist, duplicates)
        if key not in cache:
            rng = np.random.default_rng(5)
            centres = rng.normal(size=(12, d))
            rows = centres[rng.integers(12, size=n)] + 0.6 * rng.normal(size=(n, d))
            if duplicates:
                rows[n // 2 :] = rows[: n - n // 2]
            params = BuildParams(
                metric=metric, spill=spill, nlist=nlist, tune_queries=0, seed=3
            )
            cache[key] = SoarIndex.build(
                rows.astype(np.float32), params, engine="reference"
            )
        return cache[key]

    return build


def queries_for(index, count, seed=9):
    rng = np.random.default_rng(seed)
    picked = index.vectors[rng.integers(len(index), size=count)]
    noisy = picked + 0.3 * rng.normal(size=picked.shape)
    if index.metric == "cosine":
        noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    return noisy.astype(np.float32)


def assert_same_answer(got, want, rows_too=True):
    """Same distances; same rows wherever the distance is not tied with a neighbour."""
    finite = np.isfinite(want.distances)
    np.testing.assert_array_equal(np.isfinite(got.distances), finite)
    np.testing.assert_allclose(
        got.distances[finite], want.distances[finite], rtol=2e-5, atol=2e-5
    )
    if rows_too:
        near = np.where(finite, want.distances, 1e9)
        gaps = np.diff(near, axis=1, append=1e10)
        before = np.diff(near, axis=1, prepend=-1e10)
        clear = (gaps > 1e-4) & (before > 1e-4) & finite
        clear[:, -1] = False  # its next neighbour is not in sight
        np.testing.assert_array_equal(got.rows[clear], want.rows[clear])


@pytest.mark.parametrize("spill", SPILLS)
@pytest.mark.parametrize("metric", METRICS)
def test_scan_equals_reference(built, engine_name, metric, spill):
    data = built(metric, spill).data
    queries = queries_for(built(metric, spill), 40)
    reference = ReferenceEngine(data)
    list_nos = reference.rank_lists(queries, nprobe=6)
    request = ScanRequest(k=10, rerank=80)
    got = make_engine(data, name=engine_name).scan(queries, list_nos, request)
    want = reference.scan(queries, list_nos, request)
    assert_same_answer(got, want)
    assert got.work.lists_probed == want.work.lists_probed == 240
    assert got.work.entries_scanned == want.work.entries_scanned


@pytest.mark.parametrize("metric", METRICS)
def test_lists_rank_as_in_reference(built, engine_name, metric):
    index = built(metric, "soar")
    queries = queries_for(index, 50)
    reference = ReferenceEngine(index.data)
    engine = make_engine(index.data, name=engine_name)
    for nprobe in (1, 7, index.nlist):
        got = engine.rank_lists(queries, nprobe=nprobe)
        want = reference.rank_lists(queries, nprobe=nprobe)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("nlist", [127, 128, 255, 700])
@pytest.mark.parametrize("metric", METRICS)
def test_few_of_many_lists_rank_as_in_reference(
    built, engine_name, metric, nlist, duplicates
):
    """Engines may seek them among the best of groups of lists."""
    index = built(metric, "soar", nlist=nlist, duplicates=duplicates)
    queries = queries_for(index, 40)
    reference = ReferenceEngine(index.data)
    engine = make_engine(index.data, name=engine_name)
    for nprobe in sorted({1, 2, nlist // 64, nlist // 64 + 1, nlist // 8}):
        got = engine.rank_lists(queries, nprobe=nprobe)
        want = reference.rank_lists(queries, nprobe=nprobe)
        np.testing.assert_array_equal(got, want)
        for count in (1, 40):
            request = ScanRequest(k=5, rerank=30)
            found = engine.search(queries[:count], nprobe=nprobe, request=request)
            sizes = np.diff(index.data.lists.offsets)[want[:count]]
            assert found.work.entries_scanned == sizes.sum()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("count", "pool"), [(0, 60), (1, 20), (3, 60), (200, 20)])
def test_search_is_prepare_rank_and_scan(built, engine_name, metric, count, pool):
    index = built(metric, "soar")
    given = 3 * queries_for(index, count)
    prepared = prepare(given, metric)
    engine = make_engine(index.data, name=engine_name)
    request = ScanRequest(k=5, rerank=pool)
    got = engine.search(given, nprobe=4, request=request)
    list_nos = engine.rank_lists(prepared, nprobe=4)
    assert_same_answer(got, engine.scan(prepared, list_nos, request))
    reference = ReferenceEngine(index.data).scan(prepared, list_nos, request)
    assert got.work.entries_scanned == reference.work.entries_scanned


@pytest.mark.parametrize("count", [1, 50])
def test_no_lists_hold_nothing(built, engine_name, count):
    index = built("l2", "soar")
    queries = queries_for(index, count)
    engine = make_engine(index.data, name=engine_name, threads=4)
    none = np.empty((count, 0), np.int32)
    got = engine.scan(queries, none, ScanRequest(k=3, rerank=5))
    assert (got.rows == -1).all()
    assert np.isposinf(got.distances).all()
    assert got.short == count


def test_a_zero_query_has_no_cosine(built, engine_name):
    index = built("cosine", "soar")
    queries = queries_for(index, 5)
    queries[3] = 0
    engine = make_engine(index.data, name=engine_name)
    with pytest.raises(ZeroVectorError, match="row 3 is a zero vector"):
        engine.search(queries, nprobe=2, request=ScanRequest(k=1, rerank=1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("metric", METRICS)
def test_queries_are_finite(built, engine_name, metric, bad):
    index = built(metric, "soar")
    queries = queries_for(index, 5)
    queries[2, 1] = bad
    engine = make_engine(index.data, name=engine_name)
    with pytest.raises(NonFiniteError, match="queries row 2 has NaN or infinity"):
        engine.search(queries, nprobe=2, request=ScanRequest(k=1, rerank=1))


@pytest.mark.parametrize("d", [1, 3, 16, 17, 63, 65, 130])
@pytest.mark.parametrize("metric", METRICS)
def test_odd_dimensions(built, engine_name, metric, d):
    index = built(metric, "soar", d=d, n=300, nlist=7)
    queries = queries_for(index, 5)
    reference = ReferenceEngine(index.data)
    list_nos = reference.rank_lists(queries, nprobe=3)
    request = ScanRequest(k=5, rerank=len(index))
    got = make_engine(index.data, name=engine_name).scan(queries, list_nos, request)
    assert_same_answer(got, reference.scan(queries, list_nos, request))


@pytest.mark.parametrize("metric", METRICS)
def test_no_row_twice_even_with_duplicates(built, engine_name, metric):
    index = built(metric, "naive", duplicates=True)
    queries = queries_for(index, 30)
    engine = make_engine(index.data, name=engine_name)
    list_nos = engine.rank_lists(queries, nprobe=10)
    request = ScanRequest(k=50, rerank=200)
    got = engine.scan(queries, list_nos, request)
    for row in got.rows.tolist():
        found = [r for r in row if r >= 0]
        assert len(set(found)) == len(found)
    want = ReferenceEngine(index.data).scan(queries, list_nos, request)
    assert_same_answer(got, want, rows_too=False)


def test_ties_go_to_the_lower_row(built, engine_name):
    """Every row twice: of each equal pair the lower row comes first."""
    index = built("l2", "soar", duplicates=True, n=400, nlist=8)
    queries = index.vectors[:20]
    engine = make_engine(index.data, name=engine_name)
    list_nos = engine.rank_lists(queries, nprobe=8)
    got = engine.scan(queries, list_nos, ScanRequest(k=2, rerank=100))
    np.testing.assert_array_equal(got.rows[:, 0], np.arange(20))
    np.testing.assert_array_equal(got.rows[:, 1], np.arange(20) + 200)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
def test_only_allowed_rows_come_back(built, engine_name, share):
    index = built("cosine", "soar")
    queries = queries_for(index, 25)
    allowed = np.random.default_rng(1).random(len(index)) < share
    engine = make_engine(index.data, name=engine_name)
    list_nos = engine.rank_lists(queries, nprobe=12)
    request = ScanRequest(k=10, rerank=60, allowed=allowed)
    got = engine.scan(queries, list_nos, request)
    assert allowed[got.rows[got.rows >= 0]].all()
    want = ReferenceEngine(index.data).scan(queries, list_nos, request)
    assert_same_answer(got, want)


@pytest.mark.parametrize("with_mask", [False, True])
def test_primary_segment_only(built, engine_name, with_mask):
    index = built("cosine", "naive")
    queries = queries_for(index, 25)
    allowed = np.random.default_rng(2).random(len(index)) < 0.5 if with_mask else None
    engine = make_engine(index.data, name=engine_name)
    list_nos = engine.rank_lists(queries, nprobe=3)
    request = ScanRequest(k=10, rerank=80, allowed=allowed, segments="primary")
    got = engine.scan(queries, list_nos, request)
    assert_same_answer(
        got, ReferenceEngine(index.data).scan(queries, list_nos, request)
    )
    lists = index.data.lists
    of_row = np.empty(len(index), np.int64)
    for j in range(lists.nlist):
        of_row[lists.rows[lists.offsets[j] : lists.mids[j]]] = j
    for q, row in enumerate(got.rows.tolist()):
        assert {of_row[r] for r in row if r >= 0} <= set(list_nos[q].tolist())


def test_spilled_copy_found_when_primary_is_not_probed(built, engine_name):
    """Probing only a row's second list must still bring the row."""
    index = built("cosine", "naive")
    lists = index.data.lists
    list_no = int(np.argmax(lists.offsets[1:] - lists.mids))
    rows = lists.rows[lists.mids[list_no] : lists.offsets[list_no + 1]][:20]
    queries = np.ascontiguousarray(index.vectors[rows])
    probes = np.full((len(rows), 1), list_no, np.int32)
    got = make_engine(index.data, name=engine_name).scan(
        queries, probes, ScanRequest(k=1, rerank=50)
    )
    np.testing.assert_array_equal(got.rows[:, 0], rows)


def test_missing_lists_are_skipped(built, engine_name):
    index = built("l2", "soar")
    queries = queries_for(index, 6)
    engine = make_engine(index.data, name=engine_name)
    list_nos = engine.rank_lists(queries, nprobe=4)
    list_nos[::2, 1:] = -1
    list_nos[0] = -1
    request = ScanRequest(k=10, rerank=100)
    got = engine.scan(queries, list_nos, request)
    assert (got.rows[0] == -1).all()
    assert np.isinf(got.distances[0]).all()
    assert_same_answer(
        got, ReferenceEngine(index.data).scan(queries, list_nos, request)
    )


def test_no_queries(built, engine_name):
    index = built("l2", "soar")
    engine = make_engine(index.data, name=engine_name)
    none = np.empty((0, index.dim), np.float32)
    list_nos = engine.rank_lists(none, nprobe=3)
    assert list_nos.shape == (0, 3)
    got = engine.scan(none, list_nos, ScanRequest(k=4, rerank=8))
    assert got.rows.shape == got.distances.shape == (0, 4)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spill", SPILLS)
def test_full_probe_is_exact(built, engine_name, metric, spill):
    index = built(metric, spill, n=600, nlist=15).with_engine(engine_name)
    queries = queries_for(index, 20)
    full = SearchParams(k=10, nprobe=index.nlist, rerank=len(index))
    found = index.search(queries, full)
    exact = index.search(queries, SearchParams(k=10, exact=True))
    np.testing.assert_allclose(found.distances, exact.distances, rtol=2e-5, atol=2e-5)
    assert (found.ids == exact.ids).mean() > 0.99


def test_one_row(engine_name):
    row = np.ones((1, 3), np.float32)
    params = BuildParams(metric="l2", nlist=1)
    index = SoarIndex.build(row, params, engine=engine_name)
    found = index.search(row + 1, SearchParams(k=1))
    assert found.ids.tolist() == [[0]]
    assert found.distances.tolist() == [[3.0]]


@pytest.mark.parametrize("metric", METRICS)
def test_all_rows_equal(engine_name, metric):
    rows = np.full((70, 5), 0.25, np.float32)
    params = BuildParams(metric=metric, nlist=4)
    index = SoarIndex.build(rows, params, engine=engine_name)
    found = index.search(rows[:3], SearchParams(k=70, nprobe=4))
    assert all(sorted(ids) == list(range(70)) for ids in found.ids.tolist())


def far_rows(kind, metric, n=1200):
    """Rows that plain int8 codes, or 16 bits, cannot tell apart."""
    rng = np.random.default_rng(8)
    if kind == "coordinates":
        rows = rng.normal([601_000, 5_340_000], 4000, (n, 2))
    elif kind == "two places":
        rows = rng.standard_normal((n, 3)) + 1000 * (rng.random((n, 1)) < 0.5)
    elif kind == "a narrow cone":
        rows = rng.standard_normal((n, 48)) + 10
    else:
        rows = rng.standard_normal((n, 15))
        rows = np.column_stack([rows, rng.integers(1990, 2025, n)])
    rows[n // 2 : n // 2 + 50] = rows[:50]
    return prepare(rows.astype(np.float32), metric)


FAR = {
    "coordinates": ("l2", "ip"),
    "two places": ("l2", "ip"),
    "a narrow cone": METRICS,
    "a year among features": ("l2", "ip"),
}


@pytest.fixture(scope="module")
def far_index():
    """One index for each (kind of rows, metric, codes), built once."""
    cache = {}

    def build(kind, metric, codes):
        if (kind, metric, codes) not in cache:
            params = BuildParams(metric=metric, nlist=20, tune_queries=0, codes=codes)
            rows = far_rows(kind, metric)
            cache[kind, metric, codes] = SoarIndex.build(
                rows, params, engine="reference"
            )
        return cache[kind, metric, codes]

    return build


@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize(
    ("kind", "metric"), [(kind, metric) for kind in FAR for metric in FAR[kind]]
)
def test_rows_far_from_the_origin(far_index, engine_name, kind, metric, codes):
    """The reference scores no codes: what it finds, others find within their pools."""
    index = far_index(kind, metric, codes)
    rng = np.random.default_rng(4)
    queries = index.vectors[rng.choice(len(index), 60, replace=False)]
    engine = make_engine(index.data, name=engine_name)
    reference = ReferenceEngine(index.data)
    for nprobe in (3, index.nlist):
        list_nos = engine.rank_lists(queries, nprobe=nprobe)
        np.testing.assert_array_equal(
            list_nos, reference.rank_lists(queries, nprobe=nprobe)
        )
        request = ScanRequest(k=10, rerank=100)
        got = engine.scan(queries, list_nos, request)
        want = reference.scan(queries, list_nos, request)
        # Two places leave int8 a few codes each: that is what float32 is for.
        least = 0.3 if kind == "two places" and codes == "int8" else 0.98
        assert recall_at_k(got.distances, want.distances) >= least
        assert (np.diff(got.distances, axis=1) >= 0).all()
        if metric != "ip":
            assert (got.distances >= 0).all()
            assert (got.distances[:, 0] == 0).mean() >= least


@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("metric", METRICS)
def test_one_row_far_from_the_origin(engine_name, metric, codes):
    row = np.full((1, 3), 3000, np.float32)
    params = BuildParams(metric=metric, nlist=1, codes=codes)
    index = SoarIndex.build(row, params, engine=engine_name)
    found = index.search(row, SearchParams(k=1, nprobe=1))
    assert found.ids.tolist() == [[0]]
    assert found.distances.tolist() == [[-27e6 if metric == "ip" else 0.0]]


@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("metric", METRICS)
def test_equal_rows_far_from_the_origin(engine_name, metric, codes):
    rows = np.full((70, 5), 3000.25, np.float32)
    params = BuildParams(metric=metric, nlist=4, codes=codes)
    index = SoarIndex.build(rows, params, engine=engine_name)
    found = index.search(rows[:3], SearchParams(k=70, nprobe=4))
    assert all(sorted(ids) == list(range(70)) for ids in found.ids.tolist())


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_a_row_is_at_zero_from_itself(built, engine_name, metric):
    index = built(metric, "soar", duplicates=True, n=400, nlist=8)
    engine = make_engine(index.data, name=engine_name)
    queries = index.vectors[:40]
    list_nos = engine.rank_lists(queries, nprobe=8)
    got = engine.scan(queries, list_nos, ScanRequest(k=5, rerank=100))
    assert (got.distances[:, :2] == 0).all()
    assert (got.distances >= 0).all()


def test_save_and_load_serve_the_same(built, engine_name, tmp_path):
    index = built("cosine", "soar").with_engine(engine_name)
    queries = queries_for(index, 30)
    index.save(tmp_path / "saved")
    loaded = SoarIndex.load(tmp_path / "saved", engine=engine_name)
    params = SearchParams(k=10, nprobe=5)
    before, after = index.search(queries, params), loaded.search(queries, params)
    np.testing.assert_array_equal(before.ids, after.ids)
    np.testing.assert_array_equal(before.distances, after.distances)
    assert before.stats == after.stats
