"""The caller's ids beside row numbers, in both directions."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Ids, Rows
from gleann.index.checks import as_id_array
from gleann.index.errors import UnknownIdError


class IdTable:
    """Distinct ids in row order; immutable."""

    def __init__(self, ids: Ids) -> None:
        none = "" if ids.dtype.kind == "U" else -1
        # What row -1 finds is what stands where there is no row.
        self._ids_or_none: Ids = np.concatenate([ids, np.array([none], ids.dtype)])
        self._ids_or_none.flags.writeable = False
        self.ids: Ids = self._ids_or_none[:-1]

    @cached_property
    def _order(self) -> Rows:
        return np.argsort(self.ids, kind="stable")

    def rows_of(self, ids: ArrayLike) -> Rows:
        """Rows (m,) of `ids` (m,).

        Raises:
            UnknownIdError: an id that is not in the table.
        """
        wanted = as_id_array(ids)
        if wanted.dtype.kind != self.ids.dtype.kind and wanted.size:
            kind = "strings" if self.ids.dtype.kind == "U" else "integers"
            raise UnknownIdError(
                f"id {wanted.tolist()[0]!r} is not in the index, whose ids are {kind}"
            )
        places = np.searchsorted(self.ids, wanted, sorter=self._order)
        rows = self._order[np.minimum(places, len(self.ids) - 1)]
        if (missing := np.flatnonzero(self.ids[rows] != wanted)).size:
            raise UnknownIdError(
                f"id {wanted.tolist()[missing[0]]!r} is not in the index"
                f" ({missing.size} of {len(wanted)} are not)"
            )
        return rows

    def ids_of(self, rows: Rows) -> Ids:
        """Ids of `rows`, of any shape; where a row is -1, "" among strings, else -1."""
        return self._ids_or_none[rows]
