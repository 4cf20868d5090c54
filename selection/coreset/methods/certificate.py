"""How good a set must be at least, proved from the guesses that led to it.

Let S* be the best k rows, R* their radius. Guesses cut the line of radii into stretches
(low, high]; for the guess r = high, C(S_r) is at most the cost of any k rows of radius
at most r. So if R* lies in that stretch, F(S*) > low + lambda * C(S_r). Above the
radius of the k cheapest rows nothing can be better than those. The least of these
numbers over all stretches bounds F(S*) from below.
"""

from dataclasses import dataclass, replace

from gleann.index.arrays import Rows

ROUNDING = 1e-6
"""More than the relative error of a radius, which is rounded to float32, given away so
that the bound stays true in spite of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guess:
    """The set of one radius guess.

    Attributes:
        radius: the guess r.
        low: no feasible radius of this stretch is below.
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
    """A number that no k rows' objective is below.

    Args:
        guesses: one for each stretch between them, without gaps, from the least
            possible radius up to `cheapest_radius`.
        cost_weight: lambda.
        cheapest_radius: radius of the k cheapest rows.
        cheapest_cost: their cost.
    """
    stretches = [(guess.low, guess.cost) for guess in guesses]
    return min(
        (1 - ROUNDING) * radius + cost_weight * cost
        for radius, cost in [(cheapest_radius, cheapest_cost), *stretches]
    )


def floored(guesses: list[Guess], least: float) -> list[Guess]:
    """`guesses` with no stretch reaching below the `least` radius there can be."""
    return [
        replace(guess, low=max(guess.low, min(least, guess.radius)))
        for guess in guesses
    ]


def ratio_of(objective: float, bound: float) -> float:
    """Objective / bound: 1 where both are 0, infinite where only the bound is."""
    if bound > 0:
        return objective / bound
    return 1.0 if objective <= 0 else float("inf")
