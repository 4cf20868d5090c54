"""The lists that are probed: those of the reference, also where scores tie."""

import numpy as np
import pytest

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.metric import prepare

torch = pytest.importorskip("torch", reason="torch is not installed")
import device_world as world

from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.steps import coarse
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.torch_scanner import TorchScanner

CPU = torch.device("cpu")
NLIST, DIM = 1000, 24


def index(metric, *, seed=0, twins=False, scale=1.0):
    """An index of one row a list, which is its centroid."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(NLIST, DIM)) * scale
    if twins:
        rows[1::2] = rows[::2]
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    none = np.full(NLIST, -1)
    return world.index_of(rows, np.arange(NLIST), none, metric=metric, nlist=NLIST)


def queries(count, metric, *, seed=1, scale=1.0):
    drawn = np.random.default_rng(seed).normal(size=(count, DIM)) * scale
    return prepare(drawn.astype(np.float32), metric)


def ranked(data, asked, nprobe):
    """Likely lists and doubts, and the lists of the reference, each sorted."""
    ranking = DeviceRanking(data.centroids, data.encoding, CPU)
    best, doubted = ranking.likely(torch.from_numpy(asked), nprobe=nprobe)
    want = ReferenceEngine(data).rank_lists(asked, nprobe=nprobe)
    return np.sort(best.numpy(), axis=1), doubted.numpy(), np.sort(want, axis=1)


@pytest.mark.parametrize("nprobe", [1, 16, NLIST])
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_lists_that_are_not_in_doubt_are_the_best(metric, nprobe):
    data = index(metric)
    got, doubted, want = ranked(data, queries(200, metric), nprobe)
    np.testing.assert_array_equal(got[~doubted], want[~doubted])
    assert doubted.mean() < 0.1


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_any_magnitude_is_right_or_in_doubt(scale):
    for of_rows, of_queries in ((scale, 1.0), (1.0, scale), (scale, scale)):
        data = index("l2", scale=of_rows)
        asked = queries(50, "l2", scale=of_queries)
        got, doubted, want = ranked(data, asked, 8)
        np.testing.assert_array_equal(got[~doubted], want[~doubted])


def test_equal_scores_at_the_cut_are_in_doubt():
    """Every centroid is there twice: an odd number of probes cuts a pair."""
    data = index("l2", twins=True)
    got, doubted, want = ranked(data, queries(200, "l2"), 7)
    assert doubted.all()
    got, doubted, want = ranked(data, queries(200, "l2"), 8)
    np.testing.assert_array_equal(got[~doubted], want[~doubted])
    assert not doubted.any()


def test_blocks_rank_as_one(monkeypatch):
    data, asked = index("ip"), torch.from_numpy(queries(50, "ip"))
    ranking = DeviceRanking(data.centroids, data.encoding, CPU)
    whole = ranking.likely(asked, nprobe=5), ranking.best(asked, nprobe=5)
    monkeypatch.setattr(coarse, "BLOCK_SCORES", 7 * NLIST)
    for want, got in zip(whole[0], ranking.likely(asked, nprobe=5), strict=True):
        assert torch.equal(want, got)
    assert torch.equal(whole[1], ranking.best(asked, nprobe=5))


@pytest.mark.parametrize("recorder", [None, world.Repeats()], ids=["steps", "recorded"])
@pytest.mark.parametrize("twins", [False, True])
def test_searches_probe_the_lists_of_the_reference(twins, recorder):
    """Rows lie one a list: what is found tells which lists were probed."""
    data = index("l2", twins=twins)
    asked = queries(120, "l2")
    request = ScanRequest(k=7, rerank=28)
    engine = DeviceEngine(
        data, scanner=TorchScanner(), device=CPU, kind="fp32", recorder=recorder
    )
    got = engine.search(asked, nprobe=7, request=request)
    want = ReferenceEngine(data).search(asked, nprobe=7, request=request)
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.work.entries_scanned == want.work.entries_scanned
    assert got.work.reranked == 7 * 120
