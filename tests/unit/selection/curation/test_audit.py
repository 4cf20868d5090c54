import numpy as np
import pytest
from sklearn.datasets import load_digits

from gleann.index.errors import (
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    UnknownIdError,
    ZeroVectorError,
)
from gleann.selection.curation.audit import (
    AuditRequest,
    SecondMoments,
    audit,
    coverage_curve,
    vendi_score,
    vendi_scores,
)

ORDERS = (0.1, 0.5, 1, 2, np.inf)


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def scores(rows, orders=ORDERS):
    return vendi_scores(SecondMoments.of(rows), orders)


@pytest.fixture(scope="module")
def digits():
    pixels, classes = load_digits(return_X_y=True)
    return unit(pixels), classes


def clustered(n=400, d=12, *, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(8, d))
    labels = rng.integers(8, size=n)
    return (centres[labels] + 0.3 * rng.normal(size=(n, d))).astype(np.float32), labels


def naive_scores(rows, orders):
    """From the (n, n) matrix, by the definition."""
    wide = rows.astype(np.float64)
    values = np.linalg.eigvalsh(wide @ wide.T / len(wide))
    values = values[values > 1e-9 * values.max()]
    values /= values.sum()
    return [
        np.exp(-(values * np.log(values)).sum())
        if q == 1
        else 1 / values.max()
        if q == np.inf
        else (values**q).sum() ** (1 / (1 - q))
        for q in orders
    ]


def test_digits_have_the_scores_of_the_specification(digits):
    rows, _ = digits
    found = scores(rows, (0.1, 1, 2, np.inf))
    assert found == pytest.approx((45.338, 4.678, 2.064, 1.448), abs=1e-3)
    copies = np.concatenate([rows, np.repeat(rows[:1], 5000, axis=0)])
    # Which digit is copied matters a little.
    assert scores(copies, (0.1, 1, 2, np.inf)) == pytest.approx(
        (39.6, 1.99, 1.31, 1.15), rel=0.03
    )


def test_a_few_rows_of_a_new_class_count_most_in_low_orders(digits):
    rows, classes = digits
    three = rows[np.isin(classes, (0, 6, 8))]
    more = np.concatenate([three, rows[classes == 7][:5]])
    gains = np.array(scores(more)) / np.array(scores(three)) - 1
    assert (gains[:3] > 0.012).all()
    assert gains[-1] < 0.003


def test_orthogonal_rows_one_row_and_no_row_by_hand():
    assert scores(np.eye(7, dtype=np.float32)) == pytest.approx([7] * 5)
    assert scores(np.eye(7, dtype=np.float32)[:1]) == pytest.approx([1] * 5)
    assert scores(np.empty((0, 7), np.float32)) == (0.0,) * 5


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_the_kernel_and_fall_with_the_order(seed):
    rows = unit(clustered(60, 20, seed=seed)[0])
    found = scores(rows)
    assert found == pytest.approx(naive_scores(rows, ORDERS), rel=1e-6)
    assert (np.diff(found) < 0).all()


def test_great_orders_and_those_near_one_go_over_into_their_limits():
    values = np.array([0.5, 0.3, 0.2])
    assert vendi_score(values, order=1e6) == pytest.approx(2, rel=1e-5)
    assert vendi_score(values, order=50) == pytest.approx(2 ** (50 / 49), rel=1e-9)
    one = vendi_score(values, order=1)
    for order in (1 - 1e-15, 1 + 1e-15, 1 - 1e-7, 1 + 1e-7):
        assert vendi_score(values, order=order) == pytest.approx(one, rel=1e-6)


def test_duplicates_change_nothing_where_all_are_doubled():
    rows = unit(clustered(50)[0])
    assert scores(np.concatenate([rows, rows])) == pytest.approx(scores(rows))


