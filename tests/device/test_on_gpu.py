"""The Triton kernels on a real GPU, against plain torch on the same GPU.

Fresh random inputs at each size; what kernels write into holds rubbish before.
"""

import os

import numpy as np
import pytest

from gleann.index.codes import Encoding
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("triton", reason="triton is not installed")
if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device", allow_module_level=True)
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("runs without TRITON_INTERPRET only", allow_module_level=True)

import device_world as world

from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.layout.layout import lay_out
from gleann.index.engines.device.layout.view import view_for
from gleann.index.engines.device.plan.bucketing import Bucketing
from gleann.index.engines.device.steps import merge, scan
from gleann.index.engines.device.steps.bitmap import bitmap_of
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.keys import NONE, make_keys
from gleann.index.engines.device.steps.queries import code_queries
from gleann.index.engines.device.steps.rerank import (
    DeviceRows,
    answer,
    rerank,
)
from gleann.index.engines.triton import triton_engine
from gleann.index.engines.triton_kernels.coarse import launch_rank
from gleann.index.engines.triton_kernels.configs import config_for
from gleann.index.engines.triton_kernels.scan import launch_scan
from gleann.index.engines.triton_kernels.scanner import TritonScanner

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda", 0)
KINDS = ["bf16", "fp16", "fp32", "int8"]
SIZES = [0, 1, 127, 128, 129, 300, 5000, 9000]


def setting(kind, d, *, nq):
    data = world.sized_index(SIZES, d=d)
    lists = lay_out(data, kind=kind, device=CUDA)
    asked = torch.from_numpy(world.integer_queries(nq, d)).to(CUDA)
    chosen = world.some_lists(nq, 4, len(SIZES)).astype(np.int64)
    chosen[0, 1] = -1
    view = view_for(lists, ScanRequest(k=1, rerank=1))
    return code_queries(asked, lists), torch.from_numpy(chosen).to(CUDA), view


def assert_equal(got, want, kind):
    """Bit for bit where scores are exact; within rounding where codes are scaled."""
    if kind != "int8":
        assert torch.equal(got.keys, want.keys)
        assert torch.equal(got.bounds, want.bounds)
        return
    assert (got.keys == want.keys).float().mean() > 0.99


@pytest.mark.parametrize("queries", [16, 32, 64])
@pytest.mark.parametrize("d", [8, 96, 100, 128, 768, 960])
@pytest.mark.parametrize("kind", KINDS)
def test_list_major(kind, d, queries):
    coded, list_nos, view = setting(kind, d, nq=200)
    for bucketing in (
        Bucketing(buckets=32, span=8192),
        Bucketing(buckets=128, span=512),
    ):
        want = scan.bucketed(coded, list_nos, view, bucketing)
        got = scan.nothing_kept(list_nos, longest=view.longest, bucketing=bucketing)
        config = config_for(kind, d, queries=queries)
        launch_scan.launch_scan_lists(coded, list_nos, view, bucketing, got, config)
        assert_equal(got, want, kind)


@pytest.mark.parametrize("d", [8, 96, 768])
@pytest.mark.parametrize("kind", KINDS)
def test_query_major(kind, d):
    coded, list_nos, view = setting(kind, d, nq=3)
    bucketing = Bucketing(buckets=32, span=1024)
    want = scan.bucketed(coded, list_nos, view, bucketing)
    got = scan.nothing_kept(list_nos, longest=view.longest, bucketing=bucketing)
    got.keys.fill_(-7)
    got.bounds.fill_(-7)
    launch_scan.launch_scan_pairs(coded, list_nos, view, bucketing, got)
    assert_equal(got, want, kind)


@pytest.mark.parametrize("d", [8, 96, 100, 128, 768, 960])
@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_lists_are_ranked_as_by_torch(metric, d):
    rng = np.random.default_rng(d)
    centroids = rng.normal(size=(3000, d)).astype(np.float32)
    centroids[1::2] = centroids[::2]  # ties at the cut
    ranking = DeviceRanking(
        centroids, Encoding.uncentred(metric, centroids.shape[1]), CUDA
    )
    asked = torch.from_numpy(rng.normal(size=(2000, d)).astype(np.float32)).to(CUDA)
    for nprobe in (1, 31, 64, 128):
        got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=nprobe)
        want = ranking.best(asked, nprobe=nprobe)
        assert torch.equal(got[~doubted], want[~doubted])
        assert doubted.float().mean() < 0.01


@pytest.mark.parametrize("d", [1, 17, 128, 960])
@pytest.mark.parametrize("kind", KINDS)
def test_queries_are_coded_as_on_the_host(kind, d):
    """Whatever their magnitude: divisions and roundings are those of IEEE 754."""
    rng = np.random.default_rng(d)
    drawn = rng.normal(size=(3000, d)) * 10.0 ** rng.integers(-38, 30, (3000, 1))
    asked = torch.from_numpy(drawn.astype(np.float32))
    asked[0] = 0
    data = world.sized_index([3, 4], d=d)
    got = TritonScanner().coded(asked.to(CUDA), lay_out(data, kind=kind, device=CUDA))
    want = code_queries(asked, lay_out(data, kind=kind, device=torch.device("cpu")))
    assert torch.equal(got.values.cpu(), want.values)
    assert torch.equal(got.ratios.cpu(), want.ratios)


