"""Spilling: the loss of SOAR, AIR, the Beta ratio and the correlation of residuals."""

import numpy as np
import pytest

from gleann.index import BuildParams, exact_search
from gleann.index.build import spill as rules
from gleann.index.build.assign import nearest_lists
from gleann.index.build.kmeans import train_centroids
from gleann.index.engines import native


@pytest.fixture
def rows_and_centroids(clustered):
    rows = clustered(700, 12, seed=1)
    centroids = clustered(25, 12, seed=2)
    return rows, centroids, nearest_lists(rows, centroids)


@pytest.fixture(params=["numpy", *native.tiers()])
def assign(request):
    """Every rule is tested on NumPy and on each native tier."""

    def run(rows, centroids, **params):
        scale = rules.scale_of(rows)
        if request.param == "numpy":
            spiller = rules.Spiller(centroids, BuildParams(**params), scale=scale)
            return spiller.assign(rows)
        tier = native.NativeAssigner(centroids, tier=request.param)
        return tier.assign(rows, params=BuildParams(**params), scale=scale)

    return run


def products(rows, centroids, primary):
    spiller = rules.Spiller(centroids, BuildParams(), scale=rules.scale_of(rows))
    return spiller.products(rows, rows @ centroids.T, primary)


def definition(rows, centroids, primary, lam):
    """Form (a): |x - c'|^2 + lambda * (r_hat . (x - c'))^2 in float64."""
    rows, centroids = rows.astype(np.float64), centroids.astype(np.float64)
    r = rows - centroids[primary]
    unit = r / np.linalg.norm(r, axis=1, keepdims=True)
    second = rows[:, None] - centroids[None]
    along = np.einsum("nd,ncd->nc", unit, second)
    return (second**2).sum(-1) + lam * along**2


def from_distances(rows, centroids, primary, lam):
    """Form (c): D' + lambda * (D + D' - M)^2 / (4 D), from distances alone."""
    rows, centroids = rows.astype(np.float64), centroids.astype(np.float64)
    to_all = ((rows[:, None] - centroids[None]) ** 2).sum(-1)
    between = ((centroids[:, None] - centroids[None]) ** 2).sum(-1)
    own = to_all[np.arange(len(rows)), primary][:, None]
    return to_all + lam * (own + to_all - between[primary]) ** 2 / (4 * own)


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0, 4.0])
def test_three_forms_of_the_loss_agree(rows_and_centroids, lam):
    rows, centroids, primary = rows_and_centroids
    from_products = rules.soar_loss(products(*rows_and_centroids), spill_lambda=lam)
    shared = np.einsum("ij,ij->i", rows, rows)[:, None]
    want = definition(rows, centroids, primary, lam)
    np.testing.assert_allclose(from_products + shared, want, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        from_distances(rows, centroids, primary, lam), want, rtol=1e-9
    )


def test_primary_loss_is_one_plus_lambda_residuals(rows_and_centroids):
    rows, centroids, primary = rows_and_centroids
    loss = rules.soar_loss(products(*rows_and_centroids), spill_lambda=1.5)
    own = loss[np.arange(len(rows)), primary] + (rows**2).sum(1)
    residuals = ((rows - centroids[primary]) ** 2).sum(1)
    np.testing.assert_allclose(own, 2.5 * residuals, rtol=1e-4)


