"""The certificate of weighted k-center: a lower bound on the best objective.

Let S* be the best k rows, R* their radius. Guesses cut the line of radii into intervals
(low, high]; for the guess r = high, C(S_r) is at most the cost of any k rows of radius
at most r. So if R* lies in that interval, F(S*) > low + lambda * C(S_r). Above the
radius of the k cheapest rows nothing can be better than those. The least of these
numbers over all intervals bounds F(S*) from below.
"""

from dataclasses import dataclass, replace

from gleann.index.arrays import Rows

ROUNDING = 1e-6
"""Above the relative error of a radius, which is rounded to float32; subtracted so that
the bound holds in spite of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guess:
    """The set of one radius guess.

    Attributes:
        radius: the guess r.
        low: lower end of the interval of radii that the guess covers.
        rows: S_r: the cheapest row of each ball, then the cheapest others.
        cost: the sum of their costs.
        bound: an upper bound on the radius of `rows`, at most 3 r.
    """

    radius: float
    low: float
    rows: Rows
    cost: float
    bound: float


def lower_bound(
    guesses: list[Guess],
    *,
    cost_weight: float,
    cheapest_radius: float,
    cheapest_cost: float,
) -> float:
    """A lower bound on the objective of any k rows.

    Args:
        guesses: one for each interval, without gaps, from the least possible radius up
            to `cheapest_radius`.
        cost_weight: lambda.
        cheapest_radius: radius of the k cheapest rows.
        cheapest_cost: their cost.
    """
    intervals = [(guess.low, guess.cost) for guess in guesses]
    return min(
        (1 - ROUNDING) * radius + cost_weight * cost
        for radius, cost in [(cheapest_radius, cheapest_cost), *intervals]
    )


def floored(guesses: list[Guess], least: float) -> list[Guess]:
    """`guesses` with no interval below the `least` possible radius."""
    return [
        replace(guess, low=max(guess.low, min(least, guess.radius)))
        for guess in guesses
    ]


def ratio_of(objective: float, bound: float) -> float:
    """Objective / bound: 1 where both are 0, infinite where only the bound is."""
    if bound > 0:
        return objective / bound
    return 1.0 if objective <= 0 else float("inf")
