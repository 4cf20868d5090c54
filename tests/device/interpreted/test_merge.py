"""Merging candidates, interpreted: in one level and in two."""

from kernel_mode import interpreted_only

interpreted_only()

import device_world as world
import numpy as np
import pytest
import torch
from interpreted_world import SIZES, setting

from gleann.index.engines.device.steps import merge
from gleann.index.engines.device.steps.bitmap import bitmap_of
from gleann.index.engines.device.steps.keys import NONE, make_keys, smallest
from gleann.index.engines.triton_kernels.finish import launch_merge
from gleann.index.engines.triton_kernels.scanner import TritonScanner


def merging_case(width, nq, *, spread):
    """Keys of entries of a small index, NONE among them; lists that are probed."""
    lists = setting("fp32", 32)[2].lists
    rng = np.random.default_rng(width)
    count = len(lists.rows)
    entries = np.stack([rng.permutation(count)[:width] for _ in range(nq)])
    scores = rng.integers(-spread, spread, entries.shape).astype(np.float32)
    keys = make_keys(torch.from_numpy(scores), torch.from_numpy(entries))
    absent = torch.from_numpy(rng.random(entries.shape) < 0.2)
    probed = bitmap_of(
        torch.from_numpy(world.some_lists(nq, 3, len(SIZES)).astype(np.int64)),
        nlist=lists.nlist,
    )
    return torch.where(absent, NONE, keys), lists, probed


def kernels_of_merge(monkeypatch):
    """The names of the kernels that a merge launches, in order."""
    used = []
    for name in ("merge_keys", "merge_runs"):
        kernel = getattr(launch_merge, name)
        spied = _Spied(kernel, lambda name=name: used.append(name))
        monkeypatch.setattr(launch_merge, name, spied)
    return used


class _Spied:
    """A kernel that says when it is launched."""

    def __init__(self, kernel, launched):
        self._kernel, self._launched = kernel, launched

    def __getitem__(self, grid):
        self._launched()
        return self._kernel[grid]


@pytest.mark.parametrize(
    ("keep", "width"),
    [
        (1, 1),
        (40, 63),
        (64, 300),
        (100, 300),
        pytest.param(200, 520, marks=pytest.mark.slow),
        pytest.param(300, 700, marks=pytest.mark.slow),
    ],
)
def test_merging_is_that_of_torch(monkeypatch, keep, width):
    monkeypatch.setattr(launch_merge, "merge_share", lambda nq, width, **_: width)
    used = kernels_of_merge(monkeypatch)
    keys, lists, probed = merging_case(width, 3, spread=9)
    want = merge.merge(keys, lists, probed, keep=keep)
    assert torch.equal(TritonScanner().merge(keys, lists, probed, keep=keep), want)
    assert used == ["merge_keys"]
    rows = merge.rows_of(keys, lists, probed)
    assert ((rows == NONE) & (keys != NONE)).any() or width < 20


@pytest.mark.parametrize(
    ("keep", "width"),
    [
        (1, 257),
        (64, 513),
        pytest.param(100, 700, marks=pytest.mark.slow),
        pytest.param(200, 520, marks=pytest.mark.slow),
    ],
)
def test_merging_in_two_levels_is_that_of_torch(monkeypatch, keep, width):
    """Every step of 256 keys by another program, the last of them hardly full."""
    monkeypatch.setattr(launch_merge, "merge_share", lambda nq, width, **_: 256)
    used = kernels_of_merge(monkeypatch)
    keys, lists, probed = merging_case(width, 2, spread=9)
    want = merge.merge(keys, lists, probed, keep=keep)
    assert torch.equal(TritonScanner().merge(keys, lists, probed, keep=keep), want)
    assert used == ["merge_keys", "merge_runs"]


def test_merging_what_no_list_has():
    keys, lists, probed = merging_case(300, 2, spread=9)
    none = torch.full_like(keys, NONE)
    for given in (none, none[:0], none[:, :0]):
        got = TritonScanner().merge(given, lists, probed[: len(given)], keep=70)
        assert torch.equal(got, none[: len(given), :70])


@pytest.mark.parametrize(("keep", "length"), [(5, 5), (64, 64), (100, 64), (20, 128)])
def test_sorted_runs_are_merged(keep, length):
    """More runs than a step takes: sixteen of 64 keys, eight of 128."""
    rng = np.random.default_rng(keep)
    drawn = rng.integers(0, 1 << 40, (2, 19, length))
    drawn[0, 3, length // 2 :] = NONE
    runs = torch.from_numpy(drawn).sort(dim=2).values
    got = launch_merge.launch_merge_runs(runs, keep=keep)
    assert torch.equal(got, smallest(runs.flatten(1), keep))
