import numpy as np
import pytest

from gleann.index.build.assign import nearest_lists
from gleann.index.build.kmeans import train_centroids
from gleann.index.codes import quantise
from gleann.index.lists import invert


def test_lists_by_hand():
    lists = invert(
        np.array([1, 0, 1, 0], np.int32), np.array([0, -1, -1, 1], np.int32), nlist=3
    )
    assert lists.offsets.tolist() == [0, 3, 6, 6]
    assert lists.mids.tolist() == [2, 5, 6]
    assert lists.rows.tolist() == [1, 3, 0, 0, 2, 3]
    assert lists.others.tolist() == [-1, 1, 1, 0, -1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_every_row_in_one_or_two_lists(seed):
    rng = np.random.default_rng(seed)
    n, nlist = 400, 17
    primary = rng.integers(nlist, size=n).astype(np.int32)
    second = rng.integers(-1, nlist, size=n).astype(np.int32)
    second[second == primary] = -1
    lists = invert(primary, second, nlist=nlist)
    assert lists.entries == n + (second >= 0).sum()
    of_entry = np.repeat(np.arange(nlist), np.diff(lists.offsets))
    is_spilled = np.arange(lists.entries) >= lists.mids[of_entry]
    np.testing.assert_array_equal(
        of_entry, np.where(is_spilled, second[lists.rows], primary[lists.rows])
    )
    np.testing.assert_array_equal(
        lists.others, np.where(is_spilled, primary[lists.rows], second[lists.rows])
    )
    assert np.sort(lists.rows[~is_spilled]).tolist() == list(range(n))
    for j in range(nlist):
        for part in (
            slice(lists.offsets[j], lists.mids[j]),
            slice(lists.mids[j], lists.offsets[j + 1]),
        ):
            assert (np.diff(lists.rows[part]) > 0).all()


def test_codes_are_within_half_a_step(clustered):
    rows = clustered(200, 33, seed=0)
    codes = quantise(rows)
    assert codes.values.min() >= -127
    assert np.abs(codes.values).max(axis=1).min() == 127
    error = np.abs(rows - codes.scales[:, None] * codes.values)
    assert (error <= 0.5001 * codes.scales[:, None]).all()


def test_codes_of_zero_and_tiny_rows():
    codes = quantise(np.array([[0, 0], [1e-45, 0], [3e38, -3e38]], np.float32))
    assert codes.values.tolist() == [[0, 0], [0, 0], [127, -127]]
    assert (codes.scales > 0).all()


def test_centroids_are_reproducible_and_fit_the_data(clustered):
    rows = clustered(3000, 8, seed=3, clusters=10, spread=0.05)
    kwargs = {"nlist": 10, "metric": "l2", "iterations": 10, "seed": 4}
    first, again = train_centroids(rows, **kwargs), train_centroids(rows, **kwargs)
    np.testing.assert_array_equal(first, again)
    near = ((rows - first[nearest_lists(rows, first)]) ** 2).sum(1)
    spread = ((rows - rows.mean(0)) ** 2).sum(1)
    assert near.mean() < 0.5 * spread.mean()


def test_spherical_centroids_have_unit_length(clustered):
    rows = clustered(500, 8, seed=3)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    centroids = train_centroids(rows, nlist=12, metric="cosine", iterations=5, seed=0)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, rtol=1e-5)


def test_oversized_lists_are_split():
    """One dense blob among many sparse rows must not end in one list."""
    rng = np.random.default_rng(1)
    blob = rng.normal(size=(4000, 6)) * 0.01
    sparse = rng.normal(size=(300, 6)) * 20
    rows = np.concatenate([blob, sparse]).astype(np.float32)
    centroids = train_centroids(rows, nlist=60, metric="l2", iterations=8, seed=2)
    sizes = np.bincount(nearest_lists(rows, centroids), minlength=60)
    assert sizes.max() <= 8 * len(rows) / 60
