"""The estimates of several groups as one value."""

from typing import Any

import numpy as np

from gleann.index.tables.tabular import Table, Tabular, split_record
from gleann.selection.estimate.result import Estimate


class GroupEstimates(dict[str, Estimate], Tabular):
    """An estimate per group, by its name; a table of one line per group."""

    __slots__ = ()

    def table(self) -> Table:
        """The column "group", and those of `Estimate.table`."""
        split = {name: split_record(estimate) for name, estimate in self.items()}
        columns: dict[str, list[Any]] = {}
        for cells, _ in split.values():
            for column, value in cells.items():
                columns.setdefault(column, []).append(value)
        lines = {name: np.array(values) for name, values in columns.items()}
        return Table(
            columns={"group": np.array(list(self), np.str_), **lines},
            facts={"groups": {name: facts for name, (_, facts) in split.items()}},
        )
