"""How many neighbours to ask of one shard for the k nearest of all shards.

Rows are placed by a hash of their id (`placing.py`), so which shard has a neighbour is
independent of how near it is: of the k nearest of all rows, a shard with a share p of
the rows has Binomial(k, p). It is the operator of HiRE (Samaga et al. 2024,
https://arxiv.org/abs/2402.09360): there the answer is short of the rows that a shard
had beyond its number; here `ShardedSearcher` asks that shard again, so none is lost.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SMALL_K = 256
"""Up to this k every shard is asked for k: an answer of a query then has at most 5 KB
a shard, which costs less than asking one shard a second time."""

SHARE_OF_K = 0.9999
"""Share of the k nearest that the first questions bring, as expected."""

SHARE_OF_POOL = 1 - 1e-6
"""Share of the rows that one index would re-rank that the shards do, as expected."""


def per_shard_k(k: int, share: float, *, at_least: float = SHARE_OF_K) -> int:
    """The fewest neighbours to ask of a shard, so that few of its own are missed.

    Args:
        k: neighbours of all shards.
        share: rows of the shard divided by all rows, above 0 and at most 1.
        at_least: share of the shard's rows among the k nearest that is brought, as
            expected.

    Returns:
        At least 1 and at most k.
    """
    if share >= 1:
        return k
    return _least(k, share, at_least)


def expected_share(k: int, share: float, asked: int) -> float:
    """The share of a shard's rows among the k nearest that `asked` of them are.

    E[min(X, asked)] / E[X] for X of Binomial(k, share), exactly.
    """
    return float(_expected(k, share)[asked - 1])


@lru_cache(maxsize=1024)
def _least(k: int, share: float, at_least: float) -> int:
    brought = _expected(k, share)
    return min(k, int(np.searchsorted(brought, at_least)) + 1)


def _expected(k: int, share: float) -> NDArray[np.float64]:
    """`expected_share` (k,) of 1, 2, ... k."""
    counts = np.arange(k + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, k + 1)))])
    ways = logs[k] - logs - logs[::-1]
    chances = np.exp(ways + counts * np.log(share) + (k - counts) * np.log1p(-share))
    # E[min(X, t)] is the sum of P(X > j) for j < t; small ones are summed first.
    beyond = np.cumsum(chances[::-1])[::-1][1:]
    brought = np.cumsum(beyond) / (k * share)
    return np.minimum(brought, 1.0)
