"""The page of a propagation."""

import numpy as np
from numpy.typing import NDArray

from gleann.selection.curation.graph_labels import Propagation, PropagationRequest
from gleann.service.cli import reports
from gleann.service.cli.curate.labels.jobs import PropagateJob
from gleann.service.cli.curate.labels.unlabelled import unlabelled_words
from gleann.service.report.asked import Asked, Step
from gleann.service.report.items import Items
from gleann.service.report.pages.propagation import PropagationReport, propagation_page


def page_of(
    job: PropagateJob,
    found: Propagation,
    request: PropagationRequest,
    items: Items,
    asked: Asked,
) -> str:
    """The page; `items` are those of the graph."""
    return propagation_page(
        PropagationReport(
            asked=asked,
            found=found,
            given=_given(found, request),
            caveats=unlabelled_words(found.summary),
            items=items,
            steps=_steps(job),
        )
    )


def _given(found: Propagation, request: PropagationRequest) -> NDArray[np.object_]:
    """The given label (n,) of each item, the likeliest of a soft one; None for none."""
    if request.labels is not None:
        listed = np.asarray(request.labels).tolist()
    else:
        likeliest = np.asarray(request.probabilities).argmax(axis=1)
        listed = [found.classes[number] for number in likeliest.tolist()]
    by_id = dict(zip(np.asarray(request.ids).tolist(), listed, strict=True))
    ids = found.ids.tolist()
    given = np.full(len(found), None, object)
    for place in np.flatnonzero(found.given).tolist():
        given[place] = by_id[ids[place]]
    return given


def _steps(job: PropagateJob) -> list[Step]:
    read = f"import pyarrow.parquet as pq; print(pq.read_table({str(job.out)!r}))"
    source, out = reports.quoted(job.source), job.out
    steps = []
    if out.suffix in (".parquet", ".pq"):
        steps.append(
            Step(what="Read the labels:", command=reports.in_python(read)),
        )
    if job.uncertain_out is None:
        more = {
            "uncertain_out": reports.sibling(out.with_suffix(".csv"), "next"),
            "out": reports.sibling(out, "again"),
            "report": reports.sibling(job.report, "again"),
            "probabilities_out": None,
        }
        steps.append(
            Step(
                what="Write the items to label next; with their labels added, spread"
                " again:",
                command=reports.command_with(more),
            )
        )
    steps.append(
        Step(
            what="Train a classifier instead, and let it choose the next labels (they"
            " must be integers):",
            command=f"gleann select active {source} --labels labels.csv --state"
            " session.json --out batch.parquet",
        )
    )
    return steps
