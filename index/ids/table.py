"""The table from ids to row numbers and back."""

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import HeldIds, Ids, Rows
from gleann.index.errors import UnknownIdError
from gleann.index.ids.checks import hold_id_array
from gleann.index.ids.held import IdLookup, id_at, kind_of, shown_id, to_numpy
from gleann.index.texts import Texts

AT_MOST = 10
"""Ids that one message lists."""


class IdTable:
    """Distinct ids in row order, and rows by id; immutable.

    Args:
        held: the ids (n,), in their stored form.
        where: name of the table in messages.
    """

    def __init__(self, held: HeldIds, *, where: str = "the index") -> None:
        self.held = held
        self._where = where
        if not isinstance(held, Texts):
            # Row -1, which stands for "no row", finds the last entry.
            self._ids_or_none = np.append(held, -1)
            self._ids_or_none.flags.writeable = False
            self.held = self._ids_or_none[:-1]

    def __len__(self) -> int:
        return len(self.held)

    @property
    def ids(self) -> Ids:
        """All ids (n,); strings as wide as the longest."""
        return to_numpy(self.held)

    @cached_property
    def lookup(self) -> IdLookup:
        """Finds rows by id; made at the first use."""
        return IdLookup(self.held)

    def rows_of(self, ids: ArrayLike) -> Rows:
        """Rows (m,) of `ids` (m,).

        Raises:
            InvalidInputError: not ids.
            UnknownIdError: an id that is not in the table.
        """
        wanted = hold_id_array(ids)
        if len(wanted) and kind_of(wanted) != kind_of(self.held):
            raise UnknownIdError(
                f"no id {shown_id(id_at(wanted, 0))} in {self._where}, whose ids are"
                f" {kind_of(self.held)}"
            )
        return require_found(self.lookup.find(wanted), wanted, where=self._where)

    def ids_of(self, rows: Rows) -> Ids:
        """Ids of `rows`, of any shape; where a row is -1, "" among strings, else -1."""
        if isinstance(self.held, Texts):
            return self.held.texts_at(rows)
        return self._ids_or_none[rows]


def require_found(rows: Rows, ids: HeldIds, *, where: str) -> Rows:
    """Return `rows` (m,), the result of a look-up of `ids` (m,).

    Raises:
        UnknownIdError: a row is -1; the message lists the first ids without a row.
    """
    missing = np.flatnonzero(rows < 0)
    if missing.size:
        listed = [shown_id(id_at(ids, place)) for place in missing[:AT_MOST]]
        more = ", ..." if missing.size > AT_MOST else ""
        raise UnknownIdError(
            f"no id {', '.join(listed)}{more} in {where}"
            f" ({missing.size} of {len(ids)} are not there)"
        )
    return rows
