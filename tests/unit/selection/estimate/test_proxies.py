import numpy as np
import pytest

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
)
from gleann.selection import (
    both,
    either,
    negated,
    propagate_labels,
    representatives,
)
from gleann.selection.estimate import EstimateParams, estimate


def test_propagation_by_hand():
    line = np.array([[0.0], [1.0], [3.0], [10.0]])
    proxy = propagate_labels(line, rows=[0, 3], labels=[0.0, 1.0], neighbours=2)
    # Row 1 is nine times as far from the positive as from the negative, row 2 7 / 3.
    assert proxy == pytest.approx(
        [0, 1 / (1 + 9**4), 1 / (1 + (7 / 3) ** 4), 1], rel=1e-5, abs=1e-9
    )
    assert proxy.dtype == np.float32


def test_a_lone_neighbour_passes_its_label_on():
    line = np.array([[0.0], [1.0], [9.0], [10.0]])
    proxy = propagate_labels(line, rows=[0, 3], labels=[0.25, 0.75], neighbours=1)
    assert proxy == pytest.approx([0.25, 0.25, 0.75, 0.75])
    alone = propagate_labels(line, rows=[2], labels=[0.5])
    assert alone == pytest.approx([0.5] * 4)


def test_coinciding_representatives_share_alike():
    points = np.zeros((3, 2))
    proxy = propagate_labels(points, rows=[0, 1], labels=[0, 1], neighbours=2)
    assert proxy == pytest.approx([0.5] * 3)


def test_beyond_the_nearest_no_label_counts():
    line = np.array([[0.0], [1.0], [3.0], [10.0]])
    near = propagate_labels(line, rows=[0, 2, 3], labels=[0, 1, 8], neighbours=2)
    assert near == pytest.approx([0, 1 / (1 + 2**4), 1, 8], rel=1e-5, abs=1e-9)
    every = propagate_labels(line, rows=[0, 2, 3], labels=[0, 1, 8])
    assert every[1] > near[1]


def test_blocks_give_what_one_block_gives(monkeypatch):
    points = np.random.default_rng(0).normal(size=(100, 4))
    given = {"rows": [1, 50, 99], "labels": [1, 0, 0.5]}
    whole = propagate_labels(points, **given)
    monkeypatch.setattr("gleann.selection.estimate.proxies.propagate.BLOCK_ENTRIES", 20)
    assert propagate_labels(points, **given) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-40, 1e-25, 1e18, 1e25, 3e37])
def test_far_out_and_tiny_coordinates_give_the_proxies_of_plain_ones(scale):
    points = np.random.default_rng(3).normal(size=(400, 5)).astype(np.float32)
    rows, labels = np.arange(0, 400, 20), np.arange(20) % 3 / 2
    far = (points.astype(np.float64) * scale).astype(np.float32)
    plain = propagate_labels(points, rows=rows, labels=labels)
    # Numbers below 1e-38 have few digits left.
    close = 0.05 if scale < 1e-38 else 1e-3
    assert propagate_labels(far, rows=rows, labels=labels) == pytest.approx(
        plain, abs=close
    )


@pytest.mark.parametrize("far", [1e7, 1e12, 1e18, 3e37])
def test_a_few_rows_far_out_do_not_blur_the_others(far):
    points = np.random.default_rng(4).normal(size=(400, 5)).astype(np.float32)
    rows, labels = np.arange(0, 400, 20), np.arange(20) % 3 / 2
    plain = propagate_labels(points, rows=rows, labels=labels)
    points[[0, 7, 11]] = far
    proxy = propagate_labels(points, rows=rows, labels=labels)
    assert np.isfinite(proxy).all()
    assert proxy.min() >= 0
    assert proxy.max() <= 1
    kept = np.delete(np.arange(400), [0, 7, 11])
    without = propagate_labels(points[kept], rows=rows[1:] - 3, labels=labels[1:])
    assert proxy[kept] == pytest.approx(without, abs=0.1)
    assert np.corrcoef(proxy[kept], plain[kept])[0, 1] > 0.8


