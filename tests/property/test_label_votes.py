"""Votes added round by round are the votes of all labels at once."""

import numpy as np
import pytest

from gleann.index.errors import InvalidInputError
from gleann.selection import propagate_labels
from gleann.selection.estimate.proxies.label_votes import LabelVotes, VoteSums

N = 900


def world(kind, seed):
    """Rows, with ties, duplicates or a far middle."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(N, 6)).astype(np.float32)
    if kind == "duplicates":
        points[N // 3 :] = points[rng.integers(0, N // 3, size=N - N // 3)]
    elif kind == "ties":
        points = np.round(points)
    elif kind == "far":
        points += 300
    elif kind == "zeros":
        points[::2] = 0
    elif kind == "line":
        points = points[:, :1]
    return points, (rng.random(N) < 0.2)


def plain(points, rows, labels):
    """Scores by all labels but a row's own, in float64, one row at a time."""
    wide = points.astype(np.float64)
    scores = np.empty(len(points))
    # As near as float32 tells rows apart.
    apart = wide - np.median(wide[rows], axis=0)
    least = np.maximum(2e-6 * (apart**2).sum(axis=1), np.finfo(np.float32).tiny)
    for row in range(len(points)):
        others = rows != row
        squares = ((wide[rows[others]] - wide[row]) ** 2).sum(axis=1)
        weights = 1 / np.maximum(squares, least[row]) ** 2
        scores[row] = weights @ labels[others] / weights.sum()
    return scores


def added(points, rows, labels, *, parts, first=40):
    """Sums after adding the labels in so many parts, and their scores."""
    votes = LabelVotes(points, rows[:first])
    sums = VoteSums.none(len(points))
    for part in np.array_split(np.arange(len(rows)), parts):
        sums = votes.added(sums, rows[part], labels[part])
    return sums


KINDS = ["plain", "duplicates", "ties", "far", "zeros", "line"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_any_parts_give_the_votes_of_all_at_once(kind, seed):
    points, held = world(kind, seed)
    rng = np.random.default_rng([seed, 1])
    rows = rng.permutation(N)[:200]
    labels = held[rows].astype(float)
    # The origin is of the same rows in each: those that a session begins from.
    whole = added(points, rows, labels, parts=1)
    for parts in (2, 7, 200):
        order = np.concatenate([np.arange(40), 40 + rng.permutation(160)])
        sums = added(points, rows[order], labels[order], parts=parts)
        assert sums.nearest == pytest.approx(whole.nearest, rel=2e-5)
        assert sums.weights == pytest.approx(whole.weights, rel=1e-4)
        assert sums.proxies() == pytest.approx(whole.proxies(), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_the_votes_are_those_of_a_plain_loop_in_float64(kind):
    points, held = world(kind, 5)
    rows = np.random.default_rng(5).permutation(N)[:150]
    labels = held[rows].astype(float)
    scores = added(points, rows, labels, parts=5, first=150).proxies()
    # Distances far below the norms lose digits in float32.
    close = 2e-2 if kind in ("far", "line") else 1e-3
    assert scores == pytest.approx(plain(points, rows, labels), abs=close)


def test_rows_without_a_label_score_as_by_propagation():
    points, held = world("plain", 7)
    rows = np.random.default_rng(7).permutation(N)[:120]
    labels = held[rows].astype(float)
    scores = added(points, rows, labels, parts=4).proxies()
    open_rows = np.setdiff1d(np.arange(N), rows)
    whole = propagate_labels(points, rows=rows, labels=labels)
    assert scores[open_rows] == pytest.approx(whole[open_rows], rel=1e-4, abs=1e-7)


def test_a_labelled_row_is_scored_without_its_own_label():
    points, held = world("plain", 8)
    rows = np.arange(0, N, 18)
    labels = held[rows].astype(float)
    scores = added(points, rows, labels, parts=3).proxies()
    for place, row in enumerate(rows):
        others = np.arange(len(rows)) != place
        alone = propagate_labels(points, rows=rows[others], labels=labels[others])
        assert scores[row] == pytest.approx(alone[row], abs=1e-4)


def test_the_same_parts_give_the_same_bits():
    points, held = world("plain", 9)
    rows = np.random.default_rng(9).permutation(N)[:300]
    labels = held[rows].astype(float)
    one, two = (added(points, rows, labels, parts=4) for _ in range(2))
    for name in ("nearest", "weights", "votes"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()


def test_coinciding_labels_count_alike_in_whatever_order():
    points = np.zeros((5, 2), np.float32)
    for order in ([0, 1, 2], [2, 0, 1]):
        rows = np.array(order)
        sums = added(points, rows, (rows == 0).astype(float), parts=3, first=1)
        assert sums.proxies() == pytest.approx([0, 0.5, 0.5, 1 / 3, 1 / 3])


def test_one_label_reaches_all_rows_but_its_own():
    points = np.arange(4, dtype=np.float32)[:, None]
    sums = added(points, np.array([2]), np.array([1.0]), parts=1, first=1)
    assert sums.proxies().tolist() == [1, 1, 0, 1]
    assert sums.weights.tolist() == [1, 1, 0, 1]
    one = added(points[:1], np.array([0]), np.array([1.0]), parts=1, first=1)
    assert one.proxies().tolist() == [0]
    nothing = LabelVotes(points, np.array([2])).added(sums, np.empty(0, int), [])
    assert nothing is sums


@pytest.mark.parametrize("scale", [1e-40, 1e-25, 1e18, 3e37])
def test_tiny_and_far_out_coordinates_give_the_scores_of_plain_ones(scale):
    points = np.random.default_rng(3).normal(size=(400, 5)).astype(np.float32)
    rows, labels = np.arange(0, 400, 20), np.arange(20) % 3 / 2
    far = (points.astype(np.float64) * scale).astype(np.float32)
    near = added(points, rows, labels, parts=3, first=20).proxies()
    # Numbers below 1e-38 have few digits left.
    close = 0.05 if scale < 1e-38 else 1e-3
    scores = added(far, rows, labels, parts=3, first=20).proxies()
    assert scores == pytest.approx(near, abs=close)


def test_labels_too_large_to_add_up_are_refused():
    votes = LabelVotes(np.eye(3, dtype=np.float32), np.arange(2))
    with pytest.raises(InvalidInputError, match=r"within 1e\+30 of 0, got 1e\+200 at"):
        votes.added(VoteSums.none(3), np.arange(2), np.array([0, 1e200]))
