"""Building on a device: torch on the CPU, against the host's own build."""

import gc
import weakref

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.build.host import HostKernels, HostTrainingRows
from gleann.index.build.kernels import kernels_on
from gleann.index.build.kmeans import train_centroids
from gleann.index.build.spill import Spiller, scale_of
from gleann.index.codes import Encoding, quantise
from gleann.index.errors import DeviceMemoryError, EngineUnavailableError
from gleann.index.exact import exact_search_prepared

torch = pytest.importorskip("torch", reason="torch is not installed")
from gleann.index.build.device import assigner
from gleann.index.engines.device.layout import stream
from gleann.index.engines.device.precision import full_precision
from gleann.index.engines.device.turns import turn_on

METRICS = ["l2", "ip", "cosine"]
SPILLS = ["soar", "naive", "none"]


@pytest.fixture
def kernels():
    return kernels_on("cpu")


def integers(n, d, *, seed, top=9):
    return np.random.default_rng(seed).integers(-top, top, (n, d)).astype(np.float32)


def assigned(kernels, rows, centroids, **params):
    blocks = kernels.assign_blocks(rows, centroids, params=BuildParams(**params))
    parts = list(blocks)
    assert [block.stop for block, _, _ in parts][-1] == len(rows)
    first, second = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    assert first.dtype == second.dtype == np.int32
    return first, second


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spill", SPILLS)
@pytest.mark.parametrize("metric", METRICS)
def test_integers_get_the_lists_of_the_host(kernels, metric, spill, seed):
    """Products are exact there: rows that are as near to two lists go to the lower."""
    rows, centroids = integers(900, 6, seed=seed), integers(70, 6, seed=seed + 50)
    centroids[7] = centroids[3]
    rows[:20] = centroids[:20]  # no residual
    chosen = {"metric": metric, "spill": spill}
    first, second = assigned(kernels, rows, centroids, **chosen)
    for want in (
        assigned(HostKernels(1), rows, centroids, **chosen),
        Spiller(centroids, BuildParams(**chosen), scale=scale_of(rows)).assign(rows),
    ):
        np.testing.assert_array_equal(first, want[0])
        if spill == "soar" and metric != "l2":
            assert_as_good(rows, centroids, first, second, want[1])
        else:
            np.testing.assert_array_equal(second, want[1])
    assert not (first == second).any()


def assert_as_good(rows, centroids, first, second, want):
    """SOAR divides by |r|^2: lists of equal loss are told apart by rounding alone."""
    differ = np.flatnonzero(second != want)
    assert len(differ) <= 3
    rows, first = rows[differ].astype(float), first[differ]
    losses = []
    for chosen in (second[differ], want[differ]):
        r = rows - centroids[first]
        other = rows - centroids[np.where(chosen < 0, first, chosen)]
        along = (r * other).sum(1) ** 2 / (r * r).sum(1)
        losses.append((other * other).sum(1) + along)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_real_rows_differ_only_where_lists_are_as_good(kernels, metric, weight):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(3000, 24)).astype(np.float32)
    centroids = rng.normal(size=(120, 24)).astype(np.float32)
    chosen = {"metric": metric, "spill": "soar", "spill_lambda": weight}
    got = assigned(kernels, rows, centroids, **chosen)
    want = assigned(HostKernels(1), rows, centroids, **chosen)
    assert (got[0] == want[0]).mean() > 0.999
    assert (got[1] == want[1]).mean() > 0.999
    assert (weight > 0) == (got[1] >= 0).any()


def test_blocks_of_any_size_assign_alike(kernels, monkeypatch):
    rows, centroids = integers(500, 8, seed=1), integers(30, 8, seed=2)
    whole = assigned(kernels, rows, centroids, metric="ip")
    monkeypatch.setattr(stream, "BLOCK_BYTES", 8 * 4 * 77)
    monkeypatch.setattr(assigner, "BLOCK_SCORES", 30 * 13)
    parts = assigned(kernels, rows, centroids, metric="ip")
    np.testing.assert_array_equal(whole, parts)


def test_one_list_has_no_second(kernels):
    first, second = assigned(kernels, integers(9, 4, seed=0), np.ones((1, 4), "f4"))
    assert first.tolist() == [0] * 9
    assert second.tolist() == [-1] * 9


def test_sums_are_those_of_the_host_to_the_last_bit(kernels):
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(2000, 10)).astype(np.float32)
    list_nos = rng.integers(0, 60, size=2000).astype(np.int32)
    list_nos[list_nos == 17] = 18  # an empty list
    want = HostTrainingRows(rows).sums(list_nos, nlist=60)
    got = kernels.training_rows(rows).sums(list_nos, nlist=60)
    np.testing.assert_array_equal(got, want)
    assert not got[17].any()


