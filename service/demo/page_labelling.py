"""The report's section on labelling rare concepts."""

from collections.abc import Sequence
from statistics import fmean

from gleann.service.demo.found import FoundWords
from gleann.service.demo.labelling import METHODS, PUBLISHED_NEIGHBOURS, Run
from gleann.service.demo.result import ConceptFacts, DemoResult
from gleann.service.demo.speech import mean_and_spread, signed
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.markup import Html
from gleann.service.report.numerals import percent
from gleann.service.report.page import Section, figure, paragraph, side_by_side
from gleann.service.report.scales import Axis
from gleann.service.report.tables import Cell, best_of, table

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
            _means_table(result),
            _found_table(result.found),
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
    best: set[tuple[int, int]] = set()
    for fact in result.concepts:
        runs = [_runs(result, fact.name, method) for method in METHODS]
        above = [None] * len(rows)
        for column, quality in ((2, _pool), (3, _test), (4, _positives)):
            means = [fmean(map(quality, mine)) for mine in runs]
            best |= best_of([*above, *means], column=column, want="high")
        rows += [_labelling_row(fact, mine) for mine in runs]
    head = ["concept", "method", "AP, pool", "AP, held-out", "positives found"]
    return table([*head, "looked at", "seconds choosing"], rows, best=best)


def _labelling_row(fact: ConceptFacts, runs: Sequence[Run]) -> list[Cell]:
    return [
        fact.name,
        METHOD_NAMES[runs[0].method],
        mean_and_spread([_pool(run) for run in runs]),
        mean_and_spread([_test(run) for run in runs]),
        round(fmean(map(_positives, runs)), 1),
        percent(fmean(run.checkpoints[-1].looked_at for run in runs)),
        f"{fmean(run.select_seconds for run in runs):.2f}",
    ]


def _pool(run: Run) -> float:
    return run.checkpoints[-1].ap_pool


def _test(run: Run) -> float:
    return run.checkpoints[-1].ap_test


def _positives(run: Run) -> float:
    return run.checkpoints[-1].positives


def _default_words(result: DemoResult) -> str:
    """Which pool the default took, and why."""
    run = next(r for r in result.runs if r.method == "default")
    reason = run.pool_reason.replace("rows", "words")
    return f"The default took the pool '{run.pool}': {reason}."


def _means_table(result: DemoResult) -> Html:
    """Means over all concepts and runs, by method."""
    ends = {
        method: [run.checkpoints[-1] for run in _of(result, method)]
        for method in METHODS
    }
    precision = [fmean(end.ap_pool for end in ends[m]) for m in METHODS]
    best_known = precision[METHODS.index("global")]
    found = [fmean(end.positives for end in ends[m]) for m in METHODS]
    looked = [fmean(end.looked_at for end in ends[m]) for m in METHODS]
    seconds = [fmean(run.select_seconds for run in _of(result, m)) for m in METHODS]
    rows: list[list[Cell]] = [
        [
            METHOD_NAMES[method],
            f"{precision[number]:.3f}",
            None if method == "global" else signed(precision[number] - best_known),
            round(found[number], 1),
            percent(looked[number]),
            f"{seconds[number]:.2f}",
        ]
        for number, method in enumerate(METHODS)
    ]
    best = (
        best_of(precision, column=1, want="high")
        | best_of(found, column=3, want="high")
        | _least_of_choosers(looked, column=4)
        | _least_of_choosers(seconds, column=5)
    )
    head = ["mean over concepts", "AP, pool", "against global", "positives found"]
    return table([*head, "looked at", "seconds a run"], rows, best=best)


def _least_of_choosers(values: Sequence[float], *, column: int) -> set[tuple[int, int]]:
    """The least effort of the methods that choose; random draws choose nothing."""
    choosing = [
        None if method == "random" else value
        for method, value in zip(METHODS, values, strict=True)
    ]
    return best_of(choosing, column=column, want="low")


def _found_table(found: Sequence[FoundWords]) -> Html:
    rows: list[list[Cell]] = [
        [
            one.concept,
            f"{one.count:,}",
            ", ".join(one.words)
            + (f" and {more:,} more" if (more := one.count - len(one.words)) else ""),
        ]
        for one in found
    ]
    caption = (
        f"What the pool '{METHOD_NAMES[found[0].method]}' found from"
        f" {found[0].seeds} positives, the most frequent words first"
    )
    return table(["concept", "found", "words"], rows, caption=caption)


def _of(result: DemoResult, method: str) -> list[Run]:
    return [run for run in result.runs if run.method == method]


def _runs(result: DemoResult, concept: str, method: str) -> list[Run]:
    return [r for r in result.runs if r.concept == concept and r.method == method]
