"""Distances and coverings against their definition, by NumPy and every native tier."""

import itertools
from importlib.util import find_spec

import numpy as np
import pytest

from gleann.index.engines import native
from gleann.selection.coreset import farthest_first
from gleann.selection.coreset.distance.choose import make_points
from gleann.selection.coreset.distance.contract import foremost, squared_l2
from gleann.selection.coreset.distance.host import NativePoints, NumpyPoints
from gleann.selection.coreset.distance.walk import Walk

NO_TORCH = pytest.mark.skipif(
    not find_spec("torch"), reason="needs torch (make test-kernels)"
)
KINDS = ["numpy", *native.tiers(), pytest.param("torch", marks=NO_TORCH)]


def points_of(kind, vectors, threads=1):
    if kind == "numpy":
        return NumpyPoints(vectors)
    if kind == "torch":
        return make_points(vectors, device="cpu")
    return NativePoints(vectors, tier=kind, threads=threads)


def data(name):
    """Matrices that are hard on bounds, each (n, d)."""
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(700, 33)).astype(np.float32)
    lattice = rng.integers(0, 3, size=(700, 4)).astype(np.float32)
    return {
        "plain": plain,
        "lattice": lattice,
        "one dimension": plain[:, :1].copy(),
        "few rows": plain[:3],
        "duplicates": np.repeat(plain[:70], 10, axis=0),
        "all the same": np.full((40, 5), 7, np.float32),
        "far from the origin": plain + np.float32(300),
        "huge": plain * np.float32(1e36),
        "tiny": plain * np.float32(1e-37),
        "of all sizes": plain * (10.0 ** rng.uniform(-30, 19, (700, 1))).astype("f4"),
        "a near pair": np.concatenate([plain, plain[:1] + np.float32(1e-6)]),
        "many dimensions": rng.normal(size=(40, 1100)).astype(np.float32),
    }[name]


DATA = [
    "plain",
    "lattice",
    "one dimension",
    "few rows",
    "duplicates",
    "all the same",
    "far from the origin",
    "huge",
    "tiny",
    "of all sizes",
    "a near pair",
    "many dimensions",
]


def nearest_by_definition(vectors, centres):
    every = np.stack(
        [
            squared_l2(vectors, np.broadcast_to(vectors[c], vectors.shape))
            for c in centres
        ]
    )
    return every.min(axis=0), every.argmin(axis=0)


def plain_walk(vectors, *, covered, k, prices):
    """The algorithm as everybody writes it: one pass over all rows a pick."""
    squared, _ = nearest_by_definition(vectors, covered)
    keys = np.zeros(len(vectors)) if prices is None else prices.copy()
    keys[covered] = np.inf
    picked, insertions = [], []
    for _ in range(k):
        values = np.sqrt(squared) - keys
        row = int(values.argmax())
        if prices is None and squared[row] == 0:
            break
        picked.append(row)
        insertions.append(np.sqrt(squared[row]))
        keys[row] = np.inf
        to_row = squared_l2(vectors, np.broadcast_to(vectors[row], vectors.shape))
        squared = np.minimum(squared, to_row)
    return picked, insertions, squared


def test_the_definition_is_accurate_and_zero_between_equals_only():
    vectors = data("far from the origin")
    vectors[7] = vectors[3]
    got = squared_l2(vectors, np.broadcast_to(vectors[3], vectors.shape))
    exact = ((vectors.astype(float) - vectors[3].astype(float)) ** 2).sum(axis=1)
    assert got == pytest.approx(exact, rel=1e-13)
    assert np.flatnonzero(got == 0).tolist() == [3, 7]
    assert squared_l2(np.float32([[3, 4]]), np.float32([[0, 0]])).tolist() == [25.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DATA)
def test_coverings_are_bit_for_bit_what_the_definition_says(kind, name):
    vectors = data(name)
    points = points_of(kind, vectors)
    rng = np.random.default_rng(1)
    centres = rng.permutation(len(vectors))[:50]
    covering = points.covering()
    assert (covering.squared == np.inf).all()
    assert (covering.nearest == -1).all()
    for part in (centres[:0], centres[:1], centres[1:9], centres[9:]):
        covering.cover(part)
    squared, nearest = nearest_by_definition(vectors, centres)
    np.testing.assert_array_equal(covering.squared, squared)
    np.testing.assert_array_equal(covering.nearest, nearest)
    some = rng.integers(len(vectors), size=5)
    pairs = points.squared(some, centres)
    for i, row in enumerate(some):
        both = np.broadcast_to(vectors[row], (len(centres), vectors.shape[1]))
        np.testing.assert_array_equal(pairs[i], squared_l2(both, vectors[centres]))


