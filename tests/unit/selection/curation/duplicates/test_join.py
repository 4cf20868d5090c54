"""Joins that stream: by radius complete, by k as a search finds."""

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex, exact_search
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.curation.duplicates import join, nearest_join


def build(rows, metric="l2", *, ids=None, **params):
    chosen = BuildParams(metric=metric, seed=3, **params)
    return SoarIndex.build(rows, chosen, ids=ids)


def pairs_of(blocks):
    return [
        pair
        for block in blocks
        for pair in zip(block.ids.tolist(), block.other_ids.tolist(), strict=True)
    ]


@pytest.fixture
def two(clustered):
    rows = clustered(220, 6, seed=1)
    moved = rows[:150] + 0.02
    return build(rows, nlist=7), build(moved, ids=[f"b{i}" for i in range(150)])


def test_all_pairs_of_two_indexes_with_their_ids(two):
    index, other = two
    _, near = exact_search(index.vectors, other.vectors, metric="l2", k=20)
    radius = float(np.median(near[:, 5]))
    found, distances = exact_search(index.vectors, other.vectors, metric="l2", k=150)
    truth = {
        (row, f"b{of}")
        for row in range(220)
        for of, one in zip(found[row], distances[row], strict=True)
        if one <= np.float32(radius)
    }
    listed = pairs_of(join(index, other, radius=radius, room=7))
    assert len(listed) == len(set(listed)) > 500
    assert set(listed) == truth
    raw = pairs_of(join(index, other.vectors, radius=radius))
    assert {(row, f"b{of}") for row, of in raw} == truth
    some = pairs_of(join(index, other, radius=radius, among=[3, 4, 5]))
    assert set(some) == {pair for pair in truth if pair[0] in (3, 4, 5)}


def test_beyond_the_diameter_pairs_are_streamed_in_blocks(clustered):
    index = build(clustered(400, 4, seed=2), nlist=20)
    blocks = list(join(index, radius=1e9, room=500, threads=1))
    assert sum(map(len, blocks)) == 400 * 399 // 2
    largest = int(np.diff(index.data.lists.offsets).max())
    assert max(map(len, blocks)) <= 500 + largest**2
    assert len(blocks) > 20


def test_the_nearest_rows_of_another_index(two):
    index, other = two
    blocks = list(nearest_join(index, other, k=3, target_recall=1.0))
    rows = np.concatenate([block.rows for block in blocks]).reshape(-1, 3)
    others = np.concatenate([block.others for block in blocks]).reshape(-1, 3)
    found, near = exact_search(index.vectors, other.vectors, metric="l2", k=3)
    assert (rows == np.arange(220)[:, None]).all()
    assert (others == found).all()
    assert np.concatenate([b.distances for b in blocks]) == pytest.approx(near.ravel())
    some = list(nearest_join(index, other, k=200, among=[7]))
    assert set(some[0].rows) == {7}
    assert len(some[0]) == 150


def test_what_cannot_be_joined_is_refused_before_the_first_block(two, clustered):
    index, other = two
    with pytest.raises(InvalidParamsError, match="got neither"):
        join(index, other)
    with pytest.raises(InvalidParamsError, match="room"):
        join(index, other, radius=1, room=0)
    with pytest.raises(InvalidInputError, match="empty"):
        join(index, np.empty((0, 6)), radius=1)
    with pytest.raises(InvalidParamsError, match="knn_graph"):
        nearest_join(index, index, k=3)
    cosine = build(clustered(50, 6, seed=0), "cosine", nlist=3)
    with pytest.raises(InvalidParamsError, match="l2 and cosine"):
        nearest_join(index, cosine, k=3)
    with pytest.raises(InvalidParamsError, match="k must be"):
        nearest_join(index, other, k=0)
