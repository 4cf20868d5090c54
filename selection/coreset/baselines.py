"""Baselines of a chosen set: random and stratified rows, and the strongest method.

Random rows are those of an epoch that draws anew (RS2, `curation.plans`), stratified
ones those of an epoch that keeps the shares of cells of the space. Trained on for as
many steps, fresh draws see all rows in time: a fixed set has to beat that too.

Two methods are *simple*: farthest-first, which uses distances only, and the k cheapest
rows (margin sampling), which use costs only and need them. The *strongest* is the one
with the lower objective, radius + cost_weight * cost, which is the radius where costs
weigh nothing: the quality that every report of a coreset shows. Of equals it is
farthest-first. The requested method is no baseline of its own and is left out; if no
simple method remains, random rows are the only baseline.

All are chosen from the same rows with the same k, locked rows and quotas, and measured
alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Protocol, TypedDict

import numpy as np

from gleann.selection.coreset.methods.farthest_first import farthest_first
from gleann.selection.coreset.methods.margin import margin
from gleann.selection.coreset.methods.stratified import stratified
from gleann.selection.coreset.methods.uniform import uniform
from gleann.selection.coreset.result import Coreset
from gleann.selection.progress import ProgressCallback


class Choose(Protocol):
    """Choose from the rows of one problem, by any method."""

    def __call__(self, method: Callable[..., Coreset], *, seed: int | None) -> Coreset:
        """Call `method` with the problem, within groups where there are quotas.

        With seed= where it draws; None where it does not.
        """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baselines:
    """Answers of simple methods to the same problem.

    Attributes:
        drawn: random rows.
        stratified: random rows, of each cell of the space its share.
        random_epochs: epochs of fresh random rows, each of as many as were chosen, that
            it takes to see all rows.
        strongest: the strongest simple method but the requested one; None if none is
            left.
        name: of that method, "farthest_first" or "margin"; "" if none is left.
    """

    drawn: Coreset
    stratified: Coreset
    random_epochs: int
    strongest: Coreset | None
    name: str

    def summary(self) -> dict[str, float | str]:
        """Names and numbers for the report of the requested method's answer."""
        numbers: dict[str, float | str] = {
            "random_radius": self.drawn.radius,
            "random_cost": self.drawn.cost,
            "random_objective": self.drawn.objective,
            "random_epochs": self.random_epochs,
            "stratified_radius": self.stratified.radius,
            "stratified_cost": self.stratified.cost,
            "stratified_objective": self.stratified.objective,
        }
        if self.strongest is None:
            return numbers
        return numbers | {
            "baseline": self.name,
            "baseline_radius": self.strongest.radius,
            "baseline_cost": self.strongest.cost,
            "baseline_objective": self.strongest.objective,
        }


class _Draws(TypedDict):
    drawn: Coreset
    stratified: Coreset
    random_epochs: int


def choose_baselines(
    choose: Choose,
    *,
    method: str,
    priced: bool,
    seed: int,
    progress: ProgressCallback | None = None,
) -> Baselines:
    """Choose and measure the baselines of one choice.

    It takes three measurements and one farthest-first traversal: O(n * d * k).

    Args:
        choose: from the same problem.
        method: the method whose baselines these are, such as "weighted_k_center";
            "farthest_first" and "margin" are not their own baselines.
        priced: whether rows have costs; "margin" needs them.
        seed: draws random and stratified rows, and the first pick of farthest-first.
        progress: called during farthest-first.
    """
    drawn = choose(uniform, seed=seed)
    plain = _Draws(
        drawn=drawn,
        stratified=choose(stratified, seed=seed),
        random_epochs=_epochs(drawn),
    )
    simple: dict[str, Coreset] = {}
    if method != "farthest_first":
        traversed = partial(farthest_first, progress=progress)
        simple["farthest_first"] = choose(traversed, seed=seed)
    if priced and method != "margin":
        simple["margin"] = choose(margin, seed=None)
    if not simple:
        return Baselines(**plain, strongest=None, name="")
    name = min(simple, key=lambda each: simple[each].objective)
    return Baselines(**plain, strongest=simple[name], name=name)


def _epochs(drawn: Coreset) -> int:
    """Epochs of as many rows that it takes to see all of them."""
    covered = int(np.count_nonzero(~np.isnan(drawn.distances)))
    open_rows = covered - int(drawn.provenance["params"]["locked"])
    return ceil(open_rows / len(drawn.rows))
