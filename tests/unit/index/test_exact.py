import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleann.index import errors, exact, exact_search, recall_at_k
from gleann.index.errors import DimensionMismatchError, ZeroVectorError
from gleann.index.evaluate import pareto
from gleann.index.metric import prepare


def brute(queries, rows, metric, k, allowed=None):
    """Everything in float64, one query at a time."""
    q, x = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "cosine":
        q = q / np.linalg.norm(q, axis=1, keepdims=True)
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    if metric == "l2":
        distances = ((q[:, None] - x[None]) ** 2).sum(-1)
    else:
        distances = (1 if metric == "cosine" else 0) - q @ x.T
    distances = distances.astype(np.float32)
    if allowed is not None:
        distances[:, ~allowed] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (30, 30), (500, 7), (40_000, 10)])
def test_against_brute_force(clustered, metric, n, k):
    rows, queries = clustered(n, 9, seed=n), clustered(12, 9, seed=1)
    got_rows, got = exact_search(queries, rows, metric=metric, k=k)
    _, want = brute(queries, rows, metric, k)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    assert got_rows.dtype == np.int64
    assert (np.diff(got, axis=1) >= 0).all()
    assert all(len(set(r)) == k for r in got_rows.tolist())


def test_ties_go_to_the_lower_row_even_when_many():
    """More equal rows than the candidate slack: the lowest rows still win."""
    rows = np.tile(np.array([[1.0, 2.0]], np.float32), (300, 1))
    rows[::3] += 1
    found, _ = exact_search(rows[1:2], rows, metric="l2", k=20)
    want = [r for r in range(300) if r % 3][:20]
    assert found[0].tolist() == want


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 120),
    d=st.integers(1, 6),
    k=st.integers(1, 12),
    metric=st.sampled_from(["ip", "l2"]),
)
def test_integers_are_exact_with_ties(seed, n, d, k, metric):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, size=(n, d)).astype(np.float32)
    queries = rng.integers(-3, 4, size=(3, d)).astype(np.float32)
    allowed = rng.random(n) < 0.7
    found, near = exact_search(queries, rows, metric=metric, k=k, allowed=allowed)
    want_rows, want = brute(queries, rows, metric, k, allowed)
    depth = min(k, n)
    exists = np.isfinite(want[:, :depth])
    np.testing.assert_array_equal(near[:, :depth][exists], want[:, :depth][exists])
    np.testing.assert_array_equal(
        found[:, :depth][exists], want_rows[:, :depth][exists]
    )
    assert (found[:, :depth][~exists] == -1).all()
    assert np.isinf(near[:, depth:]).all()


def test_close_rows_far_from_the_origin_are_ordered_right():
    """The expanded square loses these digits; the recomputed distance does not."""
    rng = np.random.default_rng(2)
    rows = (1000 + 1e-3 * rng.normal(size=(4000, 8))).astype(np.float32)
    queries = rows[:20] + np.float32(1e-4)
    found, _ = exact_search(queries, rows, metric="l2", k=5)
    want, _ = brute(queries, rows, "l2", 5)
    np.testing.assert_array_equal(found, want)


def far_rows(kind, n=3000):
    """Rows that a product in float32 cannot tell apart as they are."""
    rng = np.random.default_rng(6)
    rows = rng.standard_normal((n, 6))
    if kind == "one column far":
        rows[:, 2] += 1e6
    if kind == "a huge row":
        rows[0] *= 1e15
    if kind == "two places":
        rows[rng.random(n) < 0.5] += 1e4
    if kind == "equal rows far off":
        rows = rng.integers(0, 3, (n, 6)) + 1e5
    moved = {"far": 3000, "one dimension": 500}
    rows = rows[:, :1] if kind == "one dimension" else rows
    scale = 1e-18 if kind == "tiny" else 1
    return ((rows + moved.get(kind, 0)) * scale).astype(np.float32)


FAR = ["far", "one column far", "a huge row", "two places", "equal rows far off"]


@pytest.mark.parametrize("kind", [*FAR, "one dimension", "tiny"])
@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_wherever_rows_lie(metric, kind):
    rows = far_rows(kind)
    queries = np.concatenate([rows[:20], rows[20:30] + np.float32(0.5)])
    found, near = exact_search(queries, rows, metric=metric, k=10)
    if metric == "cosine":
        queries, rows = prepare(queries, metric), prepare(rows, metric)
        wide = queries.astype(np.float64)[:, None] - rows.astype(np.float64)
        distances = (np.square(wide).sum(axis=2) / 2).astype(np.float32)
    elif metric == "l2":
        wide = queries.astype(np.float64)[:, None] - rows.astype(np.float64)
        distances = np.square(wide).sum(axis=2).astype(np.float32)
    else:
        distances = -(queries.astype(np.float64) @ rows.T.astype(np.float64))
        distances = distances.astype(np.float32)
    want = np.argsort(distances, axis=1, kind="stable")[:, :10]
    best = np.take_along_axis(distances, want, axis=1)
    np.testing.assert_allclose(near, best, rtol=2e-7)
    apart = np.diff(best, axis=1, append=np.inf) > 1e-6 * np.abs(best)
    apart &= np.diff(best, axis=1, prepend=-np.inf) > 1e-6 * np.abs(best)
    np.testing.assert_array_equal(found[apart], want[apart])
    if metric != "ip":
        assert (near >= 0).all()
        assert (near[:20, 0] == 0).all()


