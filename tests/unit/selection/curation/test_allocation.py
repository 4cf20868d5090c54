"""Labels under class shares, beside a plain Sinkhorn iteration."""

import json

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.datasets import load_digits

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
)
from gleann.selection.curation.graph_labels import (
    AllocationParams,
    AllocationRequest,
    allocate_labels,
    wilson_upper_bounds,
)


def some_probabilities(n=60, c=4, seed=0, sharp=2.0):
    logits = np.random.default_rng(seed).normal(size=(n, c)) * sharp
    table = np.exp(logits)
    return table / table.sum(axis=1, keepdims=True)


def plain_masses(table, bounds, *, share, gamma, sweeps=1000):
    """Masses (n, c) by the iteration as it is written down."""
    n, c = table.shape
    left = 1 - bounds.sum()
    columns = np.array([*(1 + n * bounds), 1 + n * (1 - share + max(left, 0))])
    rows = np.ones(n + 1)
    rows[-1] = 1 + c + n * (1 - share - min(left, 0))
    assert columns.sum() == pytest.approx(rows.sum())
    costs = np.zeros((n + 1, c + 1))
    with np.errstate(divide="ignore"):
        costs[:n, :c] = -np.log(table)
    u = np.zeros(n + 1)
    for _ in range(sweeps):
        v = np.log(columns) - logsumexp(-gamma * costs + u[:, None], axis=0)
        u = np.log(rows) - logsumexp(-gamma * costs + v, axis=1)
    return np.exp(-gamma * costs + u[:, None] + v)[:n, :c]


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("total", [1.0, 1.4])
@pytest.mark.parametrize("gamma", [1.0, 10.0])
def test_the_plan_equals_the_plain_iteration(share, total, gamma):
    table = some_probabilities()
    bounds = np.array([0.1, 0.2, 0.3, 0.4]) * total
    params = AllocationParams(share=share, gamma=gamma, tolerance=1e-10)
    found = allocate_labels(
        AllocationRequest(probabilities=table, upper_bounds=bounds, params=params)
    )
    expected = plain_masses(table, bounds, share=share, gamma=gamma)
    masses = found.soft_labels(table)
    assert np.abs(masses - expected).max() < 1e-6
    assert found.totals == pytest.approx(expected.sum(axis=0), abs=1e-5)
    assert found.weights == pytest.approx(expected.sum(axis=1)[found.rows], abs=1e-6)
    assert found.numbers.tolist() == masses[found.rows].argmax(axis=1).tolist()
    assert len(found) == round(share * 60)
    # The slack row may fill one unit of each class, and more of loose bounds.
    assert (found.totals <= 60 * bounds + 1 + 1e-6).all()


def test_sharp_probabilities_of_rare_classes_do_not_overflow():
    table = some_probabilities(n=300, sharp=30)
    shares = np.array([0.97, 0.01, 0.01, 0.01])
    params = AllocationParams(gamma=30, tolerance=1e-8)
    request = AllocationRequest(probabilities=table, shares=shares, params=params)
    found = allocate_labels(request)
    assert np.isfinite(found.potentials).all()
    assert np.abs(found.potentials).max() > 100
    masses = found.soft_labels(table)
    assert np.isfinite(masses).all()
    counts = np.bincount(found.numbers, minlength=4)
    assert counts[0] > 270


def test_a_share_of_the_rows_is_labelled_the_surest_first():
    table = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]] * 25)
    ids = [f"{i:03}" for i in np.random.default_rng(0).permutation(100)]
    params = AllocationParams(share=0.5)
    found = allocate_labels(
        AllocationRequest(
            probabilities=table,
            shares=[0.5, 0.5],
            classes=["no", "yes"],
            ids=ids,
            params=params,
        )
    )
    assert len(found) == 50
    assert found.summary["mass"] == pytest.approx(50, abs=1)
    assert (np.diff(found.weights) <= 1e-9).all()
    assert found.labels.tolist() == ["no" if i % 4 == 1 else "yes" for i in found.rows]
    assert found.rows % 4 == pytest.approx([1] * 25 + [2] * 25)
    for part in (found.ids[:25], found.ids[25:]):
        assert part.tolist() == sorted(part.tolist())
    assert found.ids.tolist() == [ids[row] for row in found.rows]


