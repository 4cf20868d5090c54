"""The page of a propagation, and what is said of items without a label."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.selection.curation.graph_labels import Propagation, PropagationRequest
from gleann.service.cli import reports
from gleann.service.cli.curate.labels.jobs import PropagateJob
from gleann.service.report.asked import Asked, Step
from gleann.service.report.items import Items
from gleann.service.report.pages.propagation import PropagationReport, propagation_page


def unlabelled_words(facts: Mapping[str, Any]) -> list[str]:
    """Why items have no label, in sentences; none where all have one."""
    lines = []
    if facts["unreached"]:
        lines.append(
            f"{facts['unreached']:,} items have none: no path of the graph, which has"
            f" {facts['pieces']:,} pieces, leads from them to a given label"
        )
    if facts["uncertain_by_rounding"]:
        lines.append(
            f"{facts['uncertain_by_rounding']:,} items have none: after"
            f" {facts['sweeps']:,} sweeps their probabilities are not known to the"
            " tolerance"
        )
    return lines


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
