"""Reranking rows, interpreted: distances and ties as in torch."""

from kernel_mode import interpreted_only

interpreted_only()

import numpy as np
import pytest
import torch

from gleann.index.engines.device.steps.keys import NONE, make_keys
from gleann.index.engines.device.steps.rerank import (
    DeviceRows,
    HostRows,
    answer,
    rerank,
)
from gleann.index.engines.triton_kernels.finish import launch_rerank
from gleann.index.engines.triton_kernels.scanner import TritonScanner

RERANK_WIDTHS = [(1, 1), (64, 10), (65, 10), (100, 100), (129, 3), (300, 200)]


def pooled(rows, nq, width, seed):
    """Pools of distinct rows in any order, some of them absent."""
    rng = np.random.default_rng(seed)
    drawn = np.stack([rng.permutation(len(rows))[:width] for _ in range(nq)])
    scores = torch.from_numpy(rng.normal(size=drawn.shape).astype(np.float32))
    keys = make_keys(scores, torch.from_numpy(drawn))
    absent = torch.from_numpy(rng.random(drawn.shape) < 0.3)
    return torch.where(absent, NONE, keys)


@pytest.mark.parametrize(("width", "k"), RERANK_WIDTHS)
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_reranking_is_that_of_torch_on_integers(metric, width, k):
    """To the last bit; a third of the rows come twice, and k exceeds what is there."""
    rng = np.random.default_rng(width)
    rows = rng.integers(-9, 10, (320, 17)).astype(np.float32)
    rows[200:] = rows[:120]
    asked = torch.from_numpy(rng.integers(-9, 10, (3, 17)).astype(np.float32))
    pool = pooled(rows, 3, width, seed=k)
    pool[1] = NONE
    store = DeviceRows(rows, torch.device("cpu"))
    want = rerank(asked, pool, store, metric=metric, k=k)
    got = TritonScanner().rerank(asked, pool, store, metric=metric, k=k)
    assert torch.equal(got, want)
    assert width == 1 or (want[0] != NONE).any()


@pytest.mark.parametrize("d", [1, 17, 96, 100, 960])
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
def test_reranked_distances_are_those_of_torch_but_for_the_order_of_sums(metric, d):
    rng = np.random.default_rng(d)
    rows = rng.normal(size=(90, d)).astype(np.float32)
    asked = torch.from_numpy(rng.normal(size=(2, d)).astype(np.float32))
    pool = pooled(rows, 2, 70, seed=d)
    store = DeviceRows(rows, torch.device("cpu"))
    want = answer(rerank(asked, pool, store, metric=metric, k=40))
    got = answer(TritonScanner().rerank(asked, pool, store, metric=metric, k=40))
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_max_ulp(got[1].numpy(), want[1].numpy(), maxulp=1)


def test_reranking_rows_of_the_host_and_no_queries():
    rows = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    asked = torch.from_numpy(rows[:2])
    pool = pooled(rows, 2, 12, seed=1)
    got = TritonScanner().rerank(asked, pool, HostRows(rows), metric="l2", k=4)
    assert torch.equal(got, rerank(asked, pool, HostRows(rows), metric="l2", k=4))
    there = DeviceRows(rows, torch.device("cpu"))
    none = TritonScanner().rerank(asked[:0], pool[:0], there, metric="l2", k=4)
    assert none.shape == (0, 4)


def test_reranking_past_two_billion_values(tmp_path):
    """In a file with holes: only the rows that are read take room."""
    n, d = (1 << 31) // 64 + 9, 64
    path = tmp_path / "rows"
    with path.open("wb") as file:
        file.truncate(4 * n * d)
    vectors = torch.from_file(str(path), shared=True, size=n * d).view(n, d)
    vectors[-3:] = torch.tensor([[2.0], [1.0], [3.0]])
    store = DeviceRows(np.zeros((1, d), np.float32), torch.device("cpu"))
    store.vectors = vectors
    pool = torch.tensor([[n - 3, n - 2, n - 1]])
    got = TritonScanner().rerank(torch.zeros(1, d), pool, store, metric="l2", k=3)
    rows, distances = answer(got)
    assert rows.tolist() == [[n - 2, n - 3, n - 1]]
    assert distances.tolist() == [[64.0, 256.0, 576.0]]


def test_reranking_for_more_neighbours_than_a_program_merges(monkeypatch):
    monkeypatch.setattr(launch_rerank, "MERGE_MOST", 150)
    monkeypatch.setattr(launch_rerank, "launch_merge_runs", None)
    rows = np.random.default_rng(2).integers(-9, 10, (320, 8)).astype(np.float32)
    asked, pool = torch.from_numpy(rows[:2]), pooled(rows, 2, 300, seed=2)
    store = DeviceRows(rows, torch.device("cpu"))
    got = TritonScanner().rerank(asked, pool, store, metric="l2", k=160)
    assert torch.equal(got, rerank(asked, pool, store, metric="l2", k=160))
