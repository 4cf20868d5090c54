"""Assigning rows to lists, interpreted, against torch and the host."""

from kernel_mode import interpreted_only

interpreted_only()
from dataclasses import replace

import numpy as np
import pytest
import torch

from gleann.index.build.device import assigner
from gleann.index.build.host import HostKernels, HostTrainingRows
from gleann.index.build.kernels import kernels_on
from gleann.index.build.spill import Spiller, scale_of
from gleann.index.engines.triton_kernels.build import launch_assign
from gleann.index.params import BuildParams


@pytest.fixture
def small_tiles(monkeypatch):
    """Several tiles of rows and of lists, and more than one share."""
    for name in ("ASSIGN", "ASSIGN_SOAR"):
        config = getattr(launch_assign, name)
        small = replace(config, rows=16, lists=16, block=16)
        monkeypatch.setattr(launch_assign, name, small)
    monkeypatch.setattr(launch_assign, "programs_on", lambda device: 3)


def rows_and_centroids(n, nlist, d):
    """Small integers; some rows are centroids, and three centroids are the same.

    The two others are in the next tile and in the last share.
    """
    rng = np.random.default_rng(100 * n + d)
    rows, centroids = (
        rng.integers(-5, 6, (count, d)).astype(np.float32) for count in (n, nlist)
    )
    rows[: min(n, nlist, 4)] = centroids[: min(n, nlist, 4)]
    centroids[nlist // 3] = centroids[-1] = centroids[0]
    return rows, centroids


def labels(rows, centroids, params):
    made = assigner.DeviceAssigner(
        torch.from_numpy(centroids), params, scale=scale_of(rows)
    )
    return [part.numpy() for part in made.assign(torch.from_numpy(rows))]


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("shape", [(1, 2, 5), (50, 37, 1), (50, 70, 21), (16, 48, 32)])
@pytest.mark.parametrize(
    ("metric", "spill", "weight"),
    [
        ("l2", "soar", None),
        ("l2", "soar", 0.5),
        ("ip", "soar", None),
        ("ip", "soar", 0.5),
        ("ip", "naive", None),
        ("l2", "none", None),
    ],
)
def test_lists_are_those_of_torch(monkeypatch, metric, spill, weight, shape):
    rows, centroids = rows_and_centroids(*shape)
    params = BuildParams(metric=metric, spill=spill, spill_lambda=weight)
    want = labels(rows, centroids, params)
    monkeypatch.setattr(assigner, "device_reason", lambda device: "")
    monkeypatch.setattr(assigner, "full_precision", None)  # of torch alone
    got = labels(rows, centroids, params)
    host = Spiller(centroids, params, scale=scale_of(rows)).assign(rows)
    for mine, theirs in zip(got, want, strict=True):
        assert mine.dtype == np.int32
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(got[0], host[0])
    # SOAR divides by |r|^2: lists of equal loss are told apart by rounding alone.
    least = 0.97 if (metric, spill) == ("ip", "soar") else 1.0
    assert (got[1] == host[1]).mean() >= least


@pytest.mark.usefixtures("small_tiles")
def test_a_build_that_assigns_by_the_kernel(monkeypatch):
    """Of real rows too: none here is as near to two lists to rounding."""
    rng = np.random.default_rng(4)
    rows, centroids = (rng.normal(size=(n, 20)).astype("f4") for n in (90, 40))
    params = BuildParams(metric="cosine", spill="soar")
    (_, *want), *_ = HostKernels(1).assign_blocks(rows, centroids, params=params)
    monkeypatch.setattr(assigner, "device_reason", lambda device: "")
    kernels = kernels_on("cpu")
    ((_, *got),) = kernels.assign_blocks(rows, centroids, params=params)
    np.testing.assert_array_equal(got, want)
    assert (want[1] >= 0).any()
    near = kernels.training_rows(rows).nearest(centroids)
    np.testing.assert_array_equal(near, HostTrainingRows(rows).nearest(centroids))


@pytest.mark.parametrize("nlist", [1, 64, 65, 4096])
@pytest.mark.parametrize("tiles", [0, 1, 171, 7000])
def test_shares_are_whole_tiles_and_fill_the_device(tiles, nlist):
    share = launch_assign.share_of(nlist, 64, tiles=tiles, places=132)
    columns, shares = -(-nlist // 64), -(-nlist // share)
    assert share % 64 == 0
    # Rounding up to whole tiles costs less than half of the shares.
    assert 2 * tiles * shares >= min(tiles * columns, 4 * 132)
    assert shares == 1 or tiles < 4 * 132
