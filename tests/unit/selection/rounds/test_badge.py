"""BADGE: distances and draws equal those on materialised gradients."""

import numpy as np
import pytest

from gleann.selection.rounds.badge import BATCH, Gradients, k_means_plus_plus


def factors(n=60, c=4, d=5, seed=0):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(c), size=n)
    table[np.arange(n), table.argmax(axis=1)] -= 1
    vectors = rng.normal(size=(n, d))
    return table.astype(np.float32), vectors.astype(np.float32)


def materialised(residuals, vectors):
    """The (n, c * d) table of outer products."""
    wide = residuals[:, :, None].astype(np.float64) * vectors[:, None, :]
    return wide.reshape(len(vectors), -1)


@pytest.mark.parametrize("shape", [(60, 4, 5), (9, 2, 1), (40, 7, 20)])
def test_distances_are_those_of_materialised_gradients(shape):
    residuals, vectors = factors(*shape)
    table = materialised(residuals, vectors)
    gradients = Gradients(residuals, vectors)
    rows, centres = np.arange(len(table)), np.array([0, 3, 7])
    brute = ((table[:, None] - table[centres]) ** 2).sum(axis=2)
    np.testing.assert_allclose(
        gradients.squared(rows, centres), brute, rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(gradients.norms, (table**2).sum(axis=1), rtol=1e-12)


def test_the_gradient_is_that_of_the_loss():
    """Central differences of the cross entropy of one linear layer."""
    rng = np.random.default_rng(5)
    weights, x = rng.normal(size=(3, 4)), rng.normal(size=4)

    def probabilities(w):
        scores = np.exp(w @ x - (w @ x).max())
        return scores / scores.sum()

    label = probabilities(weights).argmax()
    numeric = np.empty_like(weights)
    for at in np.ndindex(*weights.shape):
        step = np.zeros_like(weights)
        step[at] = 1e-6
        high, low = probabilities(weights + step), probabilities(weights - step)
        numeric[at] = -(np.log(high[label]) - np.log(low[label])) / 2e-6
    residual = probabilities(weights) - np.eye(3)[label]
    np.testing.assert_allclose(np.outer(residual, x), numeric, atol=1e-8)


def test_the_first_is_the_longest_and_none_comes_twice():
    residuals, vectors = factors(200, seed=2)
    gradients = Gradients(residuals, vectors)
    k = 3 * BATCH + 5
    picked = k_means_plus_plus(gradients, k=k, rng=np.random.default_rng(1))
    norms = (materialised(residuals, vectors) ** 2).sum(axis=1)
    assert picked[0] == norms.argmax()
    assert len(picked) == len(set(picked.tolist())) == k


def test_equal_gradients_are_drawn_once():
    residuals, vectors = factors(6, seed=3)
    repeated = np.repeat(np.arange(6), 10)
    gradients = Gradients(residuals[repeated], vectors[repeated])
    picked = k_means_plus_plus(gradients, k=40, rng=np.random.default_rng(0))
    assert sorted(picked // 10) == list(range(6))


@pytest.mark.slow
def test_draws_have_the_distribution_of_plain_k_means_plus_plus():
    """Sets of four of six, 6,000 draws: chi-square against exact probabilities."""
    residuals, vectors = factors(6, c=3, d=2, seed=4)
    table = materialised(residuals, vectors)
    squared = ((table[:, None] - table) ** 2).sum(axis=2)
    first = int(np.diag(table @ table.T).argmax())
    exact = {}

    def follow(picked, chance):
        if len(picked) == 4:
            exact[tuple(picked)] = chance
            return
        near = squared[picked].min(axis=0)
        for row in np.flatnonzero(near):
            follow([*picked, int(row)], chance * near[row] / near.sum())

    follow([first], 1.0)
    gradients, rng = Gradients(residuals, vectors), np.random.default_rng(8)
    trials, seen = 6000, dict.fromkeys(exact, 0)
    for _ in range(trials):
        seen[tuple(k_means_plus_plus(gradients, k=4, rng=rng).tolist())] += 1
    expected = np.array([trials * exact[key] for key in exact])
    found = np.array([seen[key] for key in exact])
    usual = expected > 5
    statistic = ((found - expected) ** 2 / expected)[usual].sum()
    # 99.9 % quantile of chi-square is below mean + 4 sqrt(2 mean) here.
    degrees = usual.sum() - 1
    assert statistic < degrees + 4 * np.sqrt(2 * degrees)
