"""Candidates read both ways: by hand, and the native kernel against its NumPy twin."""

import numpy as np
import pytest

from gleann.index.engines import native
from gleann.index.graph.mutual import mutual_neighbours, mutual_reference
from gleann.index.graph.self_join import CandidateLists

NONE = np.inf

needs_native = pytest.mark.skipif(
    not native.available(), reason="the native kernels are not built"
)


def lists_of_candidates(rows, distances):
    return CandidateLists(
        rows=np.array(rows, np.int32), distances=np.array(distances, np.float32)
    )


def both(candidates, k):
    want = mutual_reference(candidates, k=k)
    got = mutual_neighbours(candidates, k=k, threads=2)
    np.testing.assert_array_equal(got.rows, want.rows)
    np.testing.assert_array_equal(got.distances, want.distances)
    return got


def test_by_hand():
    """On a line at 0, 1, 3, 7: row 0 found nothing, and 3 is found by nobody."""
    candidates = lists_of_candidates(
        [[0, -1, -1], [1, 0, 2], [2, 1, 0], [3, 2, -1]],
        [[0, NONE, NONE], [0, 1, 4], [0, 4, 9], [0, 16, NONE]],
    )
    found = both(candidates, k=2)
    assert found.rows.tolist() == [[1, 2], [0, 2], [1, 0], [2, -1]]
    assert found.distances.tolist() == [[1, 9], [1, 4], [4, 9], [16, NONE]]


def test_ties_go_to_the_lower_row():
    candidates = lists_of_candidates([[3], [3], [3], [2]], [[5], [5], [5], [5]])
    assert both(candidates, k=2).rows.tolist() == [[3, -1], [3, -1], [3, -1], [0, 1]]


def test_negative_and_zero_distances():
    candidates = lists_of_candidates([[1], [2], [1]], [[-2.0], [-0.0], [0.0]])
    found = both(candidates, k=2)
    assert found.rows.tolist() == [[1, -1], [0, 2], [1, -1]]


def random_pools(rng, n, width, metric):
    """Candidates drawn from points, with gaps, the row itself, and equal distances."""
    points = rng.integers(-4, 5, size=(n, 3)).astype(np.float32)
    points[n // 2 :: 3] = points[0]
    near = points @ points.T
    if metric == "l2":
        squares = (points**2).sum(axis=1)
        near = squares[:, None] + squares - 2 * near
    else:
        near = -near
    rows = np.full((n, width), -1, np.int32)
    distances = np.full((n, width), np.inf, np.float32)
    for i in range(n):
        drawn = rng.choice(n, size=rng.integers(min(width, n) + 1), replace=False)
        order = drawn[np.lexsort((drawn, near[i, drawn]))]
        rows[i, : len(order)] = order
        distances[i, : len(order)] = near[i, order]
    return CandidateLists(rows=rows, distances=distances)


@needs_native
@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("seed", range(6))
def test_native_equals_numpy(seed, metric):
    rng = np.random.default_rng(seed)
    for n, width, k in [(1, 1, 1), (2, 3, 1), (40, 7, 3), (300, 12, 11), (300, 5, 9)]:
        both(random_pools(rng, n, width, metric), k)


@needs_native
def test_native_with_many_tasks():
    """More rows than one task takes, so that offers cross from task to task."""
    n = 9000
    rng = np.random.default_rng(7)
    rows = (np.arange(n)[:, None] + rng.integers(1, n, size=(n, 1)) + np.arange(4)) % n
    distances = np.abs(rows - np.arange(n)[:, None])
    order = np.lexsort((rows, distances), axis=1)
    rows = np.take_along_axis(rows, order, axis=1)
    both(lists_of_candidates(rows, np.take_along_axis(distances, order, axis=1)), k=3)


@needs_native
def test_native_refuses_what_it_cannot_follow():
    rows, distances = np.array([[5]], np.int32), np.zeros((1, 1), np.float32)
    with pytest.raises(ValueError, match="a pooled row does not exist"):
        native.mutual_neighbours(rows, distances, k=1, threads=1)
    beyond_k = np.array([[1, 9], [0, -1]], np.int32)
    with pytest.raises(ValueError, match="a pooled row does not exist"):
        native.mutual_neighbours(beyond_k, np.zeros((2, 2), np.float32), k=1, threads=1)
    with pytest.raises(ValueError, match=r"not both \(n, width\)"):
        native.mutual_neighbours(rows, distances[0], k=1, threads=1)
    with pytest.raises(ValueError, match="k is not at least 1"):
        native.mutual_neighbours(rows * 0, distances, k=0, threads=1)
