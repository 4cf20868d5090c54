"""How many neighbours of one shard are enough, against sums and draws by hand."""

from math import comb

import numpy as np
import pytest

from gleann.index.shards.per_shard_k import expected_share, per_shard_k


@pytest.mark.parametrize(("shards", "asked"), [(4, 31), (8, 18), (16, 11)])
def test_the_numbers_of_the_paper(shards: int, asked: int) -> None:
    assert per_shard_k(100, 1 / shards, at_least=0.99) == asked


@pytest.mark.parametrize("k", [1, 2, 7, 40])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.5, 0.97])
def test_the_share_is_the_sum_over_the_binomial(k: int, share: float) -> None:
    chances = [comb(k, t) * share**t * (1 - share) ** (k - t) for t in range(k + 1)]
    for asked in range(1, k + 1):
        brought = sum(chance * min(t, asked) for t, chance in enumerate(chances))
        assert expected_share(k, share, asked) == pytest.approx(brought / (k * share))


@pytest.mark.parametrize("at_least", [0.5, 0.99, 0.9999])
def test_the_least_number_that_is_enough(at_least: float) -> None:
    asked = per_shard_k(1000, 0.2, at_least=at_least)
    assert expected_share(1000, 0.2, asked) >= at_least
    assert expected_share(1000, 0.2, asked - 1) < at_least


def test_one_shard_is_asked_for_all_and_none_for_more() -> None:
    assert per_shard_k(1000, 1.0) == 1000
    assert per_shard_k(1, 0.1) == 1
    assert per_shard_k(10, 0.999, at_least=1 - 1e-15) <= 10


def test_rows_by_hash_are_as_the_binomial_says() -> None:
    """Draws of 20 shards with 100 neighbours: what 18 of each bring."""
    drawn = np.random.default_rng(0).multinomial(100, np.full(8, 1 / 8), size=4000)
    share = np.minimum(drawn, 18).sum() / drawn.sum()
    assert share == pytest.approx(expected_share(100, 1 / 8, 18), abs=0.0005)


def test_large_numbers_stay_finite() -> None:
    asked = per_shard_k(1_000_000, 1 / 50)
    assert 20_000 < asked < 21_000