def test_products_without_the_kept_table_are_the_same(rows_and_centroids, monkeypatch):
    with_table = products(*rows_and_centroids)
    monkeypatch.setattr(rules, "MOST_PRODUCTS", 0)
    without = products(*rows_and_centroids)
    np.testing.assert_allclose(
        with_table.residual_dots, without.residual_dots, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("spill", ["soar", "naive", "none"])
def test_primary_is_the_nearest(assign, rows_and_centroids, spill):
    rows, centroids, primary = rows_and_centroids
    np.testing.assert_array_equal(assign(rows, centroids, spill=spill)[0], primary)


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_lambda_zero_spills_nothing(assign, rows_and_centroids, metric):
    rows, centroids, _ = rows_and_centroids
    _, second = assign(rows, centroids, metric=metric, spill_lambda=0.0)
    assert (second == -1).all()


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_larger_lambda_spills_more(assign, rows_and_centroids, metric):
    rows, centroids, _ = rows_and_centroids
    shares = [
        (assign(rows, centroids, metric=metric, spill_lambda=lam)[1] >= 0).mean()
        for lam in (0.0, 0.5, 1.0, 2.0, 8.0)
    ]
    assert shares == sorted(shares)
    assert shares[0] == 0 < shares[2] < shares[-1]


@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_soar_is_the_argmin_with_the_primary_as_gate(
    assign, rows_and_centroids, metric
):
    rows, centroids, primary = rows_and_centroids
    best = definition(rows, centroids, primary, 1.0).argmin(axis=1)
    _, second = assign(rows, centroids, metric=metric, spill_lambda=1.0)
    np.testing.assert_array_equal(second, np.where(best == primary, -1, best))


@pytest.mark.parametrize("lam", [0.25, 0.5, 2.0])
def test_air_is_the_shifted_nearest_centroid(assign, rows_and_centroids, lam):
    rows, centroids, primary = rows_and_centroids
    r = (rows - centroids[primary]).astype(np.float64)
    second = rows[:, None].astype(np.float64) - centroids[None]
    loss = (second**2).sum(-1) + lam * np.einsum("nd,ncd->nc", r, second)
    best = loss.argmin(axis=1)
    shifted = (rows + lam / 2 * r).astype(np.float32)
    np.testing.assert_array_equal(nearest_lists(shifted, centroids), best)
    _, got = assign(rows, centroids, metric="l2", spill_lambda=lam)
    np.testing.assert_array_equal(got, np.where(best == primary, -1, best))


def test_naive_is_the_second_nearest(assign, rows_and_centroids):
    rows, centroids, primary = rows_and_centroids
    distances = ((rows[:, None] - centroids[None]) ** 2).sum(-1)
    want = np.argsort(distances, axis=1, kind="stable")[:, 1]
    _, got = assign(rows, centroids, spill="naive")
    np.testing.assert_array_equal(got, want)
    assert (got != primary).all()


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_zero_residual_is_relative_to_the_data(assign, scale, metric):
    """A row on its centroid is not spilled; others are, whatever the units."""
    rng = np.random.default_rng(0)
    centroids = (rng.normal(size=(8, 6)) * scale).astype(np.float32)
    off = centroids[:4] + (0.3 * scale * rng.normal(size=(4, 6))).astype(np.float32)
    rows = np.concatenate([centroids[:4], off]).astype(np.float32)
    primary, second = assign(rows, centroids, metric=metric, spill_lambda=30.0)
    assert primary[:4].tolist() == [0, 1, 2, 3]
    assert (second[:4] == -1).all()
    assert (second[4:] >= 0).any()


@pytest.mark.parametrize("spill", ["soar", "naive", "none"])
def test_one_list_cannot_spill(assign, spill):
    rows = np.ones((5, 3), np.float32)
    primary, second = assign(rows, rows[:1], metric="l2", spill=spill)
    assert (primary == 0).all()
    assert (second == -1).all()


def test_weight_of_the_parallel_part_is_lambda_plus_one():
    """E[|cos|^lambda <q, r'>^2] is proportional to |r'|^2 + lambda |proj_r r'|^2."""
    rng = np.random.default_rng(4)
    d, lam = 32, 1.5
    q = rng.normal(size=(400_000, d)).astype(np.float32)
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    weight = np.abs(q[:, 0]) ** lam  # r points along the first axis
    parallel = (weight * q[:, 0] ** 2).mean()
    orthogonal = (weight[:, None] * q[:, 1:] ** 2).mean()
    assert parallel / orthogonal == pytest.approx(1 + lam, rel=0.02)


def test_soar_correlates_less_than_naive(assign, clustered):
    """corr(<q, r>, <q, r'>) over true (query, neighbour) pairs."""
    rows = clustered(6000, 16, seed=7, clusters=60, spread=1.0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries, base = rows[:300], rows[300:]
    centroids = train_centroids(base, nlist=60, metric="cosine", iterations=8, seed=0)
    neighbours, _ = exact_search(queries, base, metric="cosine", k=20)

    def correlation(primary, second):
        first_error = base - centroids[primary]
        other = base - centroids[second]
        a = np.einsum("qd,qkd->qk", queries, first_error[neighbours]).ravel()
        b = np.einsum("qd,qkd->qk", queries, other[neighbours]).ravel()
        return np.corrcoef(a, b)[0, 1]

    primary, soar = assign(base, centroids, spill="soar")
    _, naive = assign(base, centroids, spill="naive")
    soar = np.where(soar >= 0, soar, naive)  # compare where both have a copy
    assert correlation(primary, soar) < correlation(primary, naive)


@pytest.mark.parametrize("tier", [*native.tiers(), "amx-emulated"])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize(("n", "d", "nlist"), [(1, 1, 1), (5, 3, 17), (97, 33, 130)])
def test_native_shapes_agree_with_numpy(clustered, tier, metric, n, d, nlist):
    if not native.available():
        pytest.skip(native.unavailable_reason())
    rows, centroids = clustered(n, d, seed=n), clustered(nlist, d, seed=3)
    for spill in ("soar", "naive", "none"):
        params = BuildParams(metric=metric, spill=spill, spill_lambda=1.5)
        want = rules.Spiller(centroids, params, scale=1.0).assign(rows)
        got = native.NativeAssigner(centroids, tier=tier, threads=2).assign(
            rows, params=params, scale=1.0
        )
        for mine, theirs in zip(got, want, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("tier", native.tiers())
def test_native_ties_go_to_the_lower_list(tier):
    rng = np.random.default_rng(0)
    centroids = rng.integers(-2, 3, size=(40, 4)).astype(np.float32)
    centroids[20:] = centroids[:20]
    rows = rng.integers(-2, 3, size=(300, 4)).astype(np.float32)
    distances = ((rows[:, None] - centroids[None]) ** 2).sum(-1)
    got = native.NativeAssigner(centroids, tier=tier).nearest(rows)
    np.testing.assert_array_equal(got, distances.argmin(axis=1))
