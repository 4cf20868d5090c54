"""The faiss engine of a GPU, its lists in host memory: the interface is the same."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.engines import faiss_gpu
from gleann.index.engines.choose import best_engine, make_engine
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.faiss import FaissEngine, host_lists
from gleann.index.engines.faiss_gpu import FaissGpuEngine, gpu_lists
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.errors import EngineUnavailableError, NonFiniteError

faiss = pytest.importorskip("faiss", reason="faiss is not installed")


@pytest.fixture(scope="module", params=["l2", "ip", "cosine"])
def data(request):
    rng = np.random.default_rng(3)
    rows = rng.integers(-6, 7, size=(1500, 12)).astype(np.float32)
    rows[:, 0] += 20  # none is zero
    params = BuildParams(metric=request.param, nlist=30, spill="soar", tune_queries=0)
    return SoarIndex.build(rows, params, engine="reference").data


@pytest.fixture
def engine(data):
    return FaissGpuEngine(data, make_lists=host_lists)


def asked(data, count=40):
    return np.ascontiguousarray(data.vectors[7 : 7 + count])


def assert_same(got, want):
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.short == want.short
    assert got.work.entries_scanned == want.work.entries_scanned


@pytest.mark.parametrize("k", [1, 10, 300])
@pytest.mark.parametrize("nprobe", [1, 6, 30])
def test_answers_are_those_of_the_reference(data, engine, k, nprobe):
    queries = asked(data)
    lists = engine.rank_lists(queries, nprobe=nprobe)
    lists[0, nprobe // 2 :] = -1
    request = ScanRequest(k=k, rerank=1500)
    want = ReferenceEngine(data).scan(queries, lists, request)
    got = engine.scan(queries, lists, request)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.work.entries_scanned == want.work.entries_scanned
    for row in got.rows:
        known = row[row >= 0]
        assert len(np.unique(known)) == len(known)
    # With twice k fetched a tie at the cut can go either way: not inside it.
    inside = want.distances < want.distances[:, -1:]
    np.testing.assert_array_equal(got.rows[inside], want.rows[inside])


def test_it_is_the_faiss_engine_elsewhere(data, engine):
    queries = asked(data)
    request = ScanRequest(k=8, rerank=32)
    want = FaissEngine(data).search(queries, nprobe=5, request=request)
    assert_same(engine.search(queries, nprobe=5, request=request), want)
    assert_same(engine.with_threads(3).search(queries, nprobe=5, request=request), want)


@pytest.mark.parametrize(
    "request_",
    [
        ScanRequest(k=5, rerank=20, allowed=np.arange(1500) % 3 == 0),
        ScanRequest(k=5, rerank=20, segments="primary"),
        ScanRequest(k=1400, rerank=1500),
    ],
    ids=["filtered", "primary only", "more answers than faiss keeps"],
)
def test_what_faiss_cannot_do_there_is_done_on_the_host(
    data, engine, request_, monkeypatch
):
    monkeypatch.setattr(faiss_gpu, "MOST", 2048)
    monkeypatch.setattr(faiss_gpu, "search_lists", None)  # must not be called
    queries = asked(data, 6)
    lists = engine.rank_lists(queries, nprobe=9)
    want = ReferenceEngine(data).scan(queries, lists, request_)
    got = engine.scan(queries, lists, request_)
    np.testing.assert_array_equal(got.distances, want.distances)


def test_more_lists_than_faiss_probes_go_to_the_host(data, engine, monkeypatch):
    queries, request = asked(data, 6), ScanRequest(k=5, rerank=20)
    want = engine.search(queries, nprobe=20, request=request)
    monkeypatch.setattr(faiss_gpu, "MOST", 19)
    monkeypatch.setattr(faiss_gpu, "search_lists", None)
    got = engine.search(queries, nprobe=20, request=request)
    np.testing.assert_array_equal(got.distances, want.distances)


def test_no_queries_and_no_lists(data, engine):
    request = ScanRequest(k=3, rerank=12)
    none = np.empty((0, 12), np.float32)
    assert engine.search(none, nprobe=4, request=request).rows.shape == (0, 3)
    some = engine.scan(asked(data, 2), np.empty((2, 0), np.int32), request)
    assert (some.rows == -1).all()
    assert some.short == 2


def test_a_query_that_is_no_number_is_refused(data, engine):
    queries = asked(data, 3).copy()
    queries[1, 4] = np.nan
    with pytest.raises(NonFiniteError, match="row 1"):
        engine.search(queries, nprobe=2, request=ScanRequest(k=1, rerank=1))


class Gpu:
    """A faiss with GPU classes, as far as `gpu_lists` looks."""

    __version__ = "1.15.1"

    def __init__(self, *, gpus=1):
        self.made = None
        self.gpus = gpus
        self.GpuIndexIVFFlatConfig = lambda: SimpleNamespace(use_cuvs=True)
        self.StandardGpuResources = object
        outer = self

        class GpuIndexIVFFlat:
            def __init__(self, *arguments):
                outer.made = arguments

            def add_core(self): ...

            def train(self, centroids):
                outer.trained = centroids

        self.GpuIndexIVFFlat = GpuIndexIVFFlat

    def get_num_gpus(self):
        return self.gpus


def test_lists_of_a_gpu_are_made_without_cuvs(data):
    gpu = Gpu()
    centroids = data.encoding.float_rows(data.centroids)
    quantizer = SimpleNamespace(d=centroids.shape[1], metric_type=7)
    gpu_lists(gpu, quantizer, data)
    _, given, d, nlist, metric, config = gpu.made
    assert (given, d, nlist, metric) == (quantizer, quantizer.d, 30, 7)
    assert config.use_cuvs is False
    np.testing.assert_array_equal(gpu.trained, centroids)


def test_what_is_missing_is_said(data):
    old = Gpu()
    del old.GpuIndexIVFFlat.add_core
    for there, said in (
        (faiss, "built without GPU support.*pip install faiss-gpu"),
        (old, r"1\.15\.1 cannot add to given lists"),
        (Gpu(gpus=0), "sees 0 GPUs"),
    ):
        if there is faiss and hasattr(faiss, "GpuIndexIVFFlat"):
            continue
        with pytest.raises(EngineUnavailableError, match=said):
            gpu_lists(there, None, data)


def test_it_is_asked_for_by_name(data, monkeypatch):
    assert best_engine()[0] != "faiss-gpu"
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(EngineUnavailableError, match="needs faiss"):
        make_engine(data, name="faiss-gpu")
