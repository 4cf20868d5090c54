"""The report of a neighbour graph."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index import KnnGraph
from gleann.index.arrays import Rows
from gleann.index.nouns import counted, number_of
from gleann.service.report.asked import (
    SEARCHED,
    Asked,
    Step,
    asked_section,
    next_section,
)
from gleann.service.report.examples import Example, example_grid
from gleann.service.report.items import Facts, Items
from gleann.service.report.markup import Html
from gleann.service.report.measures.graphs import (
    GraphMeasures,
    Pair,
    closest_pairs,
    measure_graph,
)
from gleann.service.report.measures.groups import count_groups
from gleann.service.report.numerals import percent, short
from gleann.service.report.page import Section, page, paragraph, side_by_side, tiles
from gleann.service.report.pages.parts import (
    EXAMPLES,
    groups_section,
    histogram_figure,
    picture_note,
)
from gleann.service.report.tables import Cell, table

PAIRS = 6
UNITS = {"l2": "squared L2", "cosine": "1 - cos", "ip": "minus the inner product"}
"""What the distance is, by metric."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GraphReport:
    """Contents of the page.

    Attributes:
        asked: the job.
        graph: the neighbours of every row.
        metric: of the index.
        items: contents of rows.
        steps: commands to go on with.
    """

    asked: Asked
    graph: KnnGraph
    metric: str
    items: Items
    steps: Sequence[Step]


def graph_page(report: GraphReport) -> str:
    """One self-contained HTML document."""
    graph = report.graph
    numbers = measure_graph(graph)
    lead = (
        f"The {number_of(graph.k, 'nearest neighbours')} of"
        f" {counted(len(graph), 'rows')} of"
        f" {report.asked.data}, in {report.asked.total:.1f} s."
    )
    sections = [
        Section(title="At a glance", body=(tiles(glance(graph, numbers)),)),
        asked_section(report.asked, distances=SEARCHED),
        _histograms(report, numbers),
        *_classes(report, numbers),
        _closest(report),
        _hubs(report, numbers),
        _isolated(report, numbers),
        next_section(report.steps),
    ]
    return page("gleann graph", lead, sections)


def glance(graph: KnnGraph, numbers: GraphMeasures) -> list[tuple[str, str]]:
    """Key figures with their labels."""
    n = len(graph)
    return [
        (percent(graph.estimated_recall), "estimated recall of the neighbours"),
        (
            f"{int(numbers.in_degree.max(initial=0)):,}",
            "rows have the most frequent neighbour; the mean is"
            f" {short(float(numbers.in_degree.mean()) if n else 0.0)}",
        ),
        (
            percent(numbers.unlisted / n if n else 0.0),
            f"of the rows are nobody's neighbour ({numbers.unlisted:,})",
        ),
        (percent(numbers.mutual), "of the edges go both ways"),
        (
            f"{numbers.components:,}",
            f"parts without an edge between them; the largest has {numbers.largest:,}"
            " rows",
        ),
    ]


def same_class(graph: KnnGraph, values: NDArray[np.generic]) -> float:
    """Share of the edges between rows of one class."""
    if not graph.k:
        return 0.0
    own = np.repeat(values, graph.k)
    return float((own == values[graph.rows]).mean())


def _histograms(report: GraphReport, numbers: GraphMeasures) -> Section:
    unit = UNITS[report.metric]
    named = {"nearest": numbers.nearest, f"neighbour {report.graph.k}": numbers.last}
    return Section(
        title="Distances and degrees",
        body=(
            side_by_side(
                [
                    histogram_figure(
                        named,
                        label=f"distance ({unit})",
                        of="rows",
                        caption="Distance of every row to its nearest and to its last"
                        " neighbour.",
                    ),
                    histogram_figure(
                        {"rows": numbers.in_degree},
                        label="rows that have it as a neighbour (in-degree)",
                        of="rows",
                        caption="A long tail to the right means hubs: few rows that are"
                        " near to many.",
                    ),
                ]
            ),
            _quantiles(report, numbers),
        ),
    )


def _quantiles(report: GraphReport, numbers: GraphMeasures) -> Html:
    marks = (0.01, 0.1, 0.5, 0.9, 0.99)
    rows: list[list[Cell]] = [
        [name, *np.quantile(values.astype(np.float64), marks).tolist()]
        for name, values in (
            ("distance to the nearest", numbers.nearest),
            (f"distance to neighbour {report.graph.k}", numbers.last),
            ("in-degree", numbers.in_degree),
        )
        if len(values)
    ]
    head = ["quantiles over rows", *(f"{100 * mark:g} %" for mark in marks)]
    return table(head, rows)


def _classes(report: GraphReport, numbers: GraphMeasures) -> list[Section]:
    classes = report.items.classes
    if classes is None:
        return []
    hubs = numbers.hubs(most=max(1, len(report.graph) // 100))
    section = groups_section(
        count_groups(classes.values, hubs), name=classes.name, chosen="hubs"
    )
    share = same_class(report.graph, classes.values)
    words = paragraph(
        f"{percent(share)} of the edges join two rows of one {classes.name}. Below, the"
        " 1 % of the rows with the highest in-degree beside all rows."
    )
    return [Section(title=f"By {classes.name}", body=(words, *section.body))]


def _closest(report: GraphReport) -> Section:
    pairs = closest_pairs(report.graph, most=PAIRS)
    rows = np.array([end for one in pairs for end in (one.row, one.other)], np.int64)
    facts = [_pair_facts(report, one, end) for one in pairs for end in (0, 1)]
    examples = _examples(report, rows, facts)
    return Section(
        title="Nearest pairs",
        body=(
            paragraph(
                "The rows with the nearest neighbours: a distance of 0 is a duplicate."
            ),
            example_grid(examples, of=len(examples)),
        ),
    )


def _pair_facts(report: GraphReport, pair: Pair, end: int) -> Facts:
    ids = report.graph.row_ids
    other = pair.row if end else pair.other
    return (("distance", short(pair.distance)), ("to", str(ids[other])))


def _hubs(report: GraphReport, numbers: GraphMeasures) -> Section:
    rows = numbers.hubs(most=EXAMPLES)
    facts: list[Facts] = [
        (("neighbour of", f"{counted(numbers.in_degree[row], 'rows')}"),)
        for row in rows.tolist()
    ]
    return Section(
        title="Hubs",
        body=(
            paragraph("The rows that are a neighbour of the most others."),
            example_grid(_examples(report, rows, facts), of=len(report.graph)),
        ),
    )


def _isolated(report: GraphReport, numbers: GraphMeasures) -> Section:
    rows = numbers.isolated(most=EXAMPLES)
    facts: list[Facts] = [
        (("nearest at", short(float(numbers.nearest[row]))),) for row in rows.tolist()
    ]
    return Section(
        title="Outliers",
        body=(
            paragraph("The rows farthest from their nearest neighbour."),
            example_grid(_examples(report, rows, facts), of=len(report.graph)),
            *picture_note(report.items),
        ),
    )


def _examples(
    report: GraphReport, rows: Rows, facts: Sequence[Facts]
) -> Sequence[Example]:
    return report.items.examples(rows, facts)
