"""The report's section on estimates."""

from collections.abc import Sequence
from statistics import fmean

from gleann.service.demo.estimating import TARGETS, Trial
from gleann.service.demo.result import DemoResult
from gleann.service.report.charts import Whisker, whisker_chart
from gleann.service.report.markup import Html
from gleann.service.report.numerals import short
from gleann.service.report.page import Section, figure, paragraph, side_by_side
from gleann.service.report.scales import axis_over
from gleann.service.report.tables import Cell, table

TARGET_NAMES = {"count": "how many words", "avg": "mean of log10(frequency rank)"}


def estimating_section(result: DemoResult) -> Section:
    """ABae against uniform sampling."""
    concepts = list(dict.fromkeys(trial.concept for trial in result.trials))
    charts = [
        figure(
            _estimate_chart(_of(result.trials, concept, target)),
            caption=f"{concept}: {TARGET_NAMES[target]}; the dashed line is the truth.",
        )
        for concept in concepts
        for target in TARGETS
    ]
    return Section(
        title="How many, and what mean",
        body=(
            paragraph(
                f"From {result.scale.budget:,} labels: how many of {result.words:,}"
                f" words belong to a concept, and how frequent those are on average."
                f" The proxy is what the index makes of the labels of one SEALS run,"
                f" spread to all words by nearest neighbours. {result.scale.trials}"
                f" draws of each; uniform sampling spends the same labels."
            ),
            side_by_side(charts),
            _estimate_table(result.trials, concepts),
            *(paragraph(w) for w in _estimate_words(result.trials, concepts)),
        ),
    )


def _of(trials: Sequence[Trial], concept: str, target: str) -> list[Trial]:
    return [t for t in trials if t.concept == concept and t.target == target]


def _estimate_chart(trials: Sequence[Trial]) -> Html:
    whiskers = [
        Whisker(
            label=f"{trial.method}, draw {trial.seed}",
            value=trial.value,
            low=trial.value if trial.low is None else trial.low,
            high=trial.value if trial.high is None else trial.high,
            colour=0 if trial.method == "ABae" else 1,
        )
        for trial in trials
        if trial.value is not None
    ]
    ends = [end for one in whiskers for end in (one.low, one.high)]
    truth = trials[0].truth
    label = TARGET_NAMES[trials[0].target]
    return whisker_chart(whiskers, x=axis_over(label, [*ends, truth]), truth=truth)


def _estimate_table(trials: Sequence[Trial], concepts: Sequence[str]) -> Html:
    rows: list[list[Cell]] = []
    for concept in concepts:
        for target in TARGETS:
            for method in ("ABae", "uniform"):
                mine = [t for t in _of(trials, concept, target) if t.method == method]
                rows.append([concept, TARGET_NAMES[target], method, *_judged(mine)])
    head = ["concept", "estimated", "method", "truth", "mean error", "interval"]
    head += ["truth inside", "undefined", "positives drawn", "seconds"]
    return table(head, rows)


def _judged(trials: Sequence[Trial]) -> list[Cell]:
    defined = [t for t in trials if t.value is not None]
    errors = [abs((t.value or 0.0) - t.truth) for t in defined]
    widths = _half_widths(trials)
    with_interval = [t for t in trials if t.low is not None]
    return [
        trials[0].truth,
        fmean(errors) if errors else None,
        f"\N{PLUS-MINUS SIGN} {short(fmean(widths))}" if widths else None,
        f"{sum(t.covers for t in trials)} of {len(with_interval)}",
        len(trials) - len(defined),
        round(fmean(t.positives for t in trials), 1),
        f"{fmean(t.seconds for t in trials):.2f}",
    ]


def _half_widths(trials: Sequence[Trial]) -> list[float]:
    return [
        (t.high - t.low) / 2 for t in trials if t.low is not None and t.high is not None
    ]


def _estimate_words(trials: Sequence[Trial], concepts: Sequence[str]) -> list[str]:
    sentences = []
    for concept in concepts:
        for target in TARGETS:
            mine = _of(trials, concept, target)
            ours = _half_widths([t for t in mine if t.method == "ABae"])
            theirs = _half_widths([t for t in mine if t.method == "uniform"])
            if not ours or not theirs:
                which = "ABae" if not ours else "uniform sampling"
                sentences.append(
                    f"{concept}, {TARGET_NAMES[target]}: {which} gave no interval."
                )
                continue
            sentences.append(
                f"{concept}, {TARGET_NAMES[target]}: uniform sampling has an interval"
                f" {fmean(theirs) / fmean(ours):.1f} times as wide as that of ABae."
            )
    return sentences
