"""The page of an allocation."""

import numpy as np
from numpy.typing import NDArray

from gleann.selection.curation.graph_labels import Allocation
from gleann.service.cli import reports
from gleann.service.cli.curate.labels.jobs import AllocateJob
from gleann.service.report.asked import Asked, Step
from gleann.service.report.items import Items
from gleann.service.report.pages.allocation import (
    AllocationReport,
    ClassCount,
    allocation_page,
)


def likeliest_of(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The number (n,) of the likeliest class of each item; -1 where all are 0."""
    return np.where(probabilities.any(axis=1), probabilities.argmax(axis=1), -1)


def page_of(  # noqa: PLR0913 (the contents of a page)
    job: AllocateJob,
    found: Allocation,
    counts: list[ClassCount],
    likeliest: NDArray[np.int64],
    items: Items,
    asked: Asked,
    *,
    without_evidence: int,
) -> str:
    """The page; `items` are all of them."""
    return allocation_page(
        AllocationReport(
            asked=asked,
            found=found,
            counts=counts,
            likeliest=likeliest,
            without_evidence=without_evidence,
            items=items,
            steps=_steps(job),
        )
    )


def _steps(job: AllocateJob) -> list[Step]:
    half = {
        "share": job.share / 2,
        "out": reports.sibling(job.out, "half"),
        "report": reports.sibling(job.report, "half"),
    }
    steps = [
        Step(
            what="Label half as many items, the surest ones:",
            command=reports.command_with(half),
        )
    ]
    if job.out.suffix in (".parquet", ".pq"):
        read = f"import pyarrow.parquet as pq; print(pq.read_table({str(job.out)!r}))"
        steps.insert(
            0,
            Step(
                what="Read the labels, with their weights for training:",
                command=reports.in_python(read),
            ),
        )
    return steps
