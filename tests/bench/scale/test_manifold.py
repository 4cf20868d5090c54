"""Rows on surfaces: nested draws, and the dimension that estimators find."""

import numpy as np
import pytest

from bench.scale import manifold as module
from bench.scale.dimension import levina_bickel, metric_distances, two_nn
from bench.scale.manifold import BLOCK_ROWS, Manifold
from gleann.index import exact_search


def drawn(manifold: Manifold, count: int, stream: str = "rows") -> np.ndarray:
    return np.concatenate(list(manifold.blocks(count, stream=stream)))


def test_a_shorter_draw_is_the_first_rows_of_a_longer(monkeypatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 256)
    manifold = Manifold(intrinsic=3, dim=12)
    long, short = drawn(manifold, 700), drawn(manifold, 300)
    assert long.shape == (700, 12)
    np.testing.assert_array_equal(long[:300], short)
    latent = manifold.latent(700)
    assert latent.shape == (700, 3)
    np.testing.assert_array_equal(latent[:300], manifold.latent(300))


def test_rows_have_unit_length_and_queries_are_others() -> None:
    manifold = Manifold(intrinsic=3, dim=12)
    rows, queries = drawn(manifold, 500), drawn(manifold, 500, "queries")
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
    assert not np.isin(queries[:, 0], rows[:, 0]).any()
    other = drawn(Manifold(intrinsic=3, dim=12, seed=1), 500)
    assert not np.isin(other[:, 0], rows[:, 0]).any()


def test_no_few_axes_hold_the_rows() -> None:
    rows = drawn(Manifold(intrinsic=5, dim=48), 4000)
    spectrum = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    assert spectrum[:5].sum() < 0.75 * spectrum.sum()
    assert spectrum[10:].sum() > 0.1 * spectrum.sum()


@pytest.mark.parametrize("intrinsic", [5, 10])
def test_the_estimate_is_that_of_the_rows_before_they_are_embedded(
    intrinsic: int,
) -> None:
    """So embedding and noise change no dimension; few rows may."""
    manifold = Manifold(intrinsic=intrinsic, dim=48, clusters=5)
    few, many = 600, BLOCK_ROWS
    estimates = []
    for rows, queries, metric in (
        (drawn(manifold, many), drawn(manifold, few, "queries"), "cosine"),
        (manifold.latent(many), manifold.latent(few, stream="queries"), "l2"),
    ):
        near = exact_search(queries, rows, metric=metric, k=2)[1]
        estimates.append(two_nn(metric_distances(near, metric))[0])
    assert estimates[0] == pytest.approx(estimates[1], rel=0.1)
    assert estimates[1] == pytest.approx(intrinsic, rel=0.15)


@pytest.mark.parametrize("dim", [2, 6])
def test_estimators_find_the_dimension_of_an_even_cube(dim: int) -> None:
    rng = np.random.default_rng(3)
    rows, queries = rng.random((20_000, dim)), 0.2 + 0.6 * rng.random((2000, dim))
    near = metric_distances(exact_search(queries, rows, metric="l2", k=10)[1], "l2")
    estimate, error = two_nn(near)
    assert abs(estimate - dim) < 4 * error
    assert error == pytest.approx(dim / 2000**0.5, rel=0.1)
    assert levina_bickel(near) == pytest.approx(dim, rel=0.05)
