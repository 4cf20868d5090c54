"""Building and picking on a real GPU, against the host: what a CPU run cannot show.

Page-locked buffers, streams, the order in which a GPU adds, and its roots.
"""

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.index.build.host import HostKernels, HostTrainingRows
from gleann.index.build.kernels import kernels_on
from gleann.index.build.kmeans import train_centroids
from gleann.index.codes import Encoding, quantise
from gleann.index.exact import exact_search_prepared
from gleann.selection import facility_location, farthest_first, k_center

torch = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device", allow_module_level=True)

from gleann.index.build.device import assigner
from gleann.index.engines.device.layout import stream
from gleann.index.engines.device.precision import full_precision
from gleann.selection.coreset.distance.contract import squared_l2 as on_host
from gleann.selection.coreset.distance.device import DevicePoints, squared_l2

pytestmark = pytest.mark.gpu


def integers(n, d, *, seed, top=9):
    return np.random.default_rng(seed).integers(-top, top, (n, d)).astype(np.float32)


@pytest.fixture(params=[32 << 20, 4 * 24 * 301], ids=["one block", "many blocks"])
def kernels(request, monkeypatch):
    monkeypatch.setattr(stream, "BLOCK_BYTES", request.param)
    return kernels_on("cuda")


def assigned(kernels, rows, centroids, **params):
    blocks = kernels.assign_blocks(rows, centroids, params=BuildParams(**params))
    parts = [(first.copy(), second.copy()) for _, first, second in blocks]
    return tuple(np.concatenate([part[i] for part in parts]) for i in (0, 1))


@pytest.mark.parametrize("spill", ["soar", "naive", "none"])
@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_lists_of_integers(kernels, metric, spill):
    rows, centroids = integers(20_000, 24, seed=1), integers(300, 24, seed=2)
    centroids[70] = centroids[30]
    chosen = {"metric": metric, "spill": spill}
    got = assigned(kernels, rows, centroids, **chosen)
    want = assigned(HostKernels(), rows, centroids, **chosen)
    np.testing.assert_array_equal(got[0], want[0])
    # SOAR divides by |r|^2: lists of equal loss are told apart by rounding alone.
    least = 0.999 if (metric, spill) == ("ip", "soar") else 1.0
    assert (got[1] == want[1]).mean() >= least


def test_lists_of_real_rows(kernels, clustered):
    rows, centroids = clustered(30_000, 24, seed=3), clustered(200, 24, seed=4)
    got = assigned(kernels, rows, centroids, metric="cosine", spill="soar")
    want = assigned(HostKernels(), rows, centroids, metric="cosine", spill="soar")
    assert (got[0] == want[0]).mean() > 0.999
    assert (got[1] == want[1]).mean() > 0.999


@pytest.mark.parametrize("d", [8, 100, 768])
@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_lists_by_the_kernel_are_those_by_torch(monkeypatch, metric, d):
    """All that is rounded is so by the same single operations."""
    rows, centroids = integers(5000, d, seed=14, top=4), integers(999, d, seed=15)
    centroids[333] = centroids[998] = centroids[0]
    rows[:50] = centroids[:50]
    chosen = {"metric": metric, "spill": "soar"}
    got = assigned(kernels_on("cuda"), rows, centroids, **chosen)
    monkeypatch.setattr(assigner, "device_reason", lambda device: "not here")
    want = assigned(kernels_on("cuda"), rows, centroids, **chosen)
    np.testing.assert_array_equal(got, want)
    assert (got[1] >= 0).any()


def test_codes_and_nearest_rows(kernels):
    rows = integers(20_000, 24, seed=5, top=3)
    plain = Encoding.uncentred("ip", rows.shape[1])
    got, want = kernels.codes(rows, plain), quantise(rows)
    np.testing.assert_array_equal(got.values, want.values)
    np.testing.assert_array_equal(got.scales, want.scales)
    queries = integers(40, 24, seed=6, top=3)
    asked = {"metric": "l2", "k": 20}
    near = kernels.nearest_rows(queries, rows, progress=None, **asked)
    exact = exact_search_prepared(queries, rows, **asked)
    np.testing.assert_array_equal(near[0], exact[0])
    np.testing.assert_array_equal(near[1], exact[1])


