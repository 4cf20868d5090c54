"""Baselines of a chosen set: random rows, and the strongest simple method.

Two methods are *simple*: k-center by farthest-first, which uses distances only, and the
k cheapest rows (margin sampling), which use costs only and need them. The *strongest*
is the one with the lower objective, radius + cost_weight * cost, which is the radius
where costs weigh nothing: the quality that every report of a coreset shows. Of equals
it is k-center. The requested method is no baseline of its own and is left out; if no
simple method remains, random rows are the only baseline.

All are chosen from the same rows with the same k, locked rows and quotas, and measured
alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from gleann.selection.coreset.methods.farthest_first import k_center
from gleann.selection.coreset.methods.margin import margin
from gleann.selection.coreset.methods.uniform import uniform
from gleann.selection.coreset.result import Coreset
from gleann.selection.progress import ProgressCallback


class Choose(Protocol):
    """Choose from the rows in question, as many, by any method."""

    def __call__(self, method: Callable[..., Coreset], *, seed: int | None) -> Coreset:
        """Call `method` with the vectors, k, costs, locked rows, and what costs weigh.

        Within groups where there are quotas; with `seed` where it draws, None where it
        does not.
        """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baselines:
    """What simple methods achieve at the same k.

    Attributes:
        drawn: random rows.
        strongest: the strongest simple method but the one asked for, as the module
            says; None where none is left.
        name: of that method, "k_center" or "margin"; "" where none is left.
    """

    drawn: Coreset
    strongest: Coreset | None
    name: str

    def told(self) -> dict[str, float | str]:
        """Names and numbers to stand beside those of what a method chose."""
        numbers: dict[str, float | str] = {
            "random_radius": self.drawn.radius,
            "random_cost": self.drawn.cost,
            "random_objective": self.drawn.objective,
        }
        if self.strongest is None:
            return numbers
        return numbers | {
            "baseline": self.name,
            "baseline_radius": self.strongest.radius,
            "baseline_cost": self.strongest.cost,
            "baseline_objective": self.strongest.objective,
        }


def choose_baselines(
    choose: Choose,
    *,
    asked: str,
    priced: bool,
    seed: int,
    progress: ProgressCallback | None = None,
) -> Baselines:
    """Choose and measure the baselines of one choice.

    It takes two measurements and one farthest-first traversal: O(n * d * k), as much
    as k-center alone.

    Args:
        choose: from the rows, with the k, that the method had.
        asked: the method whose baselines these are, such as "weighted_k_center";
            "k_center" and "margin" are left out of their own.
        priced: whether rows have costs; "margin" needs them.
        seed: draws the random rows, and the first pick of k-center.
        progress: called as k-center goes on.
    """
    drawn = choose(uniform, seed=seed)
    simple: dict[str, Coreset] = {}
    if asked != "k_center":
        simple["k_center"] = choose(partial(k_center, progress=progress), seed=seed)
    if priced and asked != "margin":
        simple["margin"] = choose(margin, seed=None)
    if not simple:
        return Baselines(drawn=drawn, strongest=None, name="")
    name = min(simple, key=lambda each: simple[each].objective)
    return Baselines(drawn=drawn, strongest=simple[name], name=name)
