"""Cluster-margin: the round robin equals a naive one; clusters by hand."""

from collections import deque

import numpy as np
import pytest

from gleann.selection.rounds import cluster_margin
from gleann.selection.rounds.cluster_margin import cluster, round_robin


def naive(candidates, clusters, *, k, rng):
    """Lists of lists, as the paper writes it."""
    order = rng.permutation(len(candidates))
    members = {}
    for place in order:
        members.setdefault(clusters[place], deque()).append(candidates[place])
    queue = sorted(members, key=lambda number: (len(members[number]), number))
    taken = []
    while len(taken) < k:
        for number in queue:
            if members[number] and len(taken) < k:
                taken.append(members[number].popleft())
    return taken


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_naive_round_robin(seed):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 60))
    candidates = rng.permutation(200)[:m]
    clusters = rng.integers(8, size=m)
    k = int(rng.integers(1, m + 1))
    got = round_robin(candidates, clusters, k=k, rng=np.random.default_rng(seed))
    want = naive(candidates, clusters, k=k, rng=np.random.default_rng(seed))
    assert got.tolist() == want


def test_small_clusters_come_first_and_all_before_a_second():
    clusters = np.array([5, 5, 5, 5, 2, 2, 9])
    taken = round_robin(np.arange(7), clusters, k=5, rng=np.random.default_rng(0))
    assert clusters[taken].tolist() == [9, 2, 5, 2, 5]


def groups(count=6, size=10, d=3, seed=0):
    rng = np.random.default_rng(seed)
    centres = 100 * rng.normal(size=(count, d))
    numbers = rng.permutation(np.repeat(np.arange(count), size))
    rows = centres[numbers] + rng.normal(size=(count * size, d))
    return rows.astype(np.float32), numbers


def test_far_groups_are_the_clusters():
    rows, numbers = groups()
    found = cluster(rows, cluster_rows=10, seed=0)
    pairs = set(zip(found.tolist(), numbers.tolist(), strict=True))
    assert len(pairs) == len(set(numbers.tolist())) == found.max() + 1
    # Numbered in the order of their first rows.
    _, first = np.unique(found, return_index=True)
    assert first.tolist() == sorted(first.tolist())


def test_many_rows_take_k_means_lists(monkeypatch):
    monkeypatch.setattr(cluster_margin, "MOST_HAC_ROWS", 20)
    rows, numbers = groups(count=3, size=40)
    found = cluster(rows, cluster_rows=10, seed=0)
    # Each list lies in one group: the groups are far apart, the lists small.
    lists = [set(numbers[found == number]) for number in range(found.max() + 1)]
    assert 3 <= len(lists) <= 12
    assert sum(len(one) > 1 for one in lists) == 0
    assert np.array_equal(found, cluster(rows, cluster_rows=10, seed=0))


def test_few_rows_are_one_cluster():
    assert (
        cluster(np.eye(5, dtype=np.float32), cluster_rows=10, seed=0).tolist()
        == [0] * 5
    )
