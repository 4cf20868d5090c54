"""Distances and gains of coreset methods, interpreted, against the host."""

from kernel_mode import interpreted_only

interpreted_only()
from dataclasses import replace

import numpy as np
import pytest
import torch

from gleann.index.engines.triton_kernels.coreset import launch_gains
from gleann.index.engines.triton_kernels.coreset.launch_distances import (
    launch_pair_squares,
)
from gleann.selection import facility_location, farthest_first
from gleann.selection.coreset.distance import device as on_device
from gleann.selection.coreset.distance.contract import squared_l2
from gleann.selection.coreset.methods import device_gains
from gleann.selection.coreset.methods.facility_location import HostGains


@pytest.mark.parametrize("d", [1, 16, 17, 100])
@pytest.mark.parametrize("count", [0, 1, 32, 70])
def test_distances_of_pairs_are_those_of_the_host_to_the_last_bit(count, d):
    rng = np.random.default_rng(d)
    rows = rng.normal(size=(50, d)).astype(np.float32) * 10.0 ** rng.integers(-4, 5)
    a, b = rng.integers(50, size=(2, count))
    got = launch_pair_squares(
        torch.from_numpy(rows), torch.from_numpy(a), torch.from_numpy(b)
    )
    np.testing.assert_array_equal(got.numpy(), squared_l2(rows[a], rows[b]))


def test_farthest_first_with_the_kernel(monkeypatch):
    rows = np.random.default_rng(2).integers(-3, 4, (90, 6)).astype(np.float32)
    want = farthest_first(rows, k=20, seed=1)
    monkeypatch.setattr(on_device, "device_reason", lambda device: "")
    got = farthest_first(rows, k=20, seed=1, device="cpu")
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.nearest, want.nearest)
    np.testing.assert_array_equal(got.distances, want.distances)


@pytest.fixture
def gains_by_kernel(monkeypatch):
    """Several tiles of rows and candidates, and more than one share."""
    small = replace(launch_gains.GAINS, rows=32, lists=16)
    monkeypatch.setattr(launch_gains, "GAINS", small)
    monkeypatch.setattr(launch_gains, "programs_on", lambda device: 3)
    monkeypatch.setattr(device_gains, "device_reason", lambda device: "")
    monkeypatch.setattr(device_gains, "block_slices", None)


@pytest.mark.usefixtures("gains_by_kernel")
@pytest.mark.parametrize(("n", "d"), [(1, 1), (128, 16), (300, 21)])
def test_gains_are_those_of_the_host(n, d):
    rows = np.random.default_rng(n).integers(-5, 6, (n, d)).astype(np.float32)
    host, there = HostGains(rows), device_gains.DeviceGains(rows, "cpu")
    for chosen in ([], [0], [n - 1, n // 2]):
        for gains in (host, there):
            gains.add(np.array(chosen, np.int64))
        for asked in (np.arange(0, n, 9), np.array([n - 1]), np.arange(0)):
            np.testing.assert_array_equal(there.of(asked), host.of(asked))
        assert there.value == host.value


@pytest.mark.usefixtures("gains_by_kernel")
def test_facility_location_with_the_kernel():
    rows = np.random.default_rng(6).integers(-3, 4, (60, 5)).astype(np.float32)
    want = facility_location(rows, k=6)
    got = facility_location(rows, k=6, device="cpu")
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.gains, want.gains)