def test_labels_above_the_bounds_are_counted():
    # Equal rows have equal masses on all classes, and so one label.
    alike = AllocationRequest(probabilities=np.full((40, 4), 0.25), shares=[0.25] * 4)
    found = allocate_labels(alike)
    assert found.totals == pytest.approx(np.full(4, 10), rel=0.03)
    assert found.summary["above_bounds"] == 30
    # Sharp rows, as many of each class as its share.
    sharp = np.full((40, 4), 0.01) + 0.96 * np.eye(4)[np.arange(40) % 4]
    found = allocate_labels(AllocationRequest(probabilities=sharp, shares=[0.25] * 4))
    assert found.summary["above_bounds"] == 0
    assert np.bincount(found.numbers).tolist() == [10] * 4


def test_the_order_of_rows_changes_nothing():
    table = some_probabilities(n=80)
    order = np.random.default_rng(0).permutation(80)
    shares = [0.25] * 4
    one = allocate_labels(AllocationRequest(probabilities=table, shares=shares))
    other = allocate_labels(
        AllocationRequest(probabilities=table[order], shares=shares, ids=order)
    )
    assert one.ids.tolist() == other.ids.tolist()
    assert one.labels.tolist() == other.labels.tolist()


def test_rows_without_evidence_take_no_part():
    table = some_probabilities(n=60)
    blank = table.copy()
    blank[::3] = 0
    kept = np.flatnonzero(blank.any(axis=1))
    shares = [0.25] * 4
    params = AllocationParams(share=0.5)
    few = allocate_labels(
        AllocationRequest(probabilities=blank, shares=shares, params=params)
    )
    among = allocate_labels(
        AllocationRequest(probabilities=table, shares=shares, among=kept, params=params)
    )
    alone = allocate_labels(
        AllocationRequest(
            probabilities=table[kept], shares=shares, ids=kept, params=params
        )
    )
    assert few.rows.tolist() == among.rows.tolist() == alone.ids.tolist()
    assert np.array_equal(few.weights, alone.weights)
    assert len(few) == 20
    assert among.provenance["among"] == {"rows": 40, "of": 60}
    with pytest.raises(InvalidInputError, match="0 of 5 rows"):
        allocate_labels(
            AllocationRequest(probabilities=np.zeros((5, 4)), shares=shares)
        )


def test_a_class_that_no_row_can_be_of():
    table = np.zeros((60, 4))
    table[:, :3] = some_probabilities(c=3)
    with pytest.raises(InvalidInputError, match=r"no row has a probability.*: 'd'"):
        allocate_labels(
            AllocationRequest(
                probabilities=table, shares=[0.25] * 4, classes=["a", "b", "c", "d"]
            )
        )
    found = allocate_labels(
        AllocationRequest(probabilities=table, upper_bounds=[0.4] * 4)
    )
    assert not (found.numbers == 3).any()
    with pytest.raises(InvalidInputError, match=r"sum to 0\.9, but 1 of the rows"):
        allocate_labels(AllocationRequest(probabilities=table, upper_bounds=[0.3] * 4))


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({"shares": [0.2, 0.2, 0.2, 0.2]}, InvalidInputError, "sum to 0.8, not to 1"),
        ({"shares": [0.5, 0.6, -0.1, 0]}, InvalidInputError, "at least 0, got -0.1"),
        ({"shares": [0.5, 0.5]}, DimensionMismatchError, "2 entries for 4 classes"),
        ({"shares": [0.5, np.nan, 0.5, 0]}, NonFiniteError, "NaN"),
        ({"shares": None}, InvalidInputError, "got neither"),
        ({"upper_bounds": [1] * 4}, InvalidInputError, "got both"),
        (
            {"shares": None, "upper_bounds": [0.1] * 4},
            InvalidInputError,
            "sum to 0.4, but 1 of the rows",
        ),
        (
            {"shares": None, "upper_bounds": [1.5, 0, 0, 0]},
            InvalidInputError,
            "at most 1, got 1.5",
        ),
        ({"classes": ["a", "b"]}, DimensionMismatchError, "4 columns for 2"),
        ({"probabilities": [0.5, 0.5]}, InvalidInputError, r"\(n, c\), got \(2,\)"),
        ({"probabilities": [[0.5, 0.6, 0, 0]]}, InvalidInputError, "sum to 1.1"),
        (
            {"params": AllocationParams(max_sweeps=1)},
            InvalidInputError,
            "after 1 sweep .* above the tolerance 1e-06",
        ),
    ],
)
def test_what_cannot_be_allocated_is_refused(how, error, says):
    given = {"probabilities": some_probabilities(), "shares": [0.1, 0.2, 0.3, 0.4]}
    with pytest.raises(error, match=says):
        allocate_labels(AllocationRequest(**{**given, **how}))