def test_sums_and_centroids(clustered):
    rows = clustered(20_000, 24, seed=7)
    list_nos = np.random.default_rng(8).integers(0, 100, 20_000).astype(np.int32)
    training = kernels_on("cuda").training_rows(rows)
    want = HostTrainingRows(rows).sums(list_nos, nlist=100)
    np.testing.assert_array_equal(training.sums(list_nos, nlist=100), want)
    chosen = {"nlist": 64, "metric": "l2", "iterations": 5, "seed": 1}
    once, twice = (
        train_centroids(rows, kernels=kernels_on("cuda"), **chosen) for _ in range(2)
    )
    np.testing.assert_array_equal(once, twice)


def test_distances_are_bit_for_bit_those_of_the_host():
    rng = np.random.default_rng(9)
    for d in (1, 17, 100, 768):
        a, b = (rng.normal(size=(500, d)).astype(np.float32) for _ in range(2))
        there = squared_l2(torch.from_numpy(a).cuda(), torch.from_numpy(b).cuda())
        np.testing.assert_array_equal(there.cpu().numpy(), on_host(a, b))
        roots = there.sqrt().cpu().numpy()
        np.testing.assert_array_equal(roots, np.sqrt(on_host(a, b)))


@pytest.mark.parametrize("data", ["integers", "clustered"])
def test_picks(clustered, data):
    rows = clustered(30_000, 40, seed=10)
    if data == "integers":
        rows = integers(30_000, 8, seed=10, top=4)
    want = farthest_first(rows, k=900, seed=2)
    got = farthest_first(rows, k=900, seed=2, device="cuda")
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.nearest, want.nearest)
    np.testing.assert_array_equal(got.distances, want.distances)
    torch.set_float32_matmul_precision("high")  # TF32 elsewhere changes nothing
    try:
        again = k_center(rows, k=900, seed=2, device="cuda")
    finally:
        torch.set_float32_matmul_precision("highest")
    np.testing.assert_array_equal(again.rows, want.rows)


@pytest.mark.parametrize("d", [1, 17, 96, 768])
def test_distances_of_pairs_are_those_of_the_host_to_the_last_bit(d):
    rng = np.random.default_rng(d)
    rows = rng.normal(size=(5000, d)).astype(np.float32)
    a, b = rng.integers(5000, size=(2, 30_001))
    points = DevicePoints(rows, "cuda")
    got = points.pairs(torch.from_numpy(a).cuda(), torch.from_numpy(b).cuda())
    np.testing.assert_array_equal(got.cpu().numpy(), on_host(rows[a], rows[b]))


def test_products_are_not_taken_in_tf32():
    side = torch.full((256, 256), 1 + 2.0**-20, device="cuda")
    torch.set_float32_matmul_precision("high")
    try:
        with full_precision():
            product = (side @ torch.eye(256, device="cuda")).cpu()
    finally:
        torch.set_float32_matmul_precision("highest")
    assert (product == 1 + 2.0**-20).all()


def test_facility_location():
    rows = integers(5000, 12, seed=11, top=4)
    want = facility_location(rows, k=30)
    got = facility_location(rows, k=30, device="cuda")
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.gains, want.gains)


def test_the_whole_build_and_the_graph(clustered):
    rows = clustered(30_000, 48, seed=12)
    params = BuildParams(metric="l2", nlist=128, seed=3)
    host = SoarIndex.build(rows, params)
    there = SoarIndex.build(rows, params, device="cuda")
    assert abs(there.spilled_share - host.spilled_share) < 0.02
    graph = knn_graph(there.with_engine("torch"), k=10, target_recall=0.95)
    assert graph.estimated_recall > 0.93


def test_memory_is_given_back():
    rows = integers(50_000, 64, seed=13)
    # The first product of a process takes a workspace from the same memory.
    torch.ones((8, 8), device="cuda").mm(torch.ones((8, 8), device="cuda"))
    before = torch.cuda.memory_allocated()
    points = DevicePoints(rows, "cuda")
    points.covering().cover(np.arange(5))
    assert torch.cuda.memory_allocated() > before
    del points
    assert torch.cuda.memory_allocated() == before
