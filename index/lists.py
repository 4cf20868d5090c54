"""Inverted lists in CSR form: each list holds its primaries, then its spilled rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InvertedLists:
    """Which rows lie in which list.

    List j holds entries `offsets[j]:offsets[j + 1]`, of which those before `mids[j]`
    are primary and the rest spilled; both parts ascend by row.

    Attributes:
        offsets: int64 (nlist + 1).
        mids: int64 (nlist).
        rows: int32 (entries), the row of each entry.
        others: int32 (entries), the other list that holds the same row, -1 if none.
    """

    offsets: NDArray[np.int64]
    mids: NDArray[np.int64]
    rows: NDArray[np.int32]
    others: NDArray[np.int32]

    @property
    def nlist(self) -> int:
        """Number of lists."""
        return len(self.mids)

    @property
    def entries(self) -> int:
        """Stored entries, spilled copies included."""
        return len(self.rows)


def invert(primary: ListNos, secondary: ListNos, *, nlist: int) -> InvertedLists:
    """Turn two assignments into lists.

    Args:
        primary: (n,) list of each row.
        secondary: (n,) second list of each row, -1 where it is not spilled.
        nlist: number of lists.
    """
    spilled = np.flatnonzero(secondary >= 0)
    rows = np.concatenate([np.arange(len(primary)), spilled])
    list_nos = np.concatenate([primary, secondary[spilled]])
    others = np.concatenate([secondary, primary[spilled]])
    is_spilled = np.arange(len(rows)) >= len(primary)
    # Keys come in ascending rows within each part, so a stable sort keeps that order.
    order = np.argsort(2 * list_nos.astype(np.int64) + is_spilled, kind="stable")
    sizes = np.bincount(list_nos, minlength=nlist)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    mids = offsets[:-1] + np.bincount(primary, minlength=nlist)
    return InvertedLists(
        offsets=offsets,
        mids=mids.astype(np.int64),
        rows=rows[order].astype(np.int32),
        others=others[order].astype(np.int32),
    )
