"""Facility location against its definition, on the host and, with torch, a device."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from gleann.index.errors import (
    EngineUnavailableError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection import facility_location
from gleann.selection.coreset.methods.facility_location import HostGains, make_gains

# The package has a function of the module's name.
MODULE = sys.modules["gleann.selection.coreset.methods.facility_location"]
NO_TORCH = pytest.mark.skipif(
    not find_spec("torch"), reason="needs torch (make test-kernels)"
)
DEVICES = [
    pytest.param(None, id="host"),
    pytest.param("cpu", marks=NO_TORCH, id="torch"),
]


def integers(n, d, *, seed):
    return np.random.default_rng(seed).integers(-3, 4, (n, d)).astype(np.float32)


def value_of(rows, chosen):
    near = rows.astype(float) @ rows[chosen].astype(float).T
    return np.maximum(near.max(axis=1), 0).sum()


def plain_greedy(rows, k, locked=()):
    """By definition: every row tried at every step, ties to the lower."""
    chosen, gains = list(locked), []
    before = value_of(rows, chosen) if chosen else 0.0
    for _ in range(k):
        values = [
            -np.inf if row in chosen else value_of(rows, [*chosen, row])
            for row in range(len(rows))
        ]
        row = int(np.argmax(values))
        chosen.append(row)
        gains.append(values[row] - before)
        before = values[row]
    return chosen[len(locked) :], gains, before


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("locked", [(), (4, 17)])
@pytest.mark.parametrize("seed", range(3))
def test_picks_are_those_of_the_definition(monkeypatch, seed, locked, device):
    monkeypatch.setattr(MODULE, "CANDIDATES", 7)
    rows = integers(60, 4, seed=seed)
    want, gains, value = plain_greedy(rows, 8, locked)
    found = facility_location(rows, k=8, locked=list(locked), device=device)
    assert found.rows.tolist() == want
    np.testing.assert_array_equal(found.gains, gains)
    assert found.value == value


@pytest.mark.parametrize("device", DEVICES)
def test_a_case_by_hand(device):
    rows = np.array([[2, 0], [3, 0], [0, 1], [0, -1], [-1, 0]], np.float32)
    found = facility_location(rows, k=3, device=device)
    # (3, 0) serves itself by 9 and (2, 0) by 6; three more serve themselves by 1.
    assert found.rows.tolist() == [1, 2, 3]
    assert found.gains.tolist() == [15.0, 1.0, 1.0]
    assert found.value == 17.0


@pytest.mark.parametrize("device", DEVICES)
def test_gains_never_ascend_and_add_up(clustered, device):
    rows = clustered(700, 9, seed=2)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = facility_location(rows, k=40, device=device)
    assert (np.diff(found.gains) <= 1e-4).all()
    assert found.value == pytest.approx(found.gains.sum(), rel=1e-5)
    assert found.value == pytest.approx(value_of(rows, found.rows), rel=1e-5)
    drawn = np.random.default_rng(0).choice(700, 40, replace=False)
    assert found.value > value_of(rows, drawn)


@NO_TORCH
def test_the_device_has_the_gains_of_the_host(monkeypatch):
    monkeypatch.setattr(
        "gleann.selection.coreset.methods.device_gains.BLOCK_SCORES", 900
    )
    rows = integers(400, 6, seed=9)
    asked = np.arange(0, 400, 9)
    host, there = HostGains(rows), make_gains(rows, device="cpu")
    for chosen in ([], [3, 5], [250]):
        for gains in (host, there):
            gains.add(np.array(chosen, np.int64))
        np.testing.assert_array_equal(there.of(asked), host.of(asked))
        assert there.value == host.value
    assert there.of(np.array([], np.int64)).shape == (0,)


def test_all_rows_can_be_picked_and_none_twice():
    rows = integers(30, 3, seed=1)
    found = facility_location(rows, k=28, locked=[2, 9])
    assert sorted([*found.rows.tolist(), 2, 9]) == list(range(30))


def test_it_can_be_stopped():
    heard = []

    def stop(progress):
        heard.append((progress.phase, progress.done, progress.total))
        if progress.phase == "pick" and progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        facility_location(integers(300, 4, seed=0), k=9, progress=stop)
    assert heard[0] == ("gains", 0, 300)
    assert heard[-1] == ("pick", 2, 9)


@pytest.mark.parametrize("k", [0, 29])
def test_k_out_of_range(k):
    with pytest.raises(InvalidParamsError, match=f"28.*{k}"):
        facility_location(integers(30, 3, seed=1), k=k, locked=[2, 9])


def test_products_beyond_float32_are_refused():
    rows = np.full((3, 2), 1e16, np.float32)
    with pytest.raises(InvalidInputError, match=r"1e\+15.*1e\+16"):
        facility_location(rows, k=1)


def test_a_device_that_is_not_there():
    with pytest.raises(EngineUnavailableError):
        facility_location(integers(30, 3, seed=1), k=1, device="cuda:77")
