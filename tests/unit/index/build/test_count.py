"""The most lists with which a row is in a pool."""

from time import thread_time

import numpy as np
import pytest

from gleann.index.build.count import pool_ends


def by_sorting(ranked, query, column, *, rerank, nlist):
    """The same, from each row's own better ones."""
    return [
        nlist if c < rerank else np.partition(ranked[q, :c], rerank - 1)[rerank - 1]
        for q, c in zip(query, column, strict=True)
    ]


@pytest.mark.parametrize("rerank", [1, 2, 7, 40, 90])
@pytest.mark.parametrize("places", [3, 500])
def test_a_row_is_in_a_pool_until_enough_better_ones_are_in_the_lists(rerank, places):
    rng = np.random.default_rng(rerank)
    ranked = rng.integers(places, size=(30, 60)).astype(np.int32)
    query, column = np.nonzero(rng.random((30, 60)) < 0.3)
    got = pool_ends(ranked, query, column, rerank=rerank, nlist=500)
    want = by_sorting(ranked, query, column, rerank=rerank, nlist=500)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == np.int32


def test_no_row():
    none = np.empty(0, np.int64)
    ranked = np.zeros((2, 5), np.int32)
    assert pool_ends(ranked, none, none, rerank=2, nlist=9).size == 0


@pytest.mark.alone
def test_many_equal_rows_take_little():
    """Where rows have hundreds of copies, all of them are hits of a query."""
    rng = np.random.default_rng(0)
    ranked = rng.integers(200, size=(20, 1000)).astype(np.int32)
    query, column = np.nonzero(np.ones(ranked.shape))
    begun = thread_time()
    got = pool_ends(ranked, query, column, rerank=13, nlist=200)
    between = thread_time()
    want = by_sorting(ranked, query, column, rerank=13, nlist=200)
    np.testing.assert_array_equal(got, want)
    assert between - begun < (thread_time() - between) / 5