def test_one_row_far_from_all_makes_no_others_doubtful(monkeypatch):
    measured = []
    distances = exact.pair_distances
    monkeypatch.setattr(
        exact,
        "pair_distances",
        lambda queries, *of: measured.append(len(queries)) or distances(queries, *of),
    )
    rows = np.random.default_rng(1).standard_normal((5000, 16)).astype(np.float32)
    rows[7] *= 1e16
    exact_search(rows[100:200] + 3000, rows + 3000, metric="l2", k=10)
    assert measured == [100]  # all at once, none again alone


def test_nothing_allowed():
    rows = np.ones((5, 2), np.float32)
    found, near = exact_search(
        rows[:2], rows, metric="l2", k=3, allowed=np.zeros(5, np.bool_)
    )
    assert (found == -1).all()
    assert np.isinf(near).all()


def test_cosine_of_a_zero_vector():
    with pytest.raises(ZeroVectorError):
        exact_search(
            np.zeros((1, 2), np.float32),
            np.ones((3, 2), np.float32),
            metric="cosine",
            k=1,
        )


def test_recall_by_hand():
    exact = np.array([[0.0, 1.0, 2.0]], np.float32)
    assert recall_at_k(np.array([[0, 1, 2]], np.float32), exact) == 1
    assert recall_at_k(np.array([[0, 2, 2.5]], np.float32), exact) == pytest.approx(
        2 / 3
    )
    # A tie with the k-th counts, a missing result does not.
    assert recall_at_k(np.array([[2, 2, 2]], np.float32), exact) == 1
    assert recall_at_k(np.array([[0, 1, np.inf]], np.float32), exact) == pytest.approx(
        2 / 3
    )


def test_recall_wants_equal_shapes():
    with pytest.raises(DimensionMismatchError, match=r"\(1, 2\), exact has \(1, 3\)"):
        recall_at_k(np.zeros((1, 2), np.float32), np.zeros((1, 3), np.float32))


def test_recall_takes_lists():
    assert recall_at_k([[0, 1, 2.5]], [[0, 1, 2]]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("found", "exact", "says"),
    [
        ([], [], r"found must be distances \(nq, k\), at least one"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "at least one"),
        (np.zeros((3, 0)), np.zeros((3, 0)), "at least one"),
        ([0.0, 1.0], [0.0, 1.0], r"got float64 \(2,\)"),
        ([[0.0], [0.0, 1.0]], [[0.0], [0.0, 1.0]], "found is no array"),
        ([["a"]], [[0.0]], "found must be distances"),
        ([[0.0]], None, "exact must be distances"),
    ],
)
def test_recall_of_what_has_none(found, exact, says):
    with pytest.raises(errors.InvalidInputError, match=says):
        recall_at_k(found, exact)


def test_recall_of_nan_names_its_row():
    with pytest.raises(errors.NonFiniteError, match="exact has NaN in row 1"):
        recall_at_k([[0.0], [0.0]], [[0.0], [np.nan]])


def test_pareto_keeps_what_nothing_beats():
    points = [(1, 0.5), (2, 0.4), (2, 0.9), (3, 0.9), (4, 0.95)]
    kept = pareto(points, gain=lambda p: p[1], cost=lambda p: p[0])
    assert kept == [(1, 0.5), (2, 0.9), (4, 0.95)]


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.999])
@pytest.mark.parametrize("n", [45, 9_000])
def test_a_mask_finds_what_a_copy_of_the_allowed_rows_finds(
    clustered, metric, share, n
):
    """Whether the rows that do not count are looked at or left out of a copy."""
    rows, queries = clustered(n, 9, seed=5), clustered(20, 9, seed=1)
    # Ties, and rows that do not count which are nearer than all that do.
    rows[::7], rows[1:21] = rows[0], queries
    allowed = np.random.default_rng(3).random(n) < share
    allowed[1:21], allowed[40:45] = False, True
    numbers = np.flatnonzero(allowed)
    want, near = exact_search(queries, rows[numbers], metric=metric, k=12)
    found, distances = exact_search(queries, rows, metric=metric, k=12, allowed=allowed)
    np.testing.assert_array_equal(found, np.where(want < 0, -1, numbers[want]))
    np.testing.assert_array_equal(distances, near)


def test_a_mask_is_no_copy(monkeypatch):
    """Nearly all rows count: they are looked at where they are."""
    rows = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    allowed = np.ones(600, np.bool_)
    allowed[7] = False
    seen = []
    real = exact.LeastDistances.of

    def of(self, some):
        seen.append(np.shares_memory(some, rows))
        return real(self, some)

    monkeypatch.setattr(exact.LeastDistances, "of", of)
    exact.exact_search_prepared(rows[:3], rows, metric="l2", k=5, allowed=allowed)
    assert seen == [True]


def test_rows_that_do_not_count_do_not_stand_in_for_far_ones():
    """A row of an earlier gleann, infinitely far from all, counts; its likes do not."""
    rows = np.full((6, 2), 3e38, np.float32)
    rows[1] = 1
    rows[3:5] = 2
    allowed = np.array([True, True, False, False, False, True])
    queries = np.ones((1, 2), np.float32)
    found, distances = exact.exact_search_prepared(
        queries, rows, metric="l2", k=3, allowed=allowed
    )
    assert found.tolist() == [[1, 0, 5]]
    assert distances.tolist() == [[0, np.inf, np.inf]]
