"""Inverted lists in CSR form: each list holds its primaries, then its spilled rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Mask
from gleann.index.heartbeat import beat
from gleann.index.parallel.blocks import block_slices

BLOCK_ROWS = 1 << 20
"""Rows put into lists at once: enough to make the counting of lists cheap."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InvertedLists:
    """The inverted lists: rows of each list, primary and spilled.

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
        secondary: (n,) second list of each row, -1 if it is not spilled.
        nlist: number of lists.
    """
    primaries = np.bincount(primary, minlength=nlist)
    spilled = np.bincount(secondary[secondary >= 0], minlength=nlist)
    offsets = np.concatenate([[0], np.cumsum(primaries + spilled)]).astype(np.int64)
    mids = offsets[:-1] + primaries
    lists = InvertedLists(
        offsets=offsets,
        mids=mids,
        rows=np.empty(offsets[-1], np.int32),
        others=np.empty(offsets[-1], np.int32),
    )
    _fill(lists, primary, secondary, offsets[:-1])
    _fill(lists, secondary, primary, mids)
    return lists


def assignment(lists: InvertedLists, *, n: int) -> tuple[ListNos, ListNos]:
    """First and second list of each of n rows, -1 where not spilled; as `invert` got.

    Returns:
        int32 (n,) and int32 (n,).
    """
    list_nos = np.arange(lists.nlist, dtype=np.int32)
    starts, ends = lists.offsets[:-1], lists.offsets[1:]
    primary, secondary = np.empty(n, np.int32), np.full(n, -1, np.int32)
    of_entry = np.repeat(list_nos, ends - starts)
    place = np.arange(lists.entries) - np.repeat(lists.mids, ends - starts)
    is_primary = place < 0
    primary[lists.rows[is_primary]] = of_entry[is_primary]
    secondary[lists.rows[~is_primary]] = of_entry[~is_primary]
    return primary, secondary


def lists_among(lists: InvertedLists, mask: Mask) -> InvertedLists:
    """The same lists with the entries of the rows of `mask` (n,) only."""
    kept = np.flatnonzero(mask[lists.rows])  # ascending, and so searched for borders
    return InvertedLists(
        offsets=np.searchsorted(kept, lists.offsets),
        mids=np.searchsorted(kept, lists.mids),
        rows=lists.rows[kept],
        others=lists.others[kept],
    )


def primary_lists(
    lists: InvertedLists, mask: Mask | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The primary entries alone, of the rows of `mask` (n,); None for all rows.

    Returns:
        offsets int64 (nlist + 1), and the rows of list j at `offsets[j]:offsets[j + 1]`
        of the second.
    """
    list_nos = np.repeat(np.arange(lists.nlist), np.diff(lists.offsets))
    kept = np.arange(lists.entries) < lists.mids[list_nos]
    if mask is not None:
        kept &= mask[lists.rows]
    counts = np.bincount(list_nos[kept], minlength=lists.nlist)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return offsets, lists.rows[kept]


def one_list(n: int) -> InvertedLists:
    """All of n rows in one list, each once."""
    return invert(np.zeros(n, np.int32), np.full(n, -1, np.int32), nlist=1)


def _fill(
    lists: InvertedLists, list_nos: ListNos, others: ListNos, starts: NDArray[np.int64]
) -> None:
    """Put each row into its list from `starts` (nlist) on, in ascending rows.

    In blocks, by counting: sorting all entries at once takes ten times their memory.
    """
    following = starts.copy()
    for block in block_slices(len(list_nos), BLOCK_ROWS):
        beat()
        rows = np.flatnonzero(list_nos[block] >= 0)
        rows = rows[np.argsort(list_nos[block][rows], kind="stable")] + block.start
        into = list_nos[rows]
        counts = np.bincount(into, minlength=lists.nlist)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        place += following[into]
        lists.rows[place] = rows
        lists.others[place] = others[rows]
        following += counts
