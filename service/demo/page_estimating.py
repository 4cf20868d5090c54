"""The report's section on estimates."""

from collections.abc import Sequence
from statistics import fmean

from gleann.service.demo.estimating import METHODS, TARGETS, UNIFORM, Trial
from gleann.service.demo.result import DemoResult
from gleann.service.report.charts import Whisker, whisker_chart
from gleann.service.report.markup import Html
from gleann.service.report.numerals import PLUS_MINUS, short
from gleann.service.report.page import Section, figure, paragraph, side_by_side
from gleann.service.report.scales import axis_over
from gleann.service.report.tables import Cell, best_of, table

TARGET_NAMES = {"share": "share", "mean": "mean log10 rank"}
WRITE = {"share": lambda value: f"{100 * value:.3g} %", "mean": short}
SHOWN_DRAWS = 6
HELD = 0.8
"""Of ten draws with intervals at 95 %, 8 or more hold the truth 99 times in 100."""
ERROR, WIDTH = 3, 5
"""Columns of the mean error and of the interval in the table."""


def estimating_section(result: DemoResult) -> Section:
    """ABae against uniform sampling."""
    concepts = list(dict.fromkeys(trial.concept for trial in result.trials))
    charts = [
        figure(
            _estimate_chart(_of(result.trials, concept, target)),
            caption=f"{concept}, {TARGET_NAMES[target]}; dashed: the truth.",
        )
        for concept in concepts
        for target in TARGETS
    ]
    return Section(
        title="How many, and what mean",
        body=(
            paragraph(
                f"From {result.scale.budget:,} labels: what share of {result.words:,}"
                f" words belongs to a concept, and how frequent those are on average"
                f" (log10 of the rank by frequency)."
                f" ABae needs a guess for every word. One comes from the index, the"
                f" labels of the nearest words that the SEALS runs labelled; the other"
                f" from a classifier trained on the same labels. ABae as published has"
                f" the classifier's, uniform sampling none; both spend as many labels."
                f" {result.scale.trials} draws"
                f" of each; the pictures show {min(SHOWN_DRAWS, result.scale.trials)}."
            ),
            side_by_side(charts),
            _estimate_table(result.trials, concepts),
        ),
    )


def _of(trials: Sequence[Trial], concept: str, target: str) -> list[Trial]:
    return [t for t in trials if t.concept == concept and t.target == target]


def _estimate_chart(trials: Sequence[Trial]) -> Html:
    first = trials[0].seed
    whiskers = [
        Whisker(
            label=trial.method if trial.seed == first else "",
            name=f"{trial.method}, draw {trial.seed}",
            value=trial.value,
            low=trial.value if trial.low is None else trial.low,
            high=trial.value if trial.high is None else trial.high,
            colour=METHODS.index(trial.method),
        )
        for trial in trials
        if trial.value is not None and trial.seed < first + SHOWN_DRAWS
    ]
    ends = [end for one in whiskers for end in (one.low, one.high)]
    truth, target = trials[0].truth, trials[0].target
    axis = axis_over(TARGET_NAMES[target], [*ends, truth], write=WRITE[target])
    return whisker_chart(whiskers, x=axis, truth=truth)


def _estimate_table(trials: Sequence[Trial], concepts: Sequence[str]) -> Html:
    rows: list[list[Cell]] = []
    best: set[tuple[int, int]] = set()
    for concept in concepts:
        for target in TARGETS:
            by_method = [
                [t for t in _of(trials, concept, target) if t.method == method]
                for method in METHODS
            ]
            best |= _best(by_method, before=len(rows))
            uniform = by_method[METHODS.index(UNIFORM)]
            name = f"{concept}: {TARGET_NAMES[target]}"
            rows += [
                [name, mine[0].method, *_judged(mine, uniform)] for mine in by_method
            ]
    head = ["estimated", "method", "truth", "mean error", "x uniform's", "interval"]
    head += ["x uniform's", "truth inside", "positives drawn", "seconds"]
    return table(head, rows, best=best)


def _best(by_method: Sequence[Sequence[Trial]], *, before: int) -> set[tuple[int, int]]:
    """The smallest mean error and the narrowest interval, in rows after `before`.

    An interval that seldom holds the truth is not the best, however narrow it is.
    """
    errors = [_mean(_errors(mine)) for mine in by_method]
    widths = [_mean(_half_widths(mine)) if _holds(mine) else None for mine in by_method]
    above = [None] * before
    return best_of([*above, *errors], column=ERROR, want="low") | best_of(
        [*above, *widths], column=WIDTH, want="low"
    )


def _holds(trials: Sequence[Trial]) -> bool:
    """Whether the truth is inside as often as chance allows of intervals at 95 %."""
    there = [t.covers for t in trials if t.low is not None]
    return bool(there) and fmean(there) >= HELD


def _judged(trials: Sequence[Trial], uniform: Sequence[Trial]) -> list[Cell]:
    write = WRITE[trials[0].target]
    error, width = _mean(_errors(trials)), _mean(_half_widths(trials))
    with_interval = [t for t in trials if t.low is not None]
    return [
        write(trials[0].truth),
        None if error is None else write(error),
        _times(error, _mean(_errors(uniform))),
        None if width is None else f"{PLUS_MINUS} {write(width)}",
        _times(width, _mean(_half_widths(uniform))),
        f"{sum(t.covers for t in trials)} of {len(with_interval)}",
        round(fmean(t.positives for t in trials), 1),
        f"{fmean(t.seconds for t in trials):.2f}",
    ]


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _times(value: float | None, of: float | None) -> str | None:
    return None if value is None or not of else f"{value / of:.2f}"


def _errors(trials: Sequence[Trial]) -> list[float]:
    return [abs(t.value - t.truth) for t in trials if t.value is not None]


def _half_widths(trials: Sequence[Trial]) -> list[float]:
    return [
        (t.high - t.low) / 2 for t in trials if t.low is not None and t.high is not None
    ]
