"""The report of a batch to label: of active learning, or of a round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Distances
from gleann.index.nouns import counted
from gleann.selection import Coverage, Selection
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.items import Facts, Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.numerals import percent, short
from gleann.service.report.page import (
    Section,
    note,
    page,
    paragraph,
    side_by_side,
    tiles,
)
from gleann.service.report.pages.parts import (
    coverage_figure,
    examples_section,
    groups_section,
    histogram_figure,
    left_out_section,
    picture_note,
    spread_table,
)
from gleann.service.report.tables import Cell, best_of, table

AFTER = "with this batch"
RANDOM = "with a random batch"
BEFORE = "labelled so far"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        picked: the batch.
        how: strategy or picker, in words.
        score: what the scores are, or "" where they only rank.
        n: items in all.
        labels: numbers of labels by class, by concept; "" without concepts.
        key_figures: further figures at a glance, with their labels.
        words: what else there is to say, in sentences.
        caveats: what the reader must not miss.
        compared: the batch with its baselines, by concept; may be empty.
        distances: (n,) of every item to the nearest labelled one, by `BEFORE`, `AFTER`
            and `RANDOM`; empty where there is no metric.
        items: contents of rows.
        steps: commands to go on with.
    """

    asked: Asked
    picked: Selection
    how: str
    score: str
    n: int
    labels: Mapping[str, Mapping[str, int]]
    key_figures: Sequence[tuple[str, str]]
    words: Sequence[str]
    caveats: Sequence[str]
    compared: Mapping[str, Coverage]
    distances: Mapping[str, Distances]
    items: Items
    steps: Sequence[Step]


def batch_page(report: BatchReport) -> str:
    """One self-contained HTML document."""
    lead = (
        f"{len(report.picked):,} of {counted(report.n, 'items')} of {report.asked.data}"
        f" to label next, by {report.how}."
    )
    glance = (
        tiles([*key_figures(report), *report.key_figures]),
        *(paragraph(words) for words in report.words),
        *(note(words) for words in report.caveats),
    )
    sections = [
        Section(title="At a glance", body=glance),
        asked_section(report.asked),
        *_compared(report),
        *_labels(report),
        *_classes(report),
        *_coverage(report),
        _examples(report),
        *_left_out(report),
        next_section(report.steps),
    ]
    return page(f"gleann {report.asked.command}", lead, sections)


def key_figures(report: BatchReport) -> list[tuple[str, str]]:
    """Items and labels, with what they are."""
    labelled = max(
        (sum(counts.values()) for counts in report.labels.values()), default=0
    )
    return [
        (f"{len(report.picked):,}", "items to label"),
        (f"{labelled:,}", "labels so far"),
    ]


def _compared(report: BatchReport) -> list[Section]:
    body: list[Html] = []
    for concept, one in report.compared.items():
        body += _compared_with(one, concept, report.how)
    if report.score and len(set(report.picked.scores.tolist())) > 1:
        body.append(
            histogram_figure(
                {"batch": report.picked.scores},
                label=report.score,
                of="items",
                caption="Scores of the batch.",
            )
        )
    title = "How informative the batch is"
    return [Section(title=title, body=tuple(body))] if body else []


def _compared_with(one: Coverage, concept: str, how: str) -> list[Html]:
    scores = [one.score, one.random_score, one.baseline_score]
    names = ["this batch", "as many random items", "the highest of all items"]
    rows: list[list[Cell]] = [[*pair] for pair in zip(names, scores, strict=True)]
    best = best_of(scores, column=1, want="high")
    words = (
        f"{percent(one.in_pool)} of the {one.top:,} highest were candidates,"
        f" {percent(one.picked)} were picked."
    )
    head = ["items", f"mean {how}"]
    return [table(head, rows, best=best, caption=concept), paragraph(words)]


def _labels(report: BatchReport) -> list[Section]:
    tables = []
    if not any(sum(counts.values()) for counts in report.labels.values()):
        return []
    for concept, counts in report.labels.items():
        total = sum(counts.values()) or 1
        rows: list[list[Cell]] = [
            [name, count, percent(count / total)] for name, count in counts.items()
        ]
        tables.append(table(["class", "labels", "share"], rows, caption=concept))
    return [Section(title="Labels so far", body=tuple(tables))]


def _classes(report: BatchReport) -> list[Section]:
    classes = report.items.classes
    if classes is None:
        return []
    counts = count_groups(classes.values, report.picked.rows)
    return [groups_section(counts, name=classes.name, chosen="items to label")]


def _coverage(report: BatchReport) -> list[Section]:
    if not report.distances:
        return []
    beside = [coverage_figure(report.distances), spread_table(report.distances)]
    return [Section(title="Coverage", body=(side_by_side(beside),))]


def _examples(report: BatchReport) -> Section:
    picked = report.picked
    facts: list[Facts] = [
        _score(report, number) + _reasons(picked, number)
        for number in range(len(picked))
    ]
    made = examples_section(
        "Items to label",
        "The first items of the batch, and what they were chosen for.",
        picked.rows,
        facts,
        report.items,
    )
    if report.distances:  # more pictures follow, and the note after them
        return made
    return Section(title=made.title, body=(*made.body, *picture_note(report.items)))


def _score(report: BatchReport, number: int) -> Facts:
    if not report.score:
        return ()
    return ((report.score, short(float(report.picked.scores[number]))),)


def _reasons(picked: Selection, number: int) -> Facts:
    return tuple(
        (name.replace("_", " "), _written(values[number]))
        for name, values in picked.why.items()
    )


def _written(value: object) -> str:
    if isinstance(value, np.floating | float):
        return short(float(value))
    return str(value)


def _left_out(report: BatchReport) -> list[Section]:
    if AFTER not in report.distances:
        return []
    return [left_out_section(report.distances[AFTER], report.items)]
