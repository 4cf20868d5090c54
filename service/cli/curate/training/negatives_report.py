"""The page of `gleann curate negatives`."""

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex, as_vectors
from gleann.index.arrays import Vectors
from gleann.index.metric import pair_distances, prepare
from gleann.selection.curation.negatives import Negatives
from gleann.service.cli.curate.training.negatives_inputs import (
    NegativesInputs,
    NegativesJob,
)
from gleann.service.cli.reports import FileItems, command_with, in_python, sibling
from gleann.service.report.asked import Asked, Step
from gleann.service.report.pages.negatives import NegativesReport, negatives_page

MEASURED_QUERIES = 500
"""Queries whose positives are measured for the page."""


def answer_page(
    job: NegativesJob,
    given: NegativesInputs,
    found: Negatives,
    index: SoarIndex,
    items: FileItems,
    asked: Asked,
) -> str:
    """The page of mined negatives."""
    return negatives_page(
        NegativesReport(
            asked=asked,
            found=found,
            metric=index.metric,
            queries=np.asarray(given.names, object),
            query_rows=given.query_rows,
            offsets=given.offsets,
            positive_rows=given.positive_rows,
            positive_similarities=_positive_similarities(given, index),
            items=items,
            steps=_steps(job),
        )
    )


def _positive_similarities(
    given: NegativesInputs, index: SoarIndex
) -> NDArray[np.float32]:
    """Similarity (p,) of the first queries to their positives, query after query."""
    queries = _prepared(given, index)[:MEASURED_QUERIES]
    parts = [np.empty(0, np.float32)]
    for number, query in enumerate(queries):
        rows = np.sort(given.positives_of(number))
        vectors = np.ascontiguousarray(index.stored_rows[rows], np.float32)
        parts.append(-pair_distances(query[None], vectors[None], index.metric)[0])
    offset = 1.0 if index.metric == "cosine" else 0.0
    return np.concatenate(parts) + np.float32(offset)


def _prepared(given: NegativesInputs, index: SoarIndex) -> Vectors:
    if given.query_rows is not None:
        rows = given.query_rows[:MEASURED_QUERIES]
        return np.ascontiguousarray(index.stored_rows[rows], np.float32)
    assert given.request.queries is not None
    return prepare(as_vectors(given.request.queries), index.metric)


def _steps(job: NegativesJob) -> list[Step]:
    steps = []
    if job.out.suffix == ".parquet":
        read = (
            "import pyarrow.parquet as pq;"
            f" print(pq.read_table({str(job.out)!r}).group_by('query')"
            ".aggregate([('id', 'list')]))"
        )
        steps.append(
            Step(what="Read the negatives of each query:", command=in_python(read))
        )
    if job.sampling == "top":
        other = command_with(
            {
                "sampling": "random",
                "out": sibling(job.out, "random"),
                "report": sibling(job.report, "random"),
                "shortfall": sibling(job.shortfall, "random"),
            }
        )
        steps.append(
            Step(what="Draw among all that qualify, to compare with:", command=other)
        )
    return steps
