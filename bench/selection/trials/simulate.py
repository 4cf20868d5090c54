"""Estimates from simulated draws: the library's own numbers, without its sessions.

A session sorts all rows and keeps a book; a thousand of them take minutes. Here strata
are cut once and only draws are made anew. What is drawn how often, and what is made of
it, is the library's; `tests/bench/selection/test_simulate.py` holds the two
against each other.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bench.selection.trials.populations import Population
from gleann.index.arrays import Rows
from gleann.selection.estimate import Estimate, EstimateParams
from gleann.selection.estimate.baselines.abae import percentile_interval, pooled
from gleann.selection.estimate.baselines.abae_allocation import (
    abae_design,
    second_draws,
)
from gleann.selection.estimate.result import Precision, conclude, conclude_from
from gleann.selection.estimate.round_sizes import first_labels, next_labels
from gleann.selection.estimate.stratified.allocate import Draws
from gleann.selection.estimate.stratified.estimators import Design, round_draws
from gleann.selection.estimate.stratified.strata import STRATA_CUTS, StratumNos
from gleann.selection.estimate.stratified.tally import Evidence, Tally, gather

Trial = Callable[[int], Estimate]
"""Seed to estimate."""
LookTrial = Callable[[int], list[Estimate]]
"""Seed to the estimates of all rounds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strata:
    """A population, cut.

    Attributes:
        people: its members.
        numbers: (n,) the stratum of each row.
        members: rows of each stratum.
    """

    people: Population
    numbers: StratumNos
    members: tuple[Rows, ...]

    @classmethod
    def cut(cls, people: Population, params: EstimateParams) -> "Strata":
        """Stratify according to the parameters."""
        numbers = STRATA_CUTS[params.strata_cut](people.proxy, strata=params.strata)
        members = tuple(np.flatnonzero(numbers == k) for k in range(numbers.max() + 1))
        return cls(people=people, numbers=numbers, members=members)


class Draw:
    """One random order of every stratum, read from the start."""

    def __init__(self, strata: Strata, *, budget: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._strata = strata
        self._orders = [
            rng.choice(rows, min(len(rows), budget), replace=False)
            for rows in strata.members
        ]
        self._read: Draws = np.zeros(len(self._orders), np.int64)
        self._rounds: list = []

    def label(self, draws: Draws) -> None:
        """Draw and label so many more rows of each stratum."""
        people = self._strata.people
        rows = np.concatenate(
            [
                order[first : first + count]
                for order, first, count in zip(
                    self._orders, self._read, draws, strict=True
                )
            ]
        )
        self._read = self._read + draws
        held = people.held[rows]
        self._rounds.append(
            (self._strata.numbers[rows], held, np.where(held, people.values[rows], 0.0))
        )

    @property
    def evidence(self) -> Evidence:
        """All rounds so far."""
        return gather(self._rounds, strata=len(self._orders))

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """Of the rounds so far, none at first."""
        return self.evidence.rounds if self._rounds else ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """A population, cut, and the design of its estimate."""

    params: EstimateParams
    strata: Strata
    design: Design

    @classmethod
    def of(cls, people: Population, params: EstimateParams) -> "Plan":
        """The design of `EstimateSession`."""
        strata = Strata.cut(people, params)
        return cls(params=params, strata=strata, design=_design(strata, params))

    def evidence(self, seed: int) -> tuple[Design, Evidence]:
        """Labels of all rounds of one trial."""
        draw = Draw(self.strata, budget=self.params.budget, seed=seed)
        for _ in self.design.round_budgets:
            draw.label(round_draws(self.design, draw.tallies))
        return self.design, draw.evidence


def ours(people: Population, params: EstimateParams) -> Trial:
    """Trials of `EstimateSession`."""
    plan = Plan.of(people, params)
    strata, design = plan.strata, plan.design

    def trial(seed: int) -> Estimate:
        draw = Draw(strata, budget=params.budget, seed=seed)
        if params.may_stop:
            return _stopped(design, params, draw)
        precision = params.precision(len(design.round_budgets))
        for _ in design.round_budgets:
            draw.label(round_draws(design, draw.tallies))
        return conclude(design, draw.evidence, precision=precision, provenance={})

    return trial


def all_looks(people: Population, params: EstimateParams) -> LookTrial:
    """Trials of `EstimateSession` that keep the estimate of every round."""
    strata = Strata.cut(people, params)
    design = _design(strata, params)

    def trial(seed: int) -> list[Estimate]:
        draw = Draw(strata, budget=params.budget, seed=seed)
        made, budgets = [], design.round_budgets
        for number in range(len(budgets)):
            draw.label(round_draws(design, draw.tallies))
            precision = params.precision(len(budgets), drawn=budgets[: number + 1])
            found = conclude(design, draw.evidence, precision=precision, provenance={})
            made.append(found)
        return made

    return trial


def _design(strata: Strata, params: EstimateParams) -> Design:
    sizes = np.bincount(strata.numbers)
    sums = np.bincount(strata.numbers, weights=strata.people.proxy)
    return Design(
        sizes=sizes.astype(np.float64),
        proxy_means=sums / sizes,
        round_budgets=params.round_budgets(len(sizes)),
        target=params.target,
        floor=params.floor,
        allocation=params.allocation,
        value_range=params.value_range,
    )


def _stopped(design: Design, params: EstimateParams, draw: Draw) -> Estimate:
    """The estimate at which labelling stops."""
    labels, budgets = first_labels(params, len(design.sizes)), []
    while True:
        budgets.append(labels)
        grown = replace(design, round_budgets=tuple(budgets))
        draw.label(round_draws(grown, draw.tallies))
        precision = params.precision(len(budgets), drawn=budgets)
        made = conclude(grown, draw.evidence, precision=precision, provenance={})
        if params.is_narrow(made) or made.labels_used >= params.budget:
            return made
        left = params.budget - made.labels_used
        labels = next_labels(
            params,
            made,
            grown,
            draw.evidence.total,
            left=left,
            strata=len(design.sizes),
        )


def uniform(people: Population, params: EstimateParams) -> Trial:
    """Trials of `uniform_estimate`."""
    from gleann.selection.estimate.run import as_uniform

    return ours(people, as_uniform(params))


def abae(people: Population, params: EstimateParams) -> Trial:
    """Trials of `abae_estimate`."""
    strata = Strata.cut(people, replace(params, strata_cut="equal_size"))
    design = abae_design(people.proxy, strata.numbers, params)

    def trial(seed: int) -> Estimate:
        draw = Draw(strata, budget=params.budget, seed=seed)
        draw.label(round_draws(design, ()))
        draw.label(second_draws(design, draw.evidence.total))
        precision = Precision(
            interval=percentile_interval, confidence=params.confidence, seed=seed
        )
        evidence = draw.evidence
        found = pooled(design, evidence)
        return conclude_from(
            design, found, evidence, precision=precision, provenance={}
        )

    return trial
