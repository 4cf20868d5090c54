"""The page of an audit."""

import numpy as np

from gleann.selection.coreset import measure
from gleann.selection.curation.audit import Audit
from gleann.service.cli import reports
from gleann.service.cli.curate.audit_inputs import AuditInputs, AuditJob
from gleann.service.report.asked import Asked, Step
from gleann.service.report.pages.audit import AuditReport, audit_page


def page_of(
    job: AuditJob,
    found: Audit,
    given: AuditInputs,
    items: reports.FileItems,
    asked: Asked,
) -> str:
    """The page, of the items of the pool.

    Args:
        job: its options.
        found: the audit.
        given: the items and the choice.
        items: contents of all items.
        asked: the job.
    """
    source, among, chosen = given.source, given.among, given.chosen
    covered = measure(source.metric_vectors(), chosen, among=among)
    nearest = np.asarray(source.ids.tolist(), object)[chosen][covered.nearest]
    within = slice(None) if among is None else among.rows
    places = chosen if among is None else among.places_of(chosen, name="chosen")
    return audit_page(
        AuditReport(
            asked=asked,
            found=found,
            chosen=places,
            distances=covered.distances[within],
            nearest=nearest[within],
            items=items.limited(among),
            steps=_steps(job, len(chosen)),
        )
    )


def _steps(job: AuditJob, size: int) -> list[Step]:
    source = reports.quoted(job.source)
    columns = [
        f"{option} {reports.quoted(value)}"
        for option, value in (
            ("--vectors-column", job.vectors_column),
            ("--id-column", job.id_column),
            ("--metric", job.metric),
        )
        if value
    ]
    words = " ".join([source, *columns])
    return [
        Step(
            what="Choose items that cover the others better:",
            command=f"gleann select farthest-first {words} --k {size} --out"
            " covering.parquet --report covering.html",
        ),
        Step(
            what="See what another seed of the random items gives:",
            command=reports.command_with(
                {
                    "seed": job.seed + 1,
                    "out": reports.sibling(job.out, "seed"),
                    "report": reports.sibling(job.report, "seed"),
                    "coverage_out": None,
                    "groups_out": None,
                    "parts_out": None,
                }
            ),
        ),
    ]
