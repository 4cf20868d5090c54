"""How much bucketed selection loses, for neighbours that fall into random slots.

With r of a query's neighbours in one span of G buckets, of which each keeps two, a loss
is a third neighbour in one bucket. The general case is in "A Faster Generalized
Two-Stage Approximate Top-K" (2025), https://arxiv.org/abs/2506.04165; here spans are
long beside r, so that placement is binomial and not hypergeometric.
"""

from math import comb

import numpy as np

from gleann.index.engines.device.bucketing import KEPT
from gleann.index.engines.device.kinds import TILE


def expected_loss(*, neighbours: int, buckets: int) -> float:
    """Share of `neighbours` in one span that its `buckets` lose, on average."""
    share = 1 / buckets
    lost = sum(
        (held - KEPT)
        * comb(neighbours, held)
        * share**held
        * (1 - share) ** (neighbours - held)
        for held in range(KEPT + 1, neighbours + 1)
    )
    return buckets * lost / neighbours if neighbours else 0.0


def violation_chance(*, neighbours: int, buckets: int) -> float:
    """Chance that a long span must be scanned again for its `neighbours`.

    That is where two share a slot, whose second best then bounds what it dropped, or
    three a bucket. One minus the share of other placements: with G buckets of w slots,
    r! / (G w)^r times the coefficient of z^r in (1 + w z + w (w - 1) z^2 / 2)^G.
    """
    slots = TILE // buckets
    # In units of z / (G w); the factor r! / (G w)^r then is r!.
    one, two = 1 / buckets, (slots - 1) / (2 * slots * buckets**2)
    coefficients = np.zeros(neighbours + 1)
    coefficients[0] = 1.0
    for _ in range(buckets):
        added = coefficients.copy()
        added[1:] += one * coefficients[:-1]
        added[2:] += two * coefficients[:-2]
        coefficients = added
    placements = coefficients[neighbours]
    for held in range(1, neighbours + 1):
        placements *= held
    return float(np.clip(1.0 - placements, 0.0, 1.0))
