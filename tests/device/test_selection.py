"""Picking on a device: torch on the CPU, against the host's own picks."""

import sys
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.index.engines.contract import ScanRequest
from gleann.index.errors import (
    DeviceLostError,
    DeviceMemoryError,
    EngineUnavailableError,
)
from gleann.selection import (
    coreset,
    facility_location,
    farthest_first,
    k_center,
    parallel_weighted_k_center,
    weighted_k_center,
)

torch = pytest.importorskip("torch", reason="torch is not installed")
from gleann.index.engines.device.engine import DeviceEngine
from gleann.index.engines.device.plan import memory
from gleann.index.engines.device.turns import turn_on
from gleann.selection.coreset.distance import device as on_device
from gleann.selection.coreset.methods import device_gains


def integers(n, d, *, seed):
    return np.random.default_rng(seed).integers(-3, 4, (n, d)).astype(np.float32)


def assert_same(got, want, names):
    for name in names:
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name))


TRAVERSAL = ("rows", "insertion_distances", "nearest", "distances")
CORESET = ("rows", "radius", "nearest", "distances", "apart", "objective")


@pytest.mark.parametrize("covered", [None, [3, 500, 77]])
@pytest.mark.parametrize("d", [2, 17, 40])
@pytest.mark.parametrize("seed", range(2))
def test_farthest_first_on_integers_with_many_ties(d, covered, seed):
    rows = integers(600, d, seed=seed)
    asked = {"k": 150, "covered": covered, "seed": seed}
    want = farthest_first(rows, **asked)
    assert_same(farthest_first(rows, device="cpu", **asked), want, TRAVERSAL)


@pytest.mark.parametrize("block", [1 << 26, 5000])
def test_k_center_in_blocks_of_any_size(monkeypatch, clustered, block):
    monkeypatch.setattr(on_device, "BLOCK_BOUNDS", block)
    monkeypatch.setattr(on_device, "PAIR_VALUES", block)
    rows = clustered(800, 20, seed=3)
    want = k_center(rows, k=80, locked=[5, 6], seed=1)
    got = k_center(rows, k=80, locked=[5, 6], seed=1, device="cpu")
    assert_same(got, want, CORESET)


