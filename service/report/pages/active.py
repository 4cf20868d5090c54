"""The report of a batch of active learning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Distances
from gleann.selection import Coverage, Selection, StopAdvice
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.items import Facts, Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.numerals import percent, short
from gleann.service.report.page import Section, note, page, paragraph, tiles
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
class ActiveReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        picked: the batch.
        strategy: name of its score.
        n: items in all.
        labels: numbers of labels by class, by concept; "" without concepts.
        looked_at: items that were candidates so far.
        pool: the pool they came from, and why.
        advice: whether to stop.
        compared: the batch with its baselines, by concept.
        distances: (n,) of every item to the nearest labelled one, by `BEFORE`, `AFTER`
            and `RANDOM`; empty where there is no metric.
        items: contents of rows.
        steps: commands to go on with.
    """

    asked: Asked
    picked: Selection
    strategy: str
    n: int
    labels: Mapping[str, Mapping[str, int]]
    looked_at: int
    pool: str
    advice: StopAdvice
    compared: Mapping[str, Coverage]
    distances: Mapping[str, Distances]
    items: Items
    steps: Sequence[Step]


def active_page(report: ActiveReport) -> str:
    """One self-contained HTML document."""
    lead = (
        f"{len(report.picked):,} items of {report.asked.data} to label next,"
        f" by {report.strategy}; {report.looked_at:,} of {report.n:,} were looked at."
    )
    sections = [
        Section(title="At a glance", body=(tiles(glance(report)), *_advice(report))),
        asked_section(report.asked),
        _compared(report),
        *_labels(report),
        *_classes(report),
        *_coverage(report),
        _examples(report),
        *_left_out(report),
        next_section(report.steps),
    ]
    return page(f"gleann {report.asked.command}", lead, sections)


def glance(report: ActiveReport) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    labelled = max(sum(counts.values()) for counts in report.labels.values())
    return [
        (f"{len(report.picked):,}", "items to label"),
        (f"{labelled:,}", "labels so far"),
        (
            percent(report.looked_at / report.n),
            f"of the items were looked at ({report.looked_at:,} of {report.n:,})",
        ),
        ("stop" if report.advice.stop else "go on", "advice on further labels"),
    ]


def _advice(report: ActiveReport) -> list[Html]:
    pool = paragraph(f"Pool of candidates: {report.pool}.")
    return [pool, note(f"{report.advice.reason}.")] if report.advice.reason else [pool]


def _compared(report: ActiveReport) -> Section:
    body: list[Html] = []
    for concept, one in report.compared.items():
        rows: list[list[Cell]] = [
            ["this batch", one.score],
            ["as many random items", one.random_score],
            ["the highest of all items", one.baseline_score],
        ]
        head = ["items", f"mean {report.strategy.replace('_', ' ')}"]
        best = best_of([row[1] for row in rows], column=1, want="high")  # type: ignore[misc]
        body.append(table(head, rows, best=best, caption=concept))
        body.append(
            paragraph(
                f"{percent(one.in_pool)} of the {one.top:,} highest were candidates,"
                f" {percent(one.picked)} were picked."
            )
        )
    if not body:
        body.append(paragraph("A random batch is its own baseline."))
    scores = report.picked.scores
    if len(scores):
        body.append(
            histogram_figure(
                {"batch": scores},
                label=report.strategy.replace("_", " "),
                of="items",
                caption="Scores of the batch.",
            )
        )
    return Section(title="How informative the batch is", body=tuple(body))


def _labels(report: ActiveReport) -> list[Section]:
    tables = []
    for concept, counts in report.labels.items():
        total = sum(counts.values()) or 1
        rows: list[list[Cell]] = [
            [name, count, percent(count / total)] for name, count in counts.items()
        ]
        tables.append(table(["class", "labels", "share"], rows, caption=concept))
    return [Section(title="Labels so far", body=tuple(tables))]


def _classes(report: ActiveReport) -> list[Section]:
    classes = report.items.classes
    if classes is None:
        return []
    counts = count_groups(classes.values, report.picked.rows)
    return [groups_section(counts, name=classes.name, chosen="items to label")]


def _coverage(report: ActiveReport) -> list[Section]:
    if not report.distances:
        return []
    body = (coverage_figure(report.distances), spread_table(report.distances))
    return [Section(title="Coverage", body=body)]


def _examples(report: ActiveReport) -> Section:
    picked = report.picked
    facts: list[Facts] = [
        (("score", short(score)), *_reasons(picked, number))
        for number, score in enumerate(picked.scores.tolist())
    ]
    made = examples_section(
        "Items to label",
        "The first items of the batch, with their scores.",
        picked.rows,
        facts,
        report.items,
    )
    if report.distances:  # more pictures follow, and the note after them
        return made
    return Section(title=made.title, body=(*made.body, *picture_note(report.items)))


def _reasons(picked: Selection, number: int) -> Facts:
    return tuple(
        (name.replace("_", " "), _written(values[number]))
        for name, values in picked.why.items()
    )


def _written(value: object) -> str:
    if isinstance(value, np.floating | float):
        return short(float(value))
    return str(value)


def _left_out(report: ActiveReport) -> list[Section]:
    if AFTER not in report.distances:
        return []
    return [left_out_section(report.distances[AFTER], report.items)]
