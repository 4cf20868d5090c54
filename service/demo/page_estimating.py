"""The report's section on estimates."""

from collections.abc import Sequence
from statistics import fmean

from gleann.service.demo.estimating import METHODS, TARGETS, UNIFORM, Trial
from gleann.service.demo.result import DemoResult
from gleann.service.report.charts import Whisker, whisker_chart
from gleann.service.report.markup import Html
from gleann.service.report.numerals import short
from gleann.service.report.page import Section, figure, paragraph, side_by_side
from gleann.service.report.scales import axis_over
from gleann.service.report.tables import Cell, table

TARGET_NAMES = {"share": "share", "mean": "mean log10 rank"}
WRITE = {"share": lambda value: f"{100 * value:.3g} %", "mean": short}
SHOWN_DRAWS = 6


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
            *(paragraph(w) for w in _estimate_words(result.trials, concepts)),
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
    for concept in concepts:
        for target in TARGETS:
            for method in METHODS:
                mine = [t for t in _of(trials, concept, target) if t.method == method]
                rows.append([concept, TARGET_NAMES[target], method, *_judged(mine)])
    head = ["concept", "estimated", "method", "truth", "mean error", "interval"]
    head += ["truth inside", "undefined", "positives drawn", "seconds"]
    return table(head, rows)


def _judged(trials: Sequence[Trial]) -> list[Cell]:
    write = WRITE[trials[0].target]
    errors = _errors(trials)
    widths = _half_widths(trials)
    with_interval = [t for t in trials if t.low is not None]
    return [
        write(trials[0].truth),
        write(fmean(errors)) if errors else None,
        f"\N{PLUS-MINUS SIGN} {write(fmean(widths))}" if widths else None,
        f"{sum(t.covers for t in trials)} of {len(with_interval)}",
        len(trials) - len(errors),
        round(fmean(t.positives for t in trials), 1),
        f"{fmean(t.seconds for t in trials):.2f}",
    ]


def _errors(trials: Sequence[Trial]) -> list[float]:
    return [abs(t.value - t.truth) for t in trials if t.value is not None]


def _half_widths(trials: Sequence[Trial]) -> list[float]:
    return [
        (t.high - t.low) / 2 for t in trials if t.low is not None and t.high is not None
    ]


def _estimate_words(trials: Sequence[Trial], concepts: Sequence[str]) -> list[str]:
    return [
        f"{concept}, {TARGET_NAMES[target]}: "
        + "; ".join(
            _against_uniform(_of(trials, concept, target), method)
            for method in METHODS
            if method != UNIFORM
        )
        + "."
        for concept in concepts
        for target in TARGETS
    ]


def _against_uniform(trials: Sequence[Trial], method: str) -> str:
    ours = [t for t in trials if t.method == method]
    theirs = [t for t in trials if t.method == UNIFORM]
    parts = [method]
    if _errors(ours) and _errors(theirs) and fmean(_errors(theirs)):
        ratio = fmean(_errors(ours)) / fmean(_errors(theirs))
        parts.append(f"{ratio:.2f} times the mean error of uniform sampling")
    if _half_widths(ours) and _half_widths(theirs):
        ratio = fmean(_half_widths(ours)) / fmean(_half_widths(theirs))
        parts.append(f"{ratio:.2f} times the width of its interval")
    return ", ".join(parts)