@pytest.mark.parametrize("nlist", [1, 33, 5000])
def test_bitmaps_are_those_of_torch(nlist):
    chosen = world.some_lists(300, min(nlist, 40), nlist).astype(np.int64)
    chosen[3] = -1
    list_nos = torch.from_numpy(chosen).to(CUDA)
    got = TritonScanner().probed(list_nos, nlist=nlist)
    assert torch.equal(got, bitmap_of(list_nos, nlist=nlist))


@pytest.mark.parametrize("keep", [1, 40, 64, 1000])
def test_merge(keep):
    coded, list_nos, view = setting("fp32", 16, nq=100)
    kept = scan.bucketed(coded, list_nos, view, Bucketing(buckets=128, span=8192))
    flat = kept.keys.reshape(100, -1)
    probed = bitmap_of(list_nos, nlist=len(SIZES))
    got = TritonScanner().merge(flat, view.lists, probed, keep=keep)
    assert torch.equal(got, merge.merge(flat, view.lists, probed, keep=keep))


@pytest.mark.parametrize("keep", [1, 40, 64, 100, 200, 1000])
@pytest.mark.parametrize("nq", [1, 8, 2000])
def test_merge_of_long_rows_of_keys(nq, keep):
    """One query's keys are merged by several programs, those of 2,000 by one each."""
    lists = setting("fp32", 16, nq=1)[2].lists
    entries = torch.rand((nq, len(lists.rows)), device=CUDA).argsort(dim=1)
    scores = torch.randint(-9, 9, (nq, 6720), device=CUDA).float()
    keys = make_keys(scores, entries[:, :6720])
    keys[torch.rand(keys.shape, device=CUDA) < 0.2] = NONE
    chosen = torch.from_numpy(world.some_lists(nq, 4, len(SIZES)).astype(np.int64))
    probed = bitmap_of(chosen.to(CUDA), nlist=len(SIZES))
    got = TritonScanner().merge(keys, lists, probed, keep=keep)
    assert torch.equal(got, merge.merge(keys, lists, probed, keep=keep))


@pytest.mark.parametrize(
    ("width", "k"), [(1, 1), (40, 10), (64, 10), (100, 100), (400, 100), (3000, 1500)]
)
@pytest.mark.parametrize("d", [1, 17, 96, 100, 128, 768, 960])
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_rerank(metric, d, width, k):
    """To the last bit on integers; but for the order of sums on other numbers."""
    rng = np.random.default_rng(d)
    places = torch.rand((50, 5000), device=CUDA).argsort(dim=1)[:, :width]
    pool = make_keys(torch.zeros(places.shape, device=CUDA), places)
    pool[torch.rand(pool.shape, device=CUDA) < 0.2] = NONE
    whole = rng.integers(-9, 10, (5050, d)).astype(np.float32)
    got, want = reranked(whole, pool, metric=metric, k=k)
    assert torch.equal(got, want)
    got, want = reranked(rng.normal(size=(5050, d)), pool, metric=metric, k=k)
    near, expected = answer(got)[1].cpu(), answer(want)[1].cpu()
    np.testing.assert_array_max_ulp(near.numpy(), expected.numpy(), maxulp=1)


def reranked(values, pool, *, metric, k):
    """Keys by the kernel and by torch; the last rows are the queries."""
    values = values.astype(np.float32)
    store = DeviceRows(values[: -len(pool)], CUDA)
    asked = torch.from_numpy(values[-len(pool) :]).to(CUDA)
    got = TritonScanner().rerank(asked, pool, store, metric=metric, k=k)
    return got, rerank(asked, pool, store, metric=metric, k=k)


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nq", [1, 100, 3000])
def test_engine(kind, metric, nq):
    data = world.random_index(n=20_000, d=96, nlist=64, metric=metric, seed=nq)
    if metric == "cosine":
        rows = data.vectors / np.linalg.norm(data.vectors, axis=1, keepdims=True)
        primary, secondary = world.assignments(data)
        data = world.index_of(rows, primary, secondary, metric=metric, nlist=64)
    asked = np.random.default_rng(nq).normal(size=(nq, 96)).astype(np.float32)
    list_nos = world.some_lists(nq, 8, 64)
    request = ScanRequest(k=10, rerank=40)
    got = triton_engine(data, kind=kind).scan(asked, list_nos, request)
    want = ReferenceEngine(data).scan(asked, list_nos, request)
    assert (got.rows == want.rows).mean() >= 0.999
    np.testing.assert_allclose(got.distances, want.distances, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_graphs_replay_what_steps_do(kind):
    """Batches of several sizes in turn, through one engine and its recordings."""
    data = world.random_index(n=20_000, d=96, nlist=64, seed=7)
    recorded = triton_engine(data, kind=kind)
    stepwise = DeviceEngine(data, scanner=TritonScanner(), device=CUDA, kind=kind)
    request = ScanRequest(k=10, rerank=40)
    for seed, nq in enumerate([1, 100, 3, 3000, 1, 90, 2048]):
        asked = np.random.default_rng(seed).normal(size=(nq, 96)).astype(np.float32)
        got = recorded.search(asked, nprobe=8, request=request)
        want = stepwise.search(asked, nprobe=8, request=request)
        np.testing.assert_array_equal(got.rows, want.rows)
        np.testing.assert_array_equal(got.distances, want.distances)
        assert got.work == want.work
