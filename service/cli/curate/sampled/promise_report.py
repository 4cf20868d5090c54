"""The page of `gleann curate promise`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.among import Among
from gleann.selection.promises import PromisedSet
from gleann.service.cli.options import ReportOptions
from gleann.service.cli.reports import FileItems, command_with, in_python, sibling
from gleann.service.report.asked import Asked, Step
from gleann.service.report.examples import ExampleSet
from gleann.service.report.pages.promise import PromiseReport, promise_page

MOST_SHOWN = 8
"""Items of each kind on the page."""


def promise_report(
    job: ReportOptions,
    made: PromisedSet,
    proxy: NDArray[np.float64],
    among: Among | None,
    items: FileItems,
    asked: Asked,
) -> str:
    """The page of a promised set over rows with these proxies (n,).

    Args:
        job: its options.
        made: the set.
        proxy: (n,) of all rows.
        among: the rows that the promise is about; None for all.
        items: contents of all rows.
        asked: the job.
    """
    population = np.arange(len(proxy)) if among is None else among.rows
    return promise_page(
        PromiseReport(
            asked=asked,
            made=made,
            proxy=proxy[population],
            labelled_proxy=proxy[made.labelled_rows],
            shown=_shown(made, proxy, population, items),
            classes=items.limited(among).classes,
            kept_rows=np.searchsorted(population, made.rows),
            picture_note=items.note(),
            steps=_steps(job, made, asked),
        )
    )


def _shown(
    made: PromisedSet, proxy: NDArray[np.float64], population: Rows, items: FileItems
) -> list[ExampleSet]:
    """Items on both sides of the threshold, and the labels that the proxy misses."""
    by_proxy = population[np.argsort(-proxy[population], kind="stable")]
    inside = np.isin(by_proxy, made.rows)
    positives, negatives = (
        made.labelled_rows[made.labels == kind] for kind in (True, False)
    )
    kinds = {
        "In the set, those with the lowest proxy": by_proxy[inside][::-1],
        "Left out, those with the highest proxy": by_proxy[~inside],
        "Labelled positive, those with the lowest proxy": _ordered(positives, proxy),
        "Labelled negative, those with the highest proxy": _ordered(negatives, -proxy),
    }
    return [
        ExampleSet(
            title=title,
            examples=items.examples(
                rows[:MOST_SHOWN],
                [(("proxy", f"{proxy[row]:.4g}"),) for row in rows[:MOST_SHOWN]],
            ),
            count=len(rows),
        )
        for title, rows in kinds.items()
    ]


def _ordered(rows: Rows, key: NDArray[np.float64]) -> Rows:
    return rows[np.argsort(key[rows], kind="stable")]


def _steps(job: ReportOptions, made: PromisedSet, asked: Asked) -> list[Step]:
    out = asked.output
    load = f"import pyarrow.parquet as pq; print(pq.read_table({out!r}))"
    if not out.endswith((".parquet", ".pq")):
        load = f"print(open({out!r}).read()[:500])"
    steps = [Step(what="Read the set in Python:", command=in_python(load))]
    budget = min(4 * len(made.labels), made.out_of)
    if budget == len(made.labels):
        return steps
    again = command_with(
        {
            "budget": budget,
            "out": sibling(Path(out), "more"),
            "report": sibling(job.report, "more"),
            "state": None,  # of a session with another budget
            "resume": None,
        }
    )
    better = "smaller" if made.promise == "recall" else "larger"
    words = (
        f"More labels make the set {better}. Another budget draws another sample:"
        " answers that are in the file already are used where these items are drawn"
        " again. Each set keeps its promise by itself, the better one of several does"
        " not:"
    )
    return [*steps, Step(what=words, command=again)]