def test_others_have_their_turn_between_groups_of_centres(monkeypatch):
    rows = integers(400, 5, seed=3)
    points = on_device.DevicePoints(rows, "cpu")
    covering, taken = points.covering(), []

    @contextmanager
    def turn(device):
        taken.append(covering.count)
        with turn_on(device):
            yield

    monkeypatch.setattr(on_device, "turn_on", turn)
    covering.cover(np.arange(300))
    assert taken == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    want = ((rows[:, None] - rows[None, :300]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(covering.squared, want.min(axis=1))
    np.testing.assert_array_equal(covering.nearest, want.argmin(axis=1))


def test_pairs_are_settled_so_many_at_once(monkeypatch):
    """Integers, where most bounds are equal to the distances they bound."""
    rows = integers(3000, 5, seed=3)
    want = k_center(rows, k=300, seed=1)
    points, asked = on_device.DevicePoints(rows, "cpu"), []
    pairs = points.pairs

    def counted(first, second):
        asked.append(len(first))
        return pairs(first, second)

    monkeypatch.setattr(points, "pairs", counted)
    points.covering().cover(want.rows)
    assert max(asked) > 300
    assert_same(k_center(rows, k=300, seed=1, device="cpu"), want, CORESET)
    asked.clear()
    monkeypatch.setattr(on_device, "MOST_PAIRS", 300)
    covering = points.covering()
    covering.cover(want.rows)
    assert max(asked) <= 300
    np.testing.assert_array_equal(covering.nearest, want.nearest)
    assert_same(k_center(rows, k=300, seed=1, device="cpu"), want, CORESET)


def test_weighted_k_center(clustered):
    rows = clustered(800, 12, seed=5)
    costs = np.random.default_rng(6).random(800)
    asked = {"k": 40, "costs": costs, "cost_weight": 0.2}
    want = weighted_k_center(rows, **asked)
    assert_same(weighted_k_center(rows, device="cpu", **asked), want, CORESET)


COSTED = {"costs": np.random.default_rng(7).random(400), "k": 30}
METHODS = {
    "margin": (coreset.margin, {}),
    "uniform": (coreset.uniform, {"seed": 3}),
    "ccs": (coreset.ccs, {"seed": 3}),
    "gist": (coreset.gist, {"diversity": 20.0}),
    "parallel": (parallel_weighted_k_center, {"cost_weight": 0.2, "shards": 3}),
}


@pytest.mark.parametrize("name", METHODS)
def test_every_coreset_method_measures_on_a_device(monkeypatch, clustered, name):
    method, own = METHODS[name]
    rows = clustered(400, 6, seed=9)
    want = method(rows, locked=[1], **COSTED, **own)
    made = []
    upload = on_device.upload
    monkeypatch.setattr(
        on_device,
        "upload",
        lambda vectors, device: made.append(len(vectors)) or upload(vectors, device),
    )
    assert_same(method(rows, locked=[1], device="cpu", **COSTED, **own), want, CORESET)
    # Three shards see a part of the rows each, in three rounds.
    assert len(made) >= 9 if name == "parallel" else made == [400]


def test_groups_on_a_device(clustered):
    rows, groups = clustered(300, 6, seed=9), np.arange(300) % 3
    asked = {"groups": groups, "quotas": {0: 4, 1: 5, 2: 3}, "seed": 1}
    want = coreset.within_groups(k_center, rows, **asked)
    there = partial(k_center, device="cpu")
    got = coreset.within_groups(there, rows, device="cpu", **asked)
    assert_same(got, want, CORESET)


def test_half_precision_elsewhere_changes_nothing(clustered):
    rows = clustered(600, 9, seed=8)
    want = farthest_first(rows, k=100)
    torch.set_float32_matmul_precision("medium")
    try:
        got = farthest_first(rows, k=100, device="cpu")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert_same(got, want, TRAVERSAL)


def test_it_can_be_stopped(clustered):
    heard = []

    def stop(progress):
        heard.append(progress.done)
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        farthest_first(clustered(2000, 6, seed=1), k=1500, progress=stop, device="cpu")
    assert heard == [1]


def test_too_little_memory_is_said_with_both_numbers(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1 << 29)
    said = r"200 rows of 4 values takes .*\(1\.00 GiB\), and cpu has .*\(0\.50 GiB\)"
    with pytest.raises(DeviceMemoryError, match=said):
        farthest_first(integers(200, 4, seed=0), k=5, device="cpu")
    with pytest.raises(DeviceMemoryError, match=r"200 rows.* 536,870,912 bytes"):
        facility_location(integers(200, 4, seed=0), k=5, device="cpu")


def test_running_out_of_memory_is_no_crash(monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 TiB.")

    points = on_device.DevicePoints(integers(50, 3, seed=0), "cpu")
    monkeypatch.setattr(points, "pairs", fail)
    with pytest.raises(DeviceMemoryError, match="1 TiB"):
        points.covering().cover(np.array([1, 2]))
    monkeypatch.undo()
    points.covering().cover(np.array([1, 2]))  # the turn was given back


def test_what_is_read_from_a_device_that_fails(monkeypatch):
    """The gains, and both that a covering has."""

    def lost(*_, **__):
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    gains = device_gains.DeviceGains(integers(50, 3, seed=0), "cpu")
    covering = on_device.DevicePoints(integers(50, 3, seed=0), "cpu").covering()
    monkeypatch.setattr(torch.Tensor, "cpu", lost)
    monkeypatch.setattr(torch.Tensor, "sum", lost)
    for of, name in ((gains, "value"), (covering, "squared"), (covering, "nearest")):
        with pytest.raises(DeviceLostError, match="launch failure"):
            getattr(of, name)


def test_a_device_that_is_not_there():
    with pytest.raises(EngineUnavailableError, match="cuda:77"):
        farthest_first(integers(200, 4, seed=0), k=5, device="cuda:77")


def test_missing_torch_is_said_plainly(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineUnavailableError, match=r"torch is not.*install torch"):
        farthest_first(integers(200, 4, seed=0), k=5, device="cuda")


def test_the_neighbour_graph_of_a_device_is_that_of_the_host(monkeypatch):
    rows = integers(500, 6, seed=4)
    params = BuildParams(metric="l2", nlist=30, tune_queries=0)
    index = SoarIndex.build(rows, params, engine="native")
    want = knn_graph(index, k=8, nprobe=30)
    asked = []
    search_rows = DeviceEngine.search_rows

    def spy(self, rows, **rest):
        asked.append(len(rows))
        return search_rows(self, rows, **rest)

    monkeypatch.setattr(DeviceEngine, "search_rows", spy)
    got = knn_graph(index.with_engine("torch"), k=8, nprobe=30)
    assert sum(asked) == 500  # gathered on the device, not sent again
    # Among many equally near rows engines may choose: distances are one.
    np.testing.assert_array_equal(got.distances, want.distances)
    assert got.engine.startswith("torch")


def test_rows_that_ask_find_what_they_find_as_queries():
    rows = np.random.default_rng(3).normal(size=(700, 10)).astype(np.float32)
    index = SoarIndex.build(rows, BuildParams(nlist=9), engine="torch")
    asking = np.array([5, 600, 7])
    request = ScanRequest(k=10, rerank=40)
    got = index.engine.search_rows(asking, nprobe=4, request=request)
    queries = index.vectors[asking]
    lists = index.engine.rank_lists(queries, nprobe=4)
    want = index.engine.scan(queries, lists, request)
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    resident = torch.from_numpy(queries)
    same = index.engine.search_resident(resident, nprobe=4, request=request)
    np.testing.assert_array_equal(same.rows, want.rows)