def test_labels_too_large_to_add_up_are_refused():
    with pytest.raises(InvalidInputError, match=r"within 1e\+30 of 0, got 1e\+200 at"):
        propagate_labels(np.eye(3), rows=[0, 1], labels=[0, 1e200])


def test_representatives_are_distinct_and_spread():
    rng = np.random.default_rng(0)
    crowd = rng.normal(size=(300, 3)) * 0.01
    crowd[[5, 50, 250]] += [[9, 0, 0], [0, 9, 0], [0, 0, 9]]
    rows = representatives(crowd, k=8, seed=1)
    assert len(set(rows.tolist())) == 8
    assert {5, 50, 250} <= set(rows.tolist())
    assert rows.tolist() == representatives(crowd, k=8, seed=1).tolist()


def test_more_representatives_make_a_better_proxy():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 2))
    labels = (np.linalg.norm(points - [1, 1], axis=1) < 0.8).astype(float)
    correlations = []
    for k in (10, 40, 160):
        rows = representatives(points, k=k, seed=0)
        proxy = propagate_labels(points, rows=rows, labels=labels[rows])
        correlations.append(np.corrcoef(proxy, labels)[0, 1])
    assert correlations[0] < correlations[1] < correlations[2]
    assert correlations[2] > 0.8


def test_input_that_does_not_fit_is_refused():
    points = np.eye(4)
    with pytest.raises(InvalidParamsError, match="k is 4, but must be below 4"):
        representatives(points, k=4)
    with pytest.raises(InvalidParamsError, match="at least 1, got 0"):
        representatives(points, k=0)
    with pytest.raises(InvalidParamsError, match=r"random_share must be in 0\.\.1"):
        representatives(points, k=2, random_share=2)
    with pytest.raises(InvalidInputError, match="not empty"):
        propagate_labels(points, rows=[], labels=[])
    with pytest.raises(DimensionMismatchError, match="1 entries for 2 rows"):
        propagate_labels(points, rows=[0, 1], labels=[1])
    with pytest.raises(NonFiniteError):
        propagate_labels(points, rows=[0, 1], labels=[1, np.nan])
    with pytest.raises(InvalidParamsError, match="neighbours must be at least 1"):
        propagate_labels(points, rows=[0], labels=[1], neighbours=0)


def test_compound_predicates_by_hand():
    left, right = [0.5, 0.2, 1.0], [0.5, 0.9, 0.0]
    assert both(left, right) == pytest.approx([0.25, 0.18, 0.0])
    assert either(left, right) == pytest.approx([0.5, 0.9, 1.0])
    assert negated(left) == pytest.approx([0.5, 0.8, 0.0])
    assert both(left, negated(right)) == pytest.approx([0.25, 0.02, 1.0])


def test_a_compound_proxy_beats_its_parts():
    """ABae's synthetic pair: Beta(0.4, 1) and Beta(0.2, 1), both to hold."""
    rng = np.random.default_rng(0)
    left, right = rng.beta(0.4, 1, size=4000), rng.beta(0.2, 1, size=4000)
    held = (rng.random(4000) < left) & (rng.random(4000) < right)
    errors = []
    for proxy in (both(left, right), right, left):
        runs = [
            estimate(
                proxy,
                lambda ids: (held[ids], None),
                EstimateParams(budget=300, seed=seed),
            ).value
            for seed in range(80)
        ]
        errors.append(np.sqrt(np.mean((np.array(runs) - held.sum()) ** 2)))
    assert errors[0] < 0.9 * min(errors[1:])


def test_proxies_that_cannot_be_combined_are_refused():
    with pytest.raises(InvalidInputError, match=r"combined, got 0\.2\.\.1\.5"):
        both([0.2, 1.5])
    with pytest.raises(DimensionMismatchError, match=r"\[1, 2\] entries"):
        either([0.2], [0.1, 0.2])
    with pytest.raises(InvalidInputError, match="at least 1 proxy, got 0"):
        both()
