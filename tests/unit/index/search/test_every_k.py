"""The recall that is claimed holds for every k, also for those that no build measures.

Codes of projected rows, and of rows that are nearly equal, say little of the order of
the nearest: the first may have as bad a code as the tenth.
"""

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.evaluate import cut_at_k
from gleann.index.operating.points import (
    OperatingPoint,
    Pool,
    best_recall,
    choose_point,
    pool_for,
    rerank_for,
)

N, NQ, DIM = 5000, 800, 12
EVERY_K = (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 15, 20, 21, 32, 50, 51, 64, 99, 100)


def spread(rng):
    """Clusters that overlap."""
    centres = rng.normal(size=(60, DIM))
    return centres[rng.integers(60, size=N + NQ)] + rng.normal(size=(N + NQ, DIM))


def groups(rng):
    """Groups of twelve rows or so that int8 codes cannot tell apart."""
    centres = rng.normal(size=(N // 12, DIM))
    noise = 0.003 * rng.normal(size=(N + NQ, DIM))
    return centres[rng.integers(len(centres), size=N + NQ)] + noise


@pytest.mark.parametrize(
    ("make", "projection"),
    [(spread, None), (spread, 5), (spread, 9), (groups, None)],
    ids=["plain", "projected to 5", "projected to 9", "groups"],
)
def test_held_out_queries_get_what_is_claimed(make, projection):
    rows = make(np.random.default_rng(11)).astype(np.float32)
    params = BuildParams(metric="l2", projection=projection, codes="int8", seed=2)
    index, queries = SoarIndex.build(rows[:N], params), rows[N:]
    exact = index.find_rows(queries, SearchParams(k=100, exact=True)).distances
    for k in EVERY_K:
        for target in (0.9, 0.97):
            found = index.find_rows(queries, SearchParams(k=k, target_recall=target))
            shares = (found.distances <= cut_at_k(exact[:, :k])).mean(axis=1)
            # Of these queries; the claim has its own error of 1.645 of another sample.
            error = shares.std() / NQ**0.5
            claimed = min(target, found.stats.recall_low)
            got = float(shares.mean())
            assert got >= claimed - 3 * error, (k, target, got, claimed)


def test_coarse_codes_reach_for_one_neighbour_what_they_reach_for_ten():
    """As many rows are re-ranked, where a hundred for each neighbour are too few."""
    rows = spread(np.random.default_rng(11)).astype(np.float32)
    params = BuildParams(metric="l2", projection=5, nlist=40)
    index = SoarIndex.build(rows[:N], params)
    one, ten = (index.best_recall(k=k) for k in (1, 10))
    assert one >= ten > 0.85
    # 100 rows, the most that are measured for one neighbour.
    alone = max(p.recall for p in index.operating_points if p.k == 1)
    assert alone < ten - 0.1


def test_no_pool_is_larger_than_what_was_measured():
    """Of rows behind the best codes that are known nothing is counted."""
    rows = spread(np.random.default_rng(11)).astype(np.float32)
    index = SoarIndex.build(rows[:N], BuildParams(metric="l2", projection=5, nlist=40))
    points = index.operating_points
    most = {k: max(p.rerank for p in points if p.k == k) for k in (1, 2, 5, 10, 50)}
    assert most == {1: 100, 2: 200, 5: 500, 10: 1000, 50: 1000}
    deep = {k: max(p.rerank for p in points if p.k == k) for k in (320, 1000)}
    assert deep == {320: 3000, 1000: 3000}


def point(k, recall, rerank, nprobe=4):
    return OperatingPoint(
        k=k, nprobe=nprobe, rerank=rerank, recall=recall, entries=100.0, error=0.001
    )


def test_a_larger_k_is_taken_where_its_points_reach_the_target():
    points = point(1, 0.6, 100), point(10, 0.93, 500), point(10, 0.97, 1000)
    points += (point(100, 0.9, 1000),)
    assert choose_point(points, k=1, target_recall=0.5) is points[0]
    assert choose_point(points, k=1, target_recall=0.9) is points[1]
    assert choose_point(points, k=1, target_recall=0.95) is points[2]
    assert choose_point(points, k=1, target_recall=0.99) is points[2]
    assert choose_point(points, k=11, target_recall=0.95) is points[3]
    assert choose_point(points, k=101, target_recall=0.95) is points[3]
    assert best_recall(points, k=1) == best_recall(points, k=10) == 0.97
    assert best_recall(points, k=11) == 0.9


def test_a_larger_k_is_not_taken_for_what_may_be_chance():
    points = point(10, 0.97, 20), point(100, 0.9705, 300)
    assert choose_point(points, k=10, target_recall=0.99) is points[0]
    assert best_recall(points, k=10) == 0.97


def test_pools_do_not_shrink_with_k():
    assert [rerank_for(k, 13, measured=10) for k in (1, 2, 9, 10)] == [13] * 4
    assert [rerank_for(k, 13, measured=10) for k in (11, 20, 25)] == [15, 26, 33]
    pools = Pool(k=10, nprobe=1, rerank=50), Pool(k=10, nprobe=8, rerank=1000)
    assert [pool_for(pools, k=k, nprobe=7) for k in (1, 5, 10, 20)] == [50, 50, 50, 100]
    assert pool_for(pools, k=1, nprobe=8) == 1000


@pytest.mark.parametrize("k", [2, 5])
def test_given_lists_lose_no_more_of_two_neighbours_than_of_ten(k):
    """What `pool_for` adds to the default, for callers that give nprobe."""
    rows = spread(np.random.default_rng(11)).astype(np.float32)
    params = BuildParams(metric="l2", projection=5, nlist=40, spill="none")
    index, queries = SoarIndex.build(rows[:N], params), rows[N:]

    def lost(k):
        exact = index.find_rows(queries, SearchParams(k=k, exact=True))
        found = index.find_rows(queries, SearchParams(k=k, nprobe=40))
        return 1 - (found.distances <= cut_at_k(exact.distances)).mean()

    assert lost(k) <= lost(10) + 0.005
