"""The nearest rows of parts are those of the whole, ties by lower row."""

from itertools import pairwise

import numpy as np
import pytest

from gleann.index.exact import exact_search_prepared
from gleann.index.shards.near import merge_near


@pytest.mark.parametrize("cuts", [[], [1], [3, 4], [0, 30, 59], [29, 29, 31]])
def test_parts_together_are_the_whole(cuts: list[int]) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(3, size=(60, 2)).astype(np.float32)  # many ties
    queries = rng.integers(3, size=(5, 2)).astype(np.float32)
    ends = [0, *cuts, 60]
    parts = []
    for start, stop in pairwise(ends):
        k = min(11, stop - start)
        found, near = exact_search_prepared(
            queries, rows[start:stop], metric="l2", k=k or 1
        )
        parts.append((found[:, :k] + start, near[:, :k]))
    got, apart = merge_near(parts, count=5, k=11)
    want, distances = exact_search_prepared(queries, rows, metric="l2", k=11)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(apart, distances)


def test_fewer_rows_than_are_wanted_are_all() -> None:
    part = np.array([[2, 0]]), np.array([[0.5, 1.5]], np.float32)
    rows, distances = merge_near([part], count=1, k=9)
    assert rows.tolist() == [[2, 0]]
    assert merge_near([], count=3, k=2)[1].shape == (3, 0)
    assert distances.dtype == np.float32
