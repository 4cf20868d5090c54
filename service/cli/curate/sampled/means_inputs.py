"""What `gleann curate means` reads: the items, their columns, and the answers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import HeldIds, Ids, Mask
from gleann.index.errors import InvalidInputError
from gleann.index.lists import assignment
from gleann.selection.checks import IdMap
from gleann.selection.estimate.means import Statistic
from gleann.service.cli.files import columns, inputs
from gleann.service.cli.files.answers import LabelsNeeded, has_content
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.item_table import column_names
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.tables import Table, read_table

LIST_GROUP = "inverted list"
"""Name of the groups that an index gives."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What is known of every item.

    Attributes:
        names: ids of all items.
        controls: columns (n,) of numbers by name.
        groups: columns (n,) of integers or words by name.
        index: that has the items, or None.
    """

    names: IdMap
    controls: dict[str, NDArray[np.float64]]
    groups: dict[str, NDArray[np.generic]]
    index: SoarIndex | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueAnswers:
    """Answers so far.

    Attributes:
        names: ids of all items, and their rows.
        known: bool (n,), rows with an answer.
        values: float64 (n, J), a column a statistic; NaN where unknown.
    """

    names: IdMap
    known: Mask
    values: NDArray[np.float64]

    def ask(self, ids: Ids) -> NDArray[np.float64]:
        """Values (m, J) of `ids` (m,).

        Raises:
            LabelsNeeded: naming the ids without an answer.
        """
        rows = self.names.rows_of(ids)
        if not (there := self.known[rows]).all():
            raise LabelsNeeded(ids[~there])
        return self.values[rows]

    def among(self, ids: Ids) -> Ids:
        """Those of `ids` (m,) that have an answer."""
        return ids[self.known[self.names.rows_of(ids)]]


def read_known(
    items: Path | None,
    index: Path | None,
    *,
    controls: tuple[str, ...],
    groups: tuple[str, ...],
    record: JobRecord,
) -> Known:
    """Read the columns of the items, and the lists of an index.

    Args:
        items: table with the columns; its column `id` names the items.
        index: whose ids are the items then, or None.
        controls: columns of numbers.
        groups: columns of groups.
        record: of the job.

    Raises:
        InvalidInputError: neither items nor index, or columns without items.
    """
    loaded = None
    if index is not None:
        # Nothing is searched, and this engine has nothing to prepare.
        loaded = SoarIndex.load(index, engine="reference")
        record.add_index(index, loaded.data_hash)
    ids = _own_ids(items) if loaded is None else loaded.held_ids
    names = IdMap(ids, n=len(ids))
    lists: dict[str, NDArray[np.generic]] = {}
    if loaded is not None:
        lists[LIST_GROUP] = assignment(loaded.data.lists, n=len(loaded))[0]
    if items is None:
        if controls or groups:
            raise InvalidInputError(
                "--control, --group and --stratify-by are columns of --items: give that"
                " too"
            )
        return Known(names=names, controls={}, groups=lists, index=loaded)
    record.add_file(items)
    own = items if loaded is None else None
    found: dict[str, NDArray[np.generic]] = {
        name: inputs.read_groups(f"{items}:{name}", names, own=own) for name in groups
    }
    numbers = {
        name: inputs.read_scores(items, names, name=name, own=own)
        for name in dict.fromkeys(controls)
    }
    return Known(names=names, controls=numbers, groups=found | lists, index=loaded)


def _own_ids(items: Path | None) -> HeldIds:
    """Ids of the rows of a table, or their numbers."""
    if items is None:
        raise InvalidInputError("give --items or --index, which have the items")
    named = column_names(items)
    if ID_COLUMN in named:
        return inputs.read_own_ids(items)
    return np.arange(len(read_table(items, columns=named[:1])))


def read_values(
    path: Path, names: IdMap, statistics: tuple[Statistic, ...]
) -> ValueAnswers:
    """Read a table with the column id and one a statistic.

    A share has 0 or 1, yes or no; a mean numbers; an avg numbers, and empty cells for
    items that have none. A missing or empty file has no answers yet.

    Raises:
        InvalidInputError: a column is missing, or a cell is none of these.
        UnknownIdError: an id of no item.
        DuplicateIdError: a repeated id.
    """
    known = np.zeros(len(names), np.bool_)
    values = np.full((len(names), len(statistics)), np.nan)
    if has_content(path):
        wanted = (ID_COLUMN, *(one.name for one in statistics))
        table = read_table(path, columns=wanted)
        rows = columns.rows_in(table, ID_COLUMN, names)
        known[rows] = True
        for place, one in enumerate(statistics):
            values[rows, place] = _cells(table, one)
    return ValueAnswers(names=names, known=known, values=values)


def _cells(table: Table, statistic: Statistic) -> NDArray[np.float64]:
    if statistic.kind == "share":
        return columns.flags(table, statistic.name).astype(np.float64)
    if statistic.kind == "mean":
        return columns.numbers(table, statistic.name)
    return columns.numbers_or_nan(table, statistic.name)