@pytest.mark.parametrize("metric", METRICS)
def test_centroids_are_those_of_the_host(kernels, metric):
    """Clusters far apart, so that rounding moves no row: the same code then follows."""
    rng = np.random.default_rng(7)
    centres = 40 * rng.normal(size=(12, 8))
    rows = centres[rng.integers(12, size=1500)] + rng.integers(-2, 3, size=(1500, 8))
    rows = rows.astype(np.float32)
    chosen = {"nlist": 20, "metric": metric, "iterations": 6, "seed": 3}
    want = train_centroids(rows, **chosen)
    got = train_centroids(rows, kernels=kernels, **chosen)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [3, 40, 900])
def test_nearest_rows_are_those_of_the_host(kernels, metric, n):
    """Integers in few dimensions: many rows are equally near, and many equal."""
    rows = integers(n, 3, seed=n, top=3)
    queries = integers(25, 3, seed=1, top=3)
    k = min(n, 10)
    want = exact_search_prepared(queries, rows, metric=metric, k=k)
    got = kernels.nearest_rows(queries, rows, metric=metric, k=k, progress=None)
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1], want[1])


def test_codes_are_those_of_the_host(kernels, monkeypatch):
    rows = np.random.default_rng(2).normal(size=(300, 12)).astype(np.float32)
    rows[5] = 0
    monkeypatch.setattr(stream, "BLOCK_BYTES", 12 * 4 * 64)
    plain = Encoding.uncentred("ip", rows.shape[1])
    got, want = kernels.codes(rows, plain), quantise(rows)
    np.testing.assert_array_equal(got.values, want.values)
    np.testing.assert_array_equal(got.scales, want.scales)


def test_the_files_are_those_of_the_host(tmp_path, clustered):
    rows = np.rint(20 * clustered(2000, 8, seed=4)).astype(np.float32)
    params = BuildParams(metric="l2", seed=2, kmeans_iterations=1, tune_queries=30)
    SoarIndex.build(rows, params).save(tmp_path / "host")
    SoarIndex.build(rows, params, device="cpu").save(tmp_path / "device")
    SoarIndex.build_on_disk(rows, tmp_path / "disk", params, device="cpu")
    names = sorted(path.name for path in (tmp_path / "host").rglob("*.npy"))
    for other in ("device", "disk"):
        found = {path.name: path for path in (tmp_path / other).rglob("*.npy")}
        assert sorted(found) == names
        for path in (tmp_path / "host").rglob("*.npy"):
            want, got = np.load(path), np.load(found[path.name])
            np.testing.assert_array_equal(got, want, err_msg=f"{other} {path.name}")


def test_progress_and_stopping(clustered):
    heard = []

    def report(progress):
        heard.append(progress.phase)
        if progress.phase == "assign":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SoarIndex.build(clustered(800, 6, seed=1), device="cpu", progress=report)
    assert heard[0] == "train"
    assert "encode" not in heard


def test_mapped_rows_are_not_touched(tmp_path, kernels):
    np.save(tmp_path / "rows.npy", integers(400, 5, seed=9))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    centroids = integers(11, 5, seed=8)
    want = assigned(HostKernels(1), np.array(rows), centroids, metric="l2")
    np.testing.assert_array_equal(assigned(kernels, rows, centroids, metric="l2"), want)


def test_full_precision_is_put_back():
    torch.set_float32_matmul_precision("high")
    try:
        with full_precision():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_running_out_of_memory_is_no_crash(kernels, monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 TiB.")

    rows, centroids = integers(60, 4, seed=1), integers(5, 4, seed=2)
    monkeypatch.setattr(assigner.DeviceAssigner, "assign", fail)
    with pytest.raises(DeviceMemoryError, match="1 TiB"):
        assigned(kernels, rows, centroids)
    monkeypatch.undo()
    assigned(kernels, rows, centroids)  # the turn was given back


def test_others_may_use_the_device_between_two_blocks(kernels, monkeypatch):
    monkeypatch.setattr(stream, "BLOCK_BYTES", 4 * 4 * 20)
    rows, centroids = integers(60, 4, seed=1), integers(5, 4, seed=2)
    blocks = kernels.assign_blocks(rows, centroids, params=BuildParams())
    for block, _, _ in blocks:
        with turn_on(torch.device("cpu")):  # would wait for ever
            assert block.stop <= 60


def test_a_device_that_is_not_there():
    with pytest.raises(EngineUnavailableError, match="cuda:77"):
        kernels_on("cuda:77")


@pytest.mark.parametrize("metric", METRICS)
def test_an_assigner_goes_without_the_collector(metric):
    """It holds centroids and losses on the device."""
    params = BuildParams(metric=metric, spill="soar")
    made = assigner.DeviceAssigner(torch.eye(4), params, scale=1.0)
    there = weakref.ref(made)
    gc.disable()
    try:
        del made
        assert there() is None
    finally:
        gc.enable()