def test_moments_of_parts_add_up_and_are_taken_away():
    rows = unit(clustered(200)[0])
    whole = SecondMoments.of(rows)
    parts = SecondMoments.of(rows[:30]) + SecondMoments.of(rows[30:])
    assert vendi_scores(parts, ORDERS) == pytest.approx(vendi_scores(whole, ORDERS))
    rest = whole - SecondMoments.of(rows[:199])
    assert rest.rows == 1
    assert vendi_scores(rest, ORDERS) == pytest.approx([1] * 5, rel=1e-4)


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_coverage_against_all_distances(offset):
    rows = clustered()[0] + np.float32(offset)
    chosen = np.random.default_rng(1).permutation(400)[:50]
    curve = coverage_curve(rows, chosen, shares=(0.5, 0.9, 1.0))
    assert curve.sizes[0] == 1
    assert curve.sizes[-1] == 50
    wide = rows.astype(np.float64)
    apart = np.linalg.norm(wide[:, None] - wide[chosen][None], axis=2)
    for number, size in enumerate(curve.sizes):
        nearest = np.sort(apart[:, :size].min(axis=1))
        assert curve.radii[number] == pytest.approx(nearest[[199, 359, 399]], rel=1e-3)
        assert curve.means[number] == pytest.approx(nearest.mean(), rel=1e-3)
    assert (np.diff(curve.radii, axis=0) <= 0).all()


@pytest.mark.parametrize("apart", [3e2, 3e4])
def test_coverage_of_near_rows_among_far_ones(apart):
    # Half of the rows are far from the mean of the choice, and near each other.
    rows = np.random.default_rng(2).normal(scale=0.01, size=(600, 8))
    rows[300:] += apart
    rows = rows.astype(np.float32)
    chosen = np.arange(0, 600, 2)
    curve = coverage_curve(rows, chosen, shares=(0.9, 1.0))
    wide = rows.astype(np.float64)
    distances = np.linalg.norm(wide[:, None] - wide[chosen][None], axis=2)
    nearest = np.sort(distances.min(axis=1))
    assert curve.radii[-1] == pytest.approx(nearest[[539, 599]], rel=1e-3)


def test_a_row_covers_itself_and_its_copies_exactly():
    rows = unit(np.repeat(clustered(20)[0], 3, axis=0))
    curve = coverage_curve(rows, np.arange(0, 60, 3), shares=(1.0,))
    assert curve.radii[-1, 0] == 0


def test_an_audit_beside_its_baselines():
    rows, labels = clustered()
    chosen = np.flatnonzero(labels < 2)[:40]
    found = audit(rows, AuditRequest(chosen=chosen, labels={"class": labels}))
    assert [one.name for one in found.sets] == [
        "chosen",
        "random",
        "stratified",
        "pool",
    ]
    assert [one.rows for one in found.sets] == [40, 40, 40, 400]
    assert all(share < 0.7 for share in found.vendi_shares[1:])
    radius = found["chosen"].coverage.radii[-1]
    assert (radius[:3] > found["random"].coverage.radii[-1][:3]).all()
    assert found["pool"].vendi == pytest.approx(scores(unit(rows)), rel=1e-5)
    table = found.to_dict()
    assert table["columns"]["set"][0] == "chosen"
    assert table["columns"]["radius_1"][3] is None
    assert table["summary"]["floor"] == 1e-9


def test_parts_by_leaving_each_out():
    rows, labels = clustered()
    chosen = np.arange(60)
    found = audit(rows, AuditRequest(chosen=chosen, labels={"class": labels}))
    whole = np.array(scores(unit(rows[chosen])))
    assert sum(part.rows for part in found.parts) == 60
    for part in found.parts:
        rest = np.array(scores(unit(rows[chosen[labels[chosen] != part.part]])))
        assert part.gains == pytest.approx(whole / rest - 1, abs=1e-5)


def test_a_choice_of_one_part_gains_without_end():
    rows, _ = clustered()
    words = ["one"] * 400
    found = audit(rows, AuditRequest(chosen=[3], labels={"kind": words}))
    assert found.parts[0].part == "one"
    assert found.parts[0].gains == (np.inf,) * 5


def test_group_tables_before_and_after_by_hand():
    rows = np.eye(6, dtype=np.float32)
    labels = {"animal": ["cat", "cat", "dog", "cat", "cow", "dog"]}
    found = audit(rows, AuditRequest(chosen=[0, 2, 5], labels=labels))
    table = found.tables[0]
    assert table.groups.tolist() == ["cat", "cow", "dog"]
    assert table.pool.tolist() == [3, 1, 2]
    assert table.chosen.tolist() == [1, 0, 2]
    assert table.ratios == pytest.approx([2 / 3, 0, 2])
    assert table.to_dict()["columns"]["chosen_share"] == pytest.approx(
        [1 / 3, 0, 2 / 3]
    )


