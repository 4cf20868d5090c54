"""The report of mined hard negatives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows
from gleann.index.nouns import counted, verb
from gleann.selection.curation.negatives import Negatives
from gleann.service.report.asked import Asked, Step, asked_section, next_section
from gleann.service.report.charts import Series, line_chart
from gleann.service.report.examples import Example, example_grid
from gleann.service.report.items import Facts, Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.distances import POINTS, shares_within
from gleann.service.report.numerals import percent, short
from gleann.service.report.page import (
    Section,
    figure,
    note,
    page,
    paragraph,
    side_by_side,
    tiles,
)
from gleann.service.report.pages.parts import histogram_figure, picture_note
from gleann.service.report.scales import Axis, axis_over
from gleann.service.report.tables import Cell, table

SHOWN_QUERIES = 6
SHOWN_POSITIVES = 2
SHOWN_NEGATIVES = 5
"""Queries that are shown, and rows of each."""

SIMILARITIES = {
    "cosine": "cosine",
    "ip": "inner product",
    "l2": "minus the squared L2 distance",
}
"""What the similarity is, by metric."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NegativesReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        found: the negatives of m queries.
        metric: of the index.
        queries: (m,) what the queries are called.
        query_rows: int64 (m,), the row of each; None where they are vectors only.
        offsets: int64 (m + 1,), where in `positive_rows` those of each query begin.
        positive_rows: int64 (p,).
        positive_similarities: float32 (q,), of some queries to their positives.
        items: contents of rows.
        steps: commands to go on with.
    """

    asked: Asked
    found: Negatives
    metric: str
    queries: Ids
    query_rows: Rows | None
    offsets: Rows
    positive_rows: Rows
    positive_similarities: NDArray[np.float32]
    items: Items
    steps: Sequence[Step]


def negatives_page(report: NegativesReport) -> str:
    """One self-contained HTML document."""
    found = report.found
    lead = (
        f"{int(found.summary['negatives']):,} hard negatives of"
        f" {counted(len(found), 'queries')}"
        f" from {report.asked.data}, in {report.asked.total:.1f} s."
    )
    sections = [
        Section(
            title="At a glance",
            body=(tiles(glance(report)), *map(note, caveats(report))),
        ),
        asked_section(report.asked),
        _similarities(report),
        *_missing(report),
        _shown(report),
        next_section(report.steps),
    ]
    return page("gleann curate negatives", lead, sections)


def glance(report: NegativesReport) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    found = report.found
    shown = [
        (f"{int(found.summary['negatives']):,}", "negatives"),
        (
            f"{int(found.summary['short_queries']):,}",
            f"of {counted(len(found), 'queries')} have too few",
        ),
    ]
    unit = SIMILARITIES[report.metric]
    if (found.rows >= 0).any():
        middle = float(np.nanmedian(found.similarities))
        shown.append((short(middle), f"median {unit} of a negative to its query"))
    if len(report.positive_similarities):
        middle = float(np.median(report.positive_similarities))
        shown.append((short(middle), f"median {unit} of a positive"))
    if (share := same_class(report)) is not None:
        shown.append((percent(share), "of the negatives have the class of their query"))
    return shown


def same_class(report: NegativesReport) -> float | None:
    """Share of the negatives in the class of their query; None where unknown."""
    classes = report.items.classes
    query, rank = np.nonzero(report.found.rows >= 0)
    if classes is None or report.query_rows is None or not len(query):
        return None
    own = classes.values[report.query_rows[query]]
    return float((own == classes.values[report.found.rows[query, rank]]).mean())


def caveats(report: NegativesReport) -> list[str]:
    """What a reader must not miss, in sentences."""
    words = []
    missing = int(report.found.summary["shortfall"])
    if missing:
        words.append(
            f"{counted(missing, 'negatives')} {verb(missing, 'is', 'are')} missing, as"
            " no further item qualifies: the"
            " table has fewer lines for these queries, and no others instead."
        )
    if same_class(report):
        words.append(
            "A negative of the class of its query may be a positive that nobody listed:"
            " look at some below, or raise the margin."
        )
    words.append(
        "Measure what hard negatives are worth on your data: in some domains they have"
        " helped no more than random ones."
    )
    return words


def _similarities(report: NegativesReport) -> Section:
    """Cumulative shares: there are many more positives than negatives, or fewer."""
    found = report.found
    named = {
        "negatives": found.similarities[found.rows >= 0],
        "positives": report.positive_similarities,
    }
    named = {name: values for name, values in named.items() if len(values)}
    if not named:
        return Section(title="How hard they are", body=(paragraph("There is none."),))
    values = np.concatenate(list(named.values())).astype(np.float64)
    grid = np.linspace(values.min(), values.max(), POINTS)
    series = [
        Series(
            name=name,
            x=grid.tolist(),
            y=shares_within(known, grid).tolist(),
            marked=False,
        )
        for name, known in named.items()
    ]
    chart = line_chart(
        series,
        x=axis_over(
            f"similarity to the query ({SIMILARITIES[report.metric]})", grid.tolist()
        ),
        y=Axis(label="share at most as similar", low=0.0, high=1.0, write=percent),
    )
    caption = (
        "The nearer the curve of the negatives is to that of the positives, or right of"
        " it, the harder they are; beyond all positives they may be wrong."
    )
    return Section(title="How hard they are", body=(figure(chart, caption=caption),))


def _missing(report: NegativesReport) -> list[Section]:
    """How many queries lack how many negatives, where some do."""
    shortfall = report.found.shortfall
    if not shortfall.any():
        return []
    counts = np.bincount(shortfall)
    most = np.argsort(-shortfall, kind="stable")[:SHOWN_QUERIES]
    rows: list[list[Cell]] = [
        [str(report.queries[query]), int(shortfall[query])]
        for query in most[shortfall[most] > 0].tolist()
    ]
    full = int(counts[0])
    figures: list[Html] = [
        histogram_figure(
            {"queries": shortfall},
            label="missing negatives",
            of="queries",
            caption=f"{counted(full, 'queries')} {verb(full, 'has', 'have')} as many as"
            " were asked for.",
        ),
        table(["query", "missing"], rows, caption="Queries that lack the most"),
    ]
    return [Section(title="Shortfall", body=(side_by_side(figures),))]


def _shown(report: NegativesReport) -> Section:
    """Some queries, with their positives and their negatives."""
    body: list[Html] = [
        paragraph("A query, items that answer it, and its hardest negatives.")
    ]
    for query in range(min(SHOWN_QUERIES, len(report.queries))):
        cards = [*_query_card(report, query), *_cards(report, query)]
        body.append(example_grid(cards, of=len(cards)))
    return Section(
        title="Queries and negatives", body=(*body, *picture_note(report.items))
    )


def _query_card(report: NegativesReport, query: int) -> list[Example]:
    facts: Facts = (("a", "query"),)
    if report.query_rows is None:
        return [Example(id=f"query {report.queries[query]}", facts=facts)]
    return report.items.examples(report.query_rows[query : query + 1], [facts])


def _cards(report: NegativesReport, query: int) -> list[Example]:
    positives = report.positive_rows[report.offsets[query] : report.offsets[query + 1]]
    some = positives[:SHOWN_POSITIVES]
    known: list[Facts] = [(("a", "positive"),)] * len(some)
    rows = report.found.rows[query]
    there = np.flatnonzero(rows >= 0)[:SHOWN_NEGATIVES]
    facts: list[Facts] = [
        (("negative, similarity", short(float(one))),)
        for one in report.found.similarities[query, there].tolist()
    ]
    return [
        *report.items.examples(some, known),
        *report.items.examples(rows[there], facts),
    ]
