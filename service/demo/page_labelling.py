"""The report's section on labelling rare concepts."""

from collections.abc import Sequence
from statistics import fmean

from gleann.service.demo.labelling import METHODS, PUBLISHED_NEIGHBOURS, Run
from gleann.service.demo.result import ConceptFacts, DemoResult
from gleann.service.demo.speech import mean_and_spread, signed
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.markup import Html
from gleann.service.report.numerals import percent
from gleann.service.report.page import Section, figure, paragraph, side_by_side
from gleann.service.report.scales import Axis
from gleann.service.report.tables import Cell, table

METHOD_NAMES = {
    "default": "default",
    "seals": "SEALS as published",
    "global": "global",
    "random": "random",
}


def labelling_section(result: DemoResult) -> Section:
    """The default pool against SEALS, a global pool and random labels."""
    charts = [
        figure(
            _precision_chart(result.runs, fact),
            caption=f"{fact.name}: {fact.positives:,} of the words,"
            f" {percent(fact.prevalence)}.",
        )
        for fact in result.concepts
    ]
    scale = result.scale
    session = result.session
    return Section(
        title="Finding rare concepts",
        body=(
            paragraph(
                f"Each concept is a list of words; words that could be either are left"
                f" out. From 5 positives and 95 negatives on, each method asks for"
                f" {scale.batch} labels at a time, the most uncertain of its pool by a"
                f" logistic regression, up to {scale.labels}. The pool of SEALS as"
                f" published holds the {PUBLISHED_NEIGHBOURS} nearest neighbours of"
                f" each labelled word, the global pool every word."
                f" {_default_words(result)} {_runs_words(result)}"
            ),
            side_by_side(charts),
            _labelling_table(result),
            paragraph(_labelling_words(result)),
            paragraph(
                f"The service ran one of these sessions too ({session.concept},"
                f" {session.batches} batches through gRPC, {session.seconds:.1f} s):"
                f" it asked for {'the same' if session.same else 'other'} words"
                f" {'as' if session.same else 'than'} the library in process."
            ),
        ),
    )


def _precision_chart(runs: Sequence[Run], fact: ConceptFacts) -> Html:
    series = []
    for number, method in enumerate(METHODS):
        mine = [r for r in runs if r.concept == fact.name and r.method == method]
        steps = list(zip(*(run.checkpoints for run in mine), strict=True))
        precisions = [[c.ap_pool for c in step] for step in steps]
        series.append(
            Series(
                name=METHOD_NAMES[method],
                x=[step[0].labels for step in steps],
                y=[fmean(values) for values in precisions],
                low=[min(values) for values in precisions],
                high=[max(values) for values in precisions],
                colour=number,
            )
        )
    labels = [x for one in series for x in one.x]
    return line_chart(
        series,
        x=Axis(label="labels", low=min(labels) - 8, high=max(labels) + 8),
        y=Axis(label="average precision, pool", low=0.0, high=1.0),
    )


def _runs_words(result: DemoResult) -> str:
    if result.scale.label_seeds == 1:
        return "One run each."
    return (
        f"{result.scale.label_seeds} runs each, from different seeds; lines are means,"
        " bands the range."
    )


def _labelling_table(result: DemoResult) -> Html:
    rows: list[list[Cell]] = []
    for fact in result.concepts:
        for method in METHODS:
            ends = [run.checkpoints[-1] for run in _runs(result, fact.name, method)]
            seconds = [r.select_seconds for r in _runs(result, fact.name, method)]
            rows.append(
                [
                    fact.name,
                    METHOD_NAMES[method],
                    mean_and_spread([end.ap_pool for end in ends]),
                    mean_and_spread([end.ap_test for end in ends]),
                    round(fmean(end.positives for end in ends), 1),
                    percent(fmean(end.looked_at for end in ends)),
                    f"{fmean(seconds):.2f}",
                ]
            )
    head = ["concept", "method", "AP, pool", "AP, held-out", "positives found"]
    return table([*head, "looked at", "seconds choosing"], rows)


def _default_words(result: DemoResult) -> str:
    """Which pool the default took, and why."""
    run = next(r for r in result.runs if r.method == "default")
    reason = run.pool_reason.replace("rows", "words")
    return f"The default took the pool '{run.pool}': {reason}."


def _labelling_words(result: DemoResult) -> str:
    """What the default pool gains against all words, and what it loses."""
    looked, seconds, precision, found = (
        {method: fmean(map(quality, _of(result, method))) for method in METHODS}
        for quality in (
            lambda run: run.checkpoints[-1].looked_at,
            lambda run: run.select_seconds,
            lambda run: run.checkpoints[-1].ap_pool,
            lambda run: run.checkpoints[-1].positives,
        )
    )
    lost = signed(precision["default"] - precision["global"])
    return (
        f"Over all concepts the default looked at {percent(looked['default'])} of the"
        f" words and took {seconds['default']:.2f} s a run to choose and train, where"
        f" the global pool looks at every word and took {seconds['global']:.2f} s, and"
        f" SEALS as published looked at {percent(looked['seals'])} and took"
        f" {seconds['seals']:.2f} s. Mean average precision on the unlabelled rest:"
        f" default {precision['default']:.3f} ({lost} against global), SEALS"
        f" {precision['seals']:.3f}, random {precision['random']:.3f}. Positives among"
        f" the labels: default {found['default']:.0f}, SEALS {found['seals']:.0f},"
        f" global {found['global']:.0f}, random {found['random']:.0f}."
    )


def _of(result: DemoResult, method: str) -> list[Run]:
    return [run for run in result.runs if run.method == method]


def _runs(result: DemoResult, concept: str, method: str) -> list[Run]:
    return [r for r in result.runs if r.concept == concept and r.method == method]