def test_stratified_rows_keep_the_shares_of_the_pool():
    rows, _ = clustered()
    labels = np.repeat([4, 9, 7], [200, 120, 80])
    request = AuditRequest(chosen=np.arange(10), labels={"class": labels})
    one, two = audit(rows, request), audit(rows, request)
    assert one["stratified"].vendi == two["stratified"].vendi
    spread = audit(rows, AuditRequest(chosen=np.arange(400), labels={"class": labels}))
    assert spread["stratified"].vendi == pytest.approx(spread["pool"].vendi)


def test_among_is_the_audit_of_the_filtered_copy():
    rows, labels = clustered()
    ids = np.arange(1000, 1400)
    mask = np.random.default_rng(3).random(400) < 0.5
    chosen = ids[mask][:25]
    one = audit(
        rows,
        AuditRequest(chosen=chosen, labels={"class": labels}),
        ids=ids,
        among=mask,
    )
    two = audit(
        rows[mask],
        AuditRequest(chosen=chosen, labels={"class": labels[mask]}),
        ids=ids[mask],
    )
    for ours, theirs in zip(one.sets, two.sets, strict=True):
        assert (ours.rows, ours.vendi) == (theirs.rows, theirs.vendi)
        if ours.coverage is not None:
            assert np.array_equal(ours.coverage.radii, theirs.coverage.radii)
    assert one.tables[0].pool.tolist() == two.tables[0].pool.tolist()
    assert one.provenance["among"]["rows"] == mask.sum()
    with pytest.raises(InvalidInputError, match="1 of 1 that are not among"):
        audit(rows, AuditRequest(chosen=ids[~mask][:1]), ids=ids, among=mask)


def test_baselines_go_by_id_not_by_row():
    rows, _ = clustered()
    order = np.random.default_rng(5).permutation(400)
    one = audit(rows, AuditRequest(chosen=np.arange(9)), ids=np.arange(400))
    two = audit(rows[order], AuditRequest(chosen=np.arange(9)), ids=order)
    assert one["random"].vendi == pytest.approx(two["random"].vendi, rel=1e-9)


def test_l2_and_cosine_differ_by_length_only():
    rows, _ = clustered()
    one = audit(unit(rows), AuditRequest(chosen=[1, 2], metric="l2"))
    two = audit(7 * unit(rows), AuditRequest(chosen=[1, 2]))
    assert one["chosen"].coverage.radii == pytest.approx(
        two["chosen"].coverage.radii, abs=1e-5
    )


def test_progress_is_told():
    rows, _ = clustered()
    seen = []
    audit(rows, AuditRequest(chosen=[1]), progress=seen.append)
    assert (seen[-1].phase, seen[-1].done, seen[-1].total) == ("cover", 400, 400)


def test_bad_input():
    rows, labels = clustered()
    with pytest.raises(InvalidInputError, match="chosen has 0 of 400 rows"):
        audit(rows, AuditRequest(chosen=[]))
    with pytest.raises(DuplicateIdError):
        audit(rows, AuditRequest(chosen=[1, 1]))
    with pytest.raises(UnknownIdError):
        audit(rows, AuditRequest(chosen=[400]), ids=np.arange(400))
    with pytest.raises(DimensionMismatchError, match="class has 399 entries for 400"):
        audit(rows, AuditRequest(chosen=[1], labels={"class": labels[1:]}))
    with pytest.raises(InvalidInputError, match="class must be one-dimensional"):
        audit(rows, AuditRequest(chosen=[1], labels={"class": labels * 0.5}))
    with pytest.raises(ZeroVectorError):
        audit(rows * 0, AuditRequest(chosen=[1]))
    with pytest.raises(InvalidParamsError, match="shares must be above 0, got 0"):
        AuditRequest(chosen=[1], shares=(0.5, 0.0))
    with pytest.raises(InvalidParamsError, match="orders must be above 0, got 0"):
        AuditRequest(chosen=[1], orders=(0,))
    with pytest.raises(InvalidParamsError, match="at least 1 entry"):
        AuditRequest(chosen=[1], orders=())
    with pytest.raises(InvalidParamsError, match="metric"):
        AuditRequest(chosen=[1], metric="ip")
    with pytest.raises(InvalidParamsError, match="shares"):
        AuditRequest(chosen=[1], shares=(1.5,))
