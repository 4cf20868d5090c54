"""Results of the library as columns of output files."""

from pathlib import Path

from gleann.index.tables.tabular import Tabular, without_lists
from gleann.service.cli.files.outputs import Values


def columns_of(found: Tabular, path: Path) -> dict[str, Values]:
    """The columns of a result for `path`: lists are JSON in csv files."""
    table = found.to_arrow()
    if path.suffix.lower() == ".csv":
        table = without_lists(table)
    return dict(zip(table.column_names, table.columns, strict=True))
