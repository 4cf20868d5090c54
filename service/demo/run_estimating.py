"""Estimates of the number of words of a concept, and of their mean frequency."""

from statistics import fmean

import numpy as np

from gleann.index import SoarIndex
from gleann.service.demo.estimating import (
    METHODS,
    TARGETS,
    Population,
    Trial,
    make_population,
    trials,
)
from gleann.service.demo.labelling import Run, Task
from gleann.service.demo.stage import Stage
from gleann.service.demo.words import Words
from gleann.service.report.numerals import short

ESTIMATED = ("woman's name", "large city")


def run_estimating(
    stage: Stage, words: Words, tasks: list[Task], index: SoarIndex, runs: list[Run]
) -> list[Trial]:
    """Both targets of every estimated concept, by both methods, over several draws."""
    rank = np.log10(words.base.astype(np.float64) + 1)
    made: list[Trial] = []
    with stage.timed("estimates from few labels"):
        for task in (task for task in tasks if task.name in ESTIMATED):
            labelled = np.unique(
                np.concatenate(
                    [
                        run.rows
                        for run in runs
                        if run.concept == task.name and run.method == "seals"
                    ]
                )
            )
            population = make_population(
                task.name, task.positive, index.vectors, labelled, rank
            )
            found = trials(
                population,
                budget=stage.scale.budget,
                count=stage.scale.trials,
                seed=stage.seed,
            )
            made += found
            _tell(stage, population, found)
    return made


def _tell(stage: Stage, population: Population, found: list[Trial]) -> None:
    for target in TARGETS:
        truth = population.truth(target)
        stage.say(f"   {population.concept}, {target}: truth {short(truth)}")
        for method in METHODS:
            mine = [t for t in found if t.target == target and t.method == method]
            known = [t.value for t in mine if t.value is not None]
            ends = [(t.low, t.high) for t in mine if t.low is not None]
            widths = [high - low for low, high in ends if high is not None]
            stage.say(
                f"     {method:<17} mean {short(fmean(known)) if known else '-'},"
                f" interval +- {short(fmean(widths) / 2) if widths else '-'},"
                f" holds the truth {sum(t.covers for t in mine)} of {len(ends)}"
            )