@pytest.mark.parametrize("kind", native.tiers())
def test_what_the_triangle_inequality_spares_changes_nothing(kind):
    rng = np.random.default_rng(2)
    places = 50 * rng.normal(size=(200, 6))
    vectors = places[rng.integers(200, size=6000)] + rng.normal(size=(6000, 6))
    vectors = vectors.astype(np.float32)
    centres = rng.permutation(6000)[:420]
    one = points_of(kind, vectors).covering()
    two = points_of(kind, vectors, threads=2).covering()
    for first in range(0, 420, 70):
        one.cover(centres[first : first + 70])
        two.cover(centres[first : first + 70])
    squared, nearest = nearest_by_definition(vectors, centres)
    for covering in (one, two):
        np.testing.assert_array_equal(covering.squared, squared)
        np.testing.assert_array_equal(covering.nearest, nearest)
        # Grouped after 280 centres, then 140 came: nearly all lie in other groups.
        assert covering.pruned > 0.8 * 140 * 6000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("priced", [False, True])
def test_lazy_batches_pick_what_the_plain_algorithm_picks(kind, name, priced):
    vectors = data(name)
    n = len(vectors)
    rng = np.random.default_rng(3)
    prices = None
    if priced:
        size = float(np.abs(vectors).max()) or 1.0
        prices = size * rng.integers(0, 5, size=n).astype(float)
    covered = rng.permutation(n)[:2]
    k = min(n - 2, 600)
    walk = Walk(points_of(kind, vectors), covered, prices=prices)
    floor = -np.inf if priced else 0.0
    for until in (k // 3, k):
        walk.advance(until=until, floor=floor)
    picked, insertions, squared = plain_walk(
        vectors, covered=covered, k=k, prices=prices
    )
    assert walk.picked == picked
    assert walk.insertions == insertions
    np.testing.assert_array_equal(walk.squared, squared)


def test_a_walk_stops_where_nothing_is_farther_than_the_floor():
    line = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]], np.float32)
    walk = Walk(make_points(line), np.array([0]))
    walk.advance(until=4, floor=11.0)
    assert (walk.picked, walk.reach) == ([], 11.0)
    walk.advance(until=4, floor=2.0)
    assert (walk.picked, walk.reach) == ([4], 2.0)
    walk.advance(until=4, floor=0.0)
    assert walk.picked == [4, 2, 1, 3]
    assert walk.insertions == [11.0, 2.0, 1.0, 1.0]


@pytest.mark.parametrize("seed", range(20))
def test_the_foremost_are_those_of_a_full_sort(seed):
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 6, size=40).astype(float)
    keys[rng.integers(40, size=3)] = -np.inf
    count = int(rng.integers(1, 45))
    rows, bar, last = foremost(keys, count=count)
    order = np.lexsort((np.arange(40), -keys))[:count]
    assert rows.tolist() == sorted(order.tolist())
    if count < 40:
        assert (bar, last) == (keys[order[-1]], order[-1])


@pytest.mark.skipif(not native.available(), reason=native.unavailable_reason())
def test_native_points_refuse_what_they_cannot_hold():
    points = NativePoints(np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match=r"not in 0\.\.n - 1"):
        points.covering().cover(np.array([3]))
    with pytest.raises(ValueError, match=r"not in 0\.\.n - 1"):
        points.squared(np.array([-1]), np.array([0]))
    with pytest.raises(ValueError, match="cannot run tier"):
        NativePoints(np.zeros((3, 2), np.float32), tier="abacus")


@pytest.mark.data
def test_picks_among_real_words_are_those_of_plain_numpy(load_dataset):
    words = np.asarray(load_dataset("glove-100").base[:10_000], np.float32)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    exact = words.astype(np.float64)
    squares = (exact**2).sum(axis=1)
    got = farthest_first(words, k=200, seed=5)
    nearest = np.full(len(words), np.inf)
    for row, following in itertools.pairwise(got.rows.tolist()):
        np.minimum(
            nearest, squares + squares[row] - 2 * (exact @ exact[row]), out=nearest
        )
        assert following == int(nearest.argmax())
