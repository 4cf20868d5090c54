"""Places of rows in probe orders, by hand and beside a stable sort."""

from itertools import pairwise

import numpy as np
import pytest

from gleann.index.build.place import place
from gleann.index.build.sample import ManyQueries, NearRows, Sample
from gleann.index.codes import Encoding
from gleann.index.search.probe_order import probe_grid, probe_order, ranks_of


def test_the_probe_order_is_that_of_a_stable_sort():
    scores = np.random.default_rng(1).normal(size=(50, 300)).astype(np.float32)
    scores[:, ::7] = 0.25  # ties go to the lower list
    scores[:, 3], scores[:, 5] = -0.0, 0.0
    order = probe_order(scores)
    np.testing.assert_array_equal(order, np.argsort(-scores, axis=1, kind="stable"))
    ranks = ranks_of(order)
    np.testing.assert_array_equal(
        np.take_along_axis(ranks, order, axis=1),
        np.broadcast_to(np.arange(300), (50, 300)),
    )


@pytest.mark.parametrize("nlist", [1, 2, 7, 2303])
def test_the_grid_ends_with_all_lists(nlist):
    grid = probe_grid(nlist)
    assert grid[0] == 1
    assert grid[-1] == nlist
    assert (np.diff(grid) >= 1).all()
    assert all(b <= max(a + 2, 1.06 * a) for a, b in pairwise(grid))


def test_places_with_copies_and_without():
    """Query 0 is at list 0, query 1 at list 2; row 2 is in lists 2 and 0."""
    centroids = np.array([[0.0], [10], [20]], np.float32)
    queries = np.array([[-1.0], [21]], np.float32)
    encoding = Encoding.uncentred("l2", 1)
    near = NearRows(
        rows=np.array([[0, 2], [2, 1]]),
        distances=np.array([[1, 4], [2, 8]], np.float32),
    )
    sample = Sample(
        encoding=encoding,
        dim=1,
        truth=near.distances[:1],
        rows=near.rows[:1],
        distances=near.distances[:1],
        list_ranks=np.array([[0, 1, 2]], np.int32),
        many=ManyQueries(
            queries=queries,
            centroids=centroids,
            encoding=encoding,
            near=near,
            pooled=np.array([0]),
        ),
    )
    primary, second = np.array([0, 1, 2], np.int32), np.array([-1, -1, 0], np.int32)
    both, plain = place(sample, primary, second)
    assert both.many.tolist() == [[0, 0], [0, 1]]
    assert plain.many.tolist() == [[0, 2], [0, 1]]
    assert both.ranked.tolist() == [[0, 0]]
    assert plain.ranked.tolist() == [[0, 2]]
    assert both.entries.tolist() == [1.5, 2.5, 4]  # lists of 2, 1 and 1 entries
    assert plain.entries.tolist() == [1, 2, 3]
    alone, same = place(sample, primary, None)
    assert alone is same
    assert alone.many.tolist() == plain.many.tolist()
