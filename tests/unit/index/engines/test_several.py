"""Several engines as one: copies or shares, with the answers of one."""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines import native
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.native import NativeEngine
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.engines.several import replicated, sharded, share, share_lists
from gleann.index.errors import InvalidParamsError, NonFiniteError, ZeroVectorError

METRICS = ["cosine", "ip", "l2"]


@pytest.fixture(scope="module")
def built():
    cache = {}

    def build(metric):
        if metric not in cache:
            rows = np.random.default_rng(0).normal(size=(900, 10)).astype(np.float32)
            rows[450:] = rows[:450]  # equal distances, in lists of every share
            params = BuildParams(metric=metric, spill="soar", nlist=20, tune_queries=0)
            cache[metric] = SoarIndex.build(rows, params, engine="reference")
        return cache[metric]

    return build


def queries(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, 10)).astype(np.float32)


def assert_same(got, want):
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.short == want.short
    assert got.work.lists_probed == want.work.lists_probed
    assert got.work.entries_scanned == want.work.entries_scanned


@pytest.mark.parametrize("several", [replicated, sharded])
@pytest.mark.parametrize("engines", [1, 2, 5])
@pytest.mark.parametrize("metric", METRICS)
def test_answers_are_those_of_one(built, metric, engines, several):
    data = built(metric).data
    one, many = ReferenceEngine(data), several(data, [ReferenceEngine] * engines)
    allowed = np.random.default_rng(2).random(900) < 0.3
    for request in (
        ScanRequest(k=10, pool=40),
        ScanRequest(k=10, pool=40, segments="primary"),
        ScanRequest(k=10, pool=40, allowed=allowed),
        ScanRequest(k=300, pool=300),
    ):
        asked = queries(30)
        got = many.search(asked, nprobe=5, request=request)
        assert_same(got, one.search(asked, nprobe=5, request=request))
    for nprobe in (1, 20):
        np.testing.assert_array_equal(
            many.rank_lists(asked, nprobe=nprobe), one.rank_lists(asked, nprobe=nprobe)
        )


@pytest.mark.skipif(not native.available(), reason=native.unavailable_reason())
@pytest.mark.parametrize("codes", ["int8", "float32"])
@pytest.mark.parametrize("metric", METRICS)
def test_shares_scan_the_codes_of_the_whole(metric, codes):
    """Pools hold all that a share has, so the answers are those of one."""
    rows = np.random.default_rng(0).normal(size=(600, 10)) + 3000
    params = BuildParams(metric=metric, nlist=15, tune_queries=0, codes=codes)
    index = SoarIndex.build(rows.astype(np.float32), params)
    many = sharded(index.data, [NativeEngine] * 3)
    asked = (queries(30) + 3000).astype(np.float32)
    request = ScanRequest(k=10, pool=600)
    got = many.search(asked, nprobe=5, request=request)
    want = index.engine.search(asked, nprobe=5, request=request)
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)


@pytest.mark.parametrize("several", [replicated, sharded])
def test_few_queries_or_lists(built, several):
    data = built("l2").data
    one, many = ReferenceEngine(data), several(data, [ReferenceEngine] * 3)
    request = ScanRequest(k=4, pool=8)
    for count in (0, 1, 2):
        asked = queries(count)
        for width in (0, 1):
            list_nos = np.full((count, width), 7, np.int32)
            got = many.scan(asked, list_nos, request)
            assert_same(got, one.scan(asked, list_nos, request))
    none = np.full((2, 3), -1, np.int32)
    assert (many.scan(queries(2), none, request).rows == -1).all()


def test_shares_hold_every_list_once_and_only_their_rows(built):
    data = built("l2").data
    share_of = share_lists(data.lists, count=3)
    lengths = np.diff(data.lists.offsets)
    held = np.bincount(share_of, weights=lengths, minlength=3)
    assert held.max() - held.min() <= lengths.max()
    for number in range(3):
        part = share(data, share_of == number)
        np.testing.assert_array_equal(
            np.diff(part.data.lists.offsets), np.where(share_of == number, lengths, 0)
        )
        assert len(part.data.vectors) == len(part.rows) < len(data.vectors)
        np.testing.assert_array_equal(part.data.vectors, data.vectors[part.rows])
        for j in np.flatnonzero(share_of == number):
            mine, whole = part.data.lists, data.lists
            first, last = mine.offsets[j : j + 2]
            rows = part.rows[mine.rows[first:last]]
            here = slice(whole.offsets[j], whole.offsets[j + 1])
            np.testing.assert_array_equal(rows, whole.rows[here])
            assert mine.mids[j] - first == whole.mids[j] - whole.offsets[j]


def test_an_index_can_be_served_by_several(built):
    index = built("cosine")
    for several, name in ((replicated, "2 copies"), (sharded, "2 shares")):
        placed = index.served_by(several(index.data, [ReferenceEngine] * 2))
        assert placed.engine_name == f"{name} of reference"
        params = SearchParams(k=5, nprobe=6)
        got, want = (i.search(queries(9), params) for i in (placed, index))
        np.testing.assert_array_equal(got.ids, want.ids)
        zero = queries(9)
        zero[7] = 0
        with pytest.raises(ZeroVectorError, match="row 7"):
            placed.search(zero, params)
        zero[7, 2] = np.nan
        with pytest.raises(NonFiniteError, match="row 7"):
            placed.search(zero, params)


def test_bad_numbers_of_engines(built):
    data = built("l2").data
    with pytest.raises(InvalidParamsError, match="no engines"):
        replicated(data, [])
    with pytest.raises(InvalidParamsError, match="21 engines were to share 20 lists"):
        sharded(data, [ReferenceEngine] * 21)


@pytest.mark.parametrize("several", [replicated, sharded])
def test_devices(built, several):
    """Two of torch's CPU devices, which take turns: the pipeline is that of GPUs."""
    pytest.importorskip("torch", reason="torch is not installed")
    from gleann.index.engines.torch import torch_engine

    data = built("l2").data

    def make(part):
        return torch_engine(part, device="cpu")

    request = ScanRequest(k=10, pool=40)
    many = several(data, [make, make])
    got = many.search(queries(30), nprobe=5, request=request)
    want = make(data).search(queries(30), nprobe=5, request=request)
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_allclose(got.distances, want.distances, rtol=1e-6)
