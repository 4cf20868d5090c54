"""The page of `gleann curate acceptance`."""

from gleann.index.arrays import Rows
from gleann.selection.promises import AcceptanceBound
from gleann.service.cli.reports import FileItems, in_python
from gleann.service.report.asked import Asked, Step
from gleann.service.report.pages.acceptance import AcceptanceReport, acceptance_page

MOST_SHOWN = 12
"""Failed items on the page."""


def acceptance_report(
    bound: AcceptanceBound, failed: Rows, items: FileItems, asked: Asked
) -> str:
    """The page of a bound; `failed` (m,) are the rows that were found to fail."""
    examples = items.examples(failed[:MOST_SHOWN], ())
    load = f"import json; print(json.load(open({asked.output!r})))"
    return acceptance_page(
        AcceptanceReport(
            asked=asked,
            bound=bound,
            failed=examples,
            classes=items.classes,
            failed_rows=failed,
            picture_note=items.note(),
            steps=[Step(what="Read the bound in Python:", command=in_python(load))],
        )
    )
