"""Ranking lists, interpreted: the lists that the host probes, or doubt."""

from kernel_mode import interpreted_only

interpreted_only()
from dataclasses import replace

import device_world as world
import numpy as np
import pytest
import torch

from gleann.index.codes import Encoding
from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.plan.kinds import TILE
from gleann.index.engines.device.plan.rank_plan import plan_ranking
from gleann.index.engines.device.steps.bitmap import bitmap_of
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.engines.stepwise import top_lists
from gleann.index.engines.triton_kernels import scanner as launching
from gleann.index.engines.triton_kernels.coarse import launch_bitmap, launch_rank
from gleann.index.engines.triton_kernels.scanner import TritonScanner
from gleann.index.metric import list_scores


@pytest.mark.parametrize("nlist", [1, 31, 33, 100, 5000])
def test_bitmaps_are_those_of_torch(nlist):
    nprobe = min(nlist, 40)
    list_nos = torch.from_numpy(world.some_lists(4, nprobe, nlist).astype(np.int64))
    list_nos[2, nprobe // 2 :] = -1
    got = launch_bitmap.launch_set_bitmap(list_nos, nlist=nlist)
    assert torch.equal(got, bitmap_of(list_nos, nlist=nlist))


def ranking_of(metric, nlist, d=40, *, twins=False):
    """One row a list, which is its centroid."""
    rows = np.random.default_rng(4).normal(size=(nlist, d))
    if twins:
        rows[1::2] = rows[::2]
    none = np.full(nlist, -1)
    data = world.index_of(rows, np.arange(nlist), none, metric=metric, nlist=nlist)
    return data, DeviceRanking(data.centroids, data.encoding, torch.device("cpu"))


def asked_of(count, d=40):
    drawn = np.random.default_rng(5).normal(size=(count, d))
    return torch.from_numpy(drawn.astype(np.float32))


@pytest.mark.parametrize(
    ("metric", "nlist", "nprobe", "twins", "count"),
    [
        ("l2", 1100, 17, True, 18),
        ("ip", 1100, 64, False, 5),
        ("ip", 1300, 9, True, 5),
        ("cosine", 1152, 1, True, 5),
        ("l2", 4100, 128, False, 2),
        ("l2", 1024, 3, False, 0),
    ],
)
def test_lists_are_ranked_as_by_torch(monkeypatch, metric, nlist, nprobe, twins, count):
    """Ties included: of twin lists that the cut parts, the lower one is probed."""
    monkeypatch.setattr(launch_rank, "RANK", replace(launch_rank.RANK, queries=16))
    _, ranking = ranking_of(metric, nlist, twins=twins)
    asked = asked_of(count)
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=nprobe)
    assert not doubted.any()
    assert torch.equal(got, ranking.best(asked, nprobe=nprobe))


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_lists_of_any_magnitude(scale):
    _, ranking = ranking_of("l2", 1024)
    asked = asked_of(3) * scale
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=9)
    best = ranking.best(asked, nprobe=9)
    assert torch.equal(got[~doubted], best[~doubted])


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_lists_far_from_the_origin(metric):
    rng = np.random.default_rng(9)
    centroids = (rng.normal(size=(1100, 40)) + 500).astype(np.float32)
    center = np.full(40, 500, np.float32)
    encoding = Encoding(metric=metric, kind="int8", center=center)
    ranking = DeviceRanking(centroids, encoding, torch.device("cpu"))
    asked = asked_of(5) + 500
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=9)
    assert not doubted.any()
    assert torch.equal(got, ranking.best(asked, nprobe=9))
    scores = list_scores(asked.numpy(), centroids, encoding)
    np.testing.assert_array_equal(got.numpy(), top_lists(scores, nprobe=9))


def test_lists_of_long_centroids():
    _, ranking = ranking_of("l2", 1024, 240)
    asked = asked_of(3, 240)
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=9)
    assert not doubted.any()
    assert torch.equal(got, ranking.best(asked, nprobe=9))


def test_lists_that_crowd_in_few_groups_are_in_doubt():
    """The nearest 112 lists share 14 groups, fewer than probes: 64 can be sorted."""
    nlist, d = 7000, 16
    assert plan_ranking(nlist=nlist, nprobe=18).keys == 64
    rows = np.random.default_rng(4).normal(size=(nlist, d)) + 20
    crowd = np.flatnonzero(np.arange(nlist) % TILE < 2)
    rows[crowd] = np.random.default_rng(6).normal(size=(len(crowd), d)) / 100
    none = np.full(nlist, -1)
    data = world.index_of(rows, np.arange(nlist), none, nlist=nlist)
    ranking = DeviceRanking(data.centroids, data.encoding, torch.device("cpu"))
    got, doubted = launch_rank.launch_rank_lists(
        ranking, torch.zeros((2, d)), nprobe=18
    )
    assert doubted.all()
    assert (got == -1).all()


def test_many_equal_lists_are_in_doubt():
    """Every list scores 0 for a zero query, so every group reaches any threshold."""
    _, ranking = ranking_of("ip", 1024)
    asked = asked_of(3)
    asked[1] = 0
    got, doubted = launch_rank.launch_rank_lists(ranking, asked, nprobe=9)
    assert doubted.tolist() == [False, True, False]
    best = ranking.best(asked, nprobe=9)
    assert torch.equal(got[[0, 2]], best[[0, 2]])
    assert (got[1] == -1).all()


@pytest.mark.parametrize(
    ("recorder", "crowded"),
    [(None, True), (world.Repeats(), False)],
    ids=["steps-crowded", "recorded"],
)
def test_a_search_that_ranks_in_the_kernels(monkeypatch, recorder, crowded):
    """What is in doubt is ranked in full: here, all that there is no room for."""
    used = []
    launch = launch_rank.launch_rank_lists
    monkeypatch.setattr(
        launching,
        "launch_rank_lists",
        lambda *given, **rest: (used.append(1), launch(*given, **rest))[1],
    )
    if crowded:
        monkeypatch.setattr(
            launch_rank,
            "plan_ranking",
            lambda **sizes: replace(plan_ranking(**sizes), room=1),
        )
    data, _ = ranking_of("l2", 1024, 16)
    asked = asked_of(1, 16).numpy()
    request = ScanRequest(k=2, rerank=4)
    engine = DeviceEngine(
        data,
        scanner=TritonScanner(),
        device=torch.device("cpu"),
        kind="fp32",
        recorder=recorder,
    )
    got = engine.search(asked, nprobe=3, request=request)
    want = ReferenceEngine(data).search(asked, nprobe=3, request=request)
    np.testing.assert_array_equal(got.rows, want.rows)
    assert used
