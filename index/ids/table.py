"""The caller's ids beside row numbers, in both directions."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import HeldIds, Ids, Rows
from gleann.index.errors import UnknownIdError
from gleann.index.ids.checks import hold_id_array
from gleann.index.ids.held import IdLookup, id_at, kind_of, shown_id
from gleann.index.texts import Texts


class IdTable:
    """Distinct ids in row order; immutable.

    Attributes:
        ids: (n,) as they are held.
    """

    def __init__(self, ids: HeldIds) -> None:
        self.ids = ids
        if not isinstance(ids, Texts):
            # What row -1 finds is what stands where there is no row.
            self._ids_or_none = np.append(ids, -1)
            self._ids_or_none.flags.writeable = False
            self.ids = self._ids_or_none[:-1]

    @cached_property
    def lookup(self) -> IdLookup:
        """Finds rows by id; made when it is first asked for."""
        return IdLookup(self.ids)

    def rows_of(self, ids: ArrayLike) -> Rows:
        """Rows (m,) of `ids` (m,).

        Raises:
            InvalidInputError: not ids.
            UnknownIdError: an id that is not in the table.
        """
        wanted = hold_id_array(ids)
        if len(wanted) and kind_of(wanted) != kind_of(self.ids):
            raise UnknownIdError(
                f"id {shown_id(id_at(wanted, 0))} is not in the index, whose ids are"
                f" {kind_of(self.ids)}"
            )
        rows = self.lookup.find(wanted)
        if (missing := np.flatnonzero(rows < 0)).size:
            raise UnknownIdError(
                f"id {shown_id(id_at(wanted, missing[0]))} is not in the index"
                f" ({missing.size} of {len(wanted)} are not)"
            )
        return rows

    def ids_of(self, rows: Rows) -> Ids:
        """Ids of `rows`, of any shape; where a row is -1, "" among strings, else -1."""
        if isinstance(self.ids, Texts):
            return self.ids.texts_at(rows)
        return self._ids_or_none[rows]