@pytest.mark.parametrize(
    "params",
    [{"share": 0}, {"share": 1.1}, {"gamma": 0}, {"tolerance": 0}, {"max_sweeps": 0}],
)
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(InvalidParamsError, match=next(iter(params))):
        AllocationParams(**params)


def test_what_is_no_table_is_refused():
    for strange in (3.0, [0.5, 0.5]):
        with pytest.raises(InvalidInputError, match=r"must be \(n, c\), got \("):
            allocate_labels(AllocationRequest(probabilities=strange, shares=[0.5, 0.5]))


def test_soft_labels_are_of_as_many_classes():
    shares = [0.25] * 4
    found = allocate_labels(
        AllocationRequest(probabilities=some_probabilities(), shares=shares)
    )
    with pytest.raises(DimensionMismatchError, match="3 columns for 4 classes"):
        found.soft_labels(some_probabilities(c=3))
    table = json.loads(json.dumps(found.to_dict()))
    assert table["columns"]["label"] == found.numbers.tolist()
    assert table["provenance"]["params"]["upper_bounds"] == shares


def test_progress_is_reported():
    seen = []
    params = AllocationParams(tolerance=1e-10)
    found = allocate_labels(
        AllocationRequest(
            probabilities=some_probabilities(), shares=[0.25] * 4, params=params
        ),
        progress=seen.append,
    )
    assert [one.done for one in seen] == list(range(10, found.summary["sweeps"], 10))
    assert {one.phase for one in seen} == {"allocate"}


def test_wilson_bounds_are_those_of_the_score_test():
    # Roots of (p - x)^2 = z^2 x (1 - x) / n, by the quadratic formula.
    bounds = wilson_upper_bounds([3, 17, 0], confidence=0.975)
    z = 1.959963984540054
    for count, bound in zip([3, 17, 0], bounds, strict=True):
        a, b, c = 1 + z**2 / 20, -(2 * count / 20 + z**2 / 20), (count / 20) ** 2
        assert bound == pytest.approx((-b + np.sqrt(b**2 - 4 * a * c)) / (2 * a))
    with pytest.raises(InvalidInputError, match="sum to 0"):
        wilson_upper_bounds([0, 0])
    with pytest.raises(InvalidInputError, match="at least 0"):
        wilson_upper_bounds([-1, 2])
    with pytest.raises(InvalidParamsError, match="confidence"):
        wilson_upper_bounds([1, 2], confidence=0.3)


def test_digits_by_their_shares_are_righter_than_by_argmax():
    vectors, labels = load_digits(return_X_y=True)
    shares = np.bincount(labels) / len(labels)
    plain, allocated, half = [], [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rows = [rng.choice(np.where(labels == c)[0], 3, False) for c in range(10)]
        centroids = np.stack([vectors[some].mean(axis=0) for some in rows])
        away = ((vectors[:, None] - centroids) ** 2).sum(axis=2)
        logits = -away / (2 * np.median(away.min(axis=1)))
        table = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
        request = AllocationRequest(probabilities=table, shares=shares)
        found = allocate_labels(request)
        assert found.summary["column_error"] <= 1e-6
        plain.append((table.argmax(axis=1) == labels).mean())
        allocated.append((found.labels == labels[found.rows]).mean())
        surest = allocate_labels(
            AllocationRequest(
                probabilities=table, shares=shares, params=AllocationParams(share=0.5)
            )
        )
        assert surest.summary["mass"] == pytest.approx(0.4994 * 1797, abs=0.5)
        half.append((surest.labels == labels[surest.rows]).mean())
    assert np.mean(allocated) > np.mean(plain)
    assert np.mean(allocated) > 0.799
    assert np.mean(half) > 0.954
