"""The page of near-duplicates."""

from pathlib import Path

from gleann.selection.curation.duplicates import Duplicates
from gleann.service.cli.reports import FileItems, in_python, quoted
from gleann.service.report.asked import Asked, Step
from gleann.service.report.pages.duplicates import DuplicatesReport, duplicates_page

READERS = {
    ".parquet": "pyarrow.parquet.read_table",
    ".pq": "pyarrow.parquet.read_table",
    ".csv": "pyarrow.csv.read_csv",
}
"""How Arrow reads an output, by its suffix."""


def page_of(
    found: Duplicates, items: FileItems, asked: Asked, *, state: Path | None
) -> str:
    """The page of an answer.

    Args:
        found: the answer.
        items: contents of rows.
        asked: the job.
        state: the file from which the answer for a smaller radius comes, or None.
    """
    steps = []
    if reader := READERS.get(Path(asked.output).suffix.lower()):
        module = reader.rpartition(".")[0]
        kept = (
            f"import {module}; t = {reader}({asked.output!r});"
            " print(t.filter(t['kept']))"
        )
        steps.append(Step(what="Read the rows that stay:", command=in_python(kept)))
    if state is not None:
        steps.append(
            Step(
                what="Answer for a smaller radius, without another search:",
                command=f"gleann curate rethreshold {quoted(state)} --radius"
                f" {found.radius / 2:.4g} --out fewer.parquet",
            )
        )
    return duplicates_page(
        DuplicatesReport(asked=asked, found=found, items=items, steps=steps)
    )
