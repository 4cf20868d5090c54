"""The rows that a filter allows: counted once, and packed when that pays.

A filter is kept by callers that ask again. The first searches scan the lists of the
index and test each entry; once they have read so much more than the allowed entries
that packing those would have paid, the allowed entries of every list are packed
(*sub-lists*), and searches read nothing else. Few allowed rows are packed at once, in
one run. Neither changes an answer: the same codes of the same entries are compared.
"""

from threading import Lock

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Distances, ListNos, Mask, Rows, Vectors
from gleann.index.checks import as_mask
from gleann.index.engines.contract import (
    Engine,
    IndexData,
    ListChoice,
    ScansSubsets,
)
from gleann.index.errors import InvalidInputError
from gleann.index.exact import GATHERED, exact_search_prepared
from gleann.index.lists import InvertedLists, lists_among
from gleann.index.params import RowFilter
from gleann.index.search.list_stats import FEW_SHARE, ListStats

RUN = 1024
"""Entries in a list of few allowed rows: one that is read by many queries at once."""

PACKED_ENTRY = 64
"""Entries that each query of a batch scans in the time that one takes to be packed,
less what a filter that is asked again at all is likely to be asked still."""

ALONE = 8
"""Entries of a batch that are scanned in the time of one of a single query, whose codes
nobody else reads."""

TOGETHER = 8
"""Queries from which on they share the codes that they read."""

PACKED_SHARE = 0.6
"""Sub-lists hold at most this share of the entries of the index."""

BY_ROW = 0.25
"""Share of allowed rows below which lists are counted row by row."""

BLOCK = 16
"""Entries that the kernels pack side by side."""

_BESIDE = 16
"""Bytes of an entry beside its code: row, other list, scale and bias."""


class AllowedRows(RowFilter):
    """Rows of one index that searches may return; make it with `SoarIndex.allow`.

    Any number of threads may search with one. It holds the rows or the mask, whichever
    searches need, counts of lists, and packed codes (`nbytes`).

    Attributes:
        count: rows allowed.
    """

    def __init__(
        self,
        stats: ListStats,
        *,
        mask: Mask | None = None,
        rows: NDArray[np.int32] | None = None,
    ) -> None:
        """Of a mask (n,) or of ascending rows, neither to be changed any more."""
        self._stats = stats
        self._mask = mask
        self._rows = rows
        if rows is not None:
            self.count = len(rows)
        else:
            assert mask is not None
            self.count = int(np.count_nonzero(mask))
        self._expected: NDArray[np.float64] | None = None
        self._entries: NDArray[np.int64] | None = None
        self._choice: ListChoice | None = None
        self._asked = False
        self._in_vain = 0
        self._runs: dict[Engine, Engine] = {}
        self._sub_lists: dict[Engine, Engine] = {}
        self._packed_bytes = 0
        self._guard = Lock()

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        return f"AllowedRows({self.count:,} of {self._stats.n:,} rows)"

    @property
    def share(self) -> float:
        """Share of the rows of the index that are allowed."""
        return self.count / self._stats.n

    @property
    def stats(self) -> ListStats:
        """Of the lists of the index."""
        return self._stats

    @property
    def nbytes(self) -> int:
        """Bytes held, packed codes included."""
        held = self._packed_bytes
        for array in (self._mask, self._rows, self._expected, self._entries):
            if array is not None:
                held += array.nbytes
        return held

    @property
    def rows(self) -> NDArray[np.int32]:
        """The allowed rows (count,), ascending."""
        mask = self._mask  # first: whoever drops it has kept the rows before
        rows = self._rows
        if rows is None:
            assert mask is not None
            self._rows = rows = np.flatnonzero(mask).astype(np.int32)
            if self.share < FEW_SHARE:
                self._mask = None  # larger than the rows, and hardly needed
        return rows

    @property
    def mask(self) -> Mask:
        """True (n,) for each allowed row."""
        mask = self._mask
        if mask is None:
            assert self._rows is not None
            mask = np.zeros(self._stats.n, np.bool_)
            mask[self._rows] = True
            self._mask = mask
        return mask

    @property
    def entries(self) -> NDArray[np.int64]:
        """Allowed entries (nlist) of each list."""
        if self._entries is None:
            self._entries = (
                self._stats.counted_rows(self.rows)
                if self.share < BY_ROW
                else self._stats.counted(self.mask)
            )
        return self._entries

    @property
    def known_entries(self) -> NDArray[np.int64] | None:
        """`entries`, if they were counted already."""
        return self._entries

    def choice(self, nprobe: int) -> ListChoice | None:
        """The choice that was kept last, if it is of `nprobe` and as good as a new one.

        A new one leaves out lists without allowed entries as soon as they are known.
        """
        kept = self._choice
        if kept is None or kept.nprobe != nprobe or kept.entries is not self._entries:
            return None
        return kept

    def keep_choice(self, choice: ListChoice) -> None:
        """Keep how queries choose lists under this filter."""
        self._choice = choice

    def expected_in(self, list_nos: ListNos) -> NDArray[np.float64]:
        """The allowed entries of lists (nq, p) as `expected` has them.

        A first question about few lists looks at those only.
        """
        if self.is_new(list_nos.size):
            self._asked = True
            sampled = self.mask[self._stats.sampled(self.share)[list_nos]]
            return self._stats.sizes[list_nos] * _means(sampled)
        return self.expected[list_nos]

    def is_new(self, lists: int) -> bool:
        """Whether a first question about so many lists needs no `expected`."""
        few = lists < self._stats.lists.nlist and self.share >= FEW_SHARE
        return few and not self._asked and self._expected is None

    @property
    def expected(self) -> NDArray[np.float64]:
        """Allowed entries (nlist) of each list: counted, or estimated from a sample.

        Which of them depends on the number of allowed rows only.
        """
        if self._expected is None:
            if self.share < FEW_SHARE:
                self._expected = self.entries.astype(np.float64)
            else:
                sampled = self.mask[self._stats.sampled(self.share)]
                self._expected = self._stats.sizes * _means(sampled)
        return self._expected

    def runs(self, engine: Engine) -> tuple[Engine, int] | None:
        """`engine` over the allowed rows only, in lists of `RUN`, and their number.

        Returns:
            None where the engine cannot.
        """
        count = -(-self.count // RUN)
        made = self._runs.get(engine)
        if made is not None:
            return made, count
        if not isinstance(engine, ScansSubsets):
            return None
        with self._guard:
            made = self._runs.get(engine)
            if made is None:
                made = self._pack(engine, _in_runs(self.rows, count))
                self._runs[engine] = made
        return made, count

    def packed_lists(self, engine: Engine) -> Engine | None:
        """`engine` over the allowed entries of every list, if they are packed."""
        return self._sub_lists.get(engine)

    def pack_lists(
        self, engine: Engine, read: int, *, queries: int = 1
    ) -> Engine | None:
        """Pack them if that pays.

        Args:
            engine: that scans all entries otherwise.
            read: entries that it scans so for some queries.
            queries: how many.

        Returns:
            None where the engine cannot, or it does not pay yet.
        """
        with self._guard:
            if not self._pays(read, queries) or not isinstance(engine, ScansSubsets):
                return None
            made = self._sub_lists.get(engine)
            if made is None:
                lists = lists_among(self._stats.lists, self.mask)
                made = self._pack(engine, lists)
                self._sub_lists[engine] = made
        return made

    def _pays(self, read: int, queries: int) -> bool:
        """Whether so much was read in vain that packing would have cost less."""
        weight = ALONE if queries < TOGETHER else 1
        self._in_vain += weight * int(read * (1 - self.share))
        expected = self.share * self._stats.lists.entries
        return self.share <= PACKED_SHARE and self._in_vain >= PACKED_ENTRY * expected

    def _pack(self, engine: ScansSubsets, lists: InvertedLists) -> Engine:
        blocks = -(-np.diff(lists.offsets) // BLOCK)
        entry = self._stats.code_bytes + _BESIDE
        self._packed_bytes += int(blocks.sum()) * BLOCK * entry
        return engine.over(lists)


def allow(stats: ListStats, allowed: ArrayLike) -> AllowedRows:
    """Allow the rows of a mask, bool (n,), of the index that `stats` are of.

    A mask that somebody could change is copied.

    Raises:
        InvalidInputError: not bool (n,).
    """
    mask = as_mask(allowed, n=stats.n)
    if mask.flags.writeable or mask.base is not None:
        mask = mask.copy()
        mask.flags.writeable = False
    return AllowedRows(stats, mask=mask)


def allow_rows(stats: ListStats, rows: ArrayLike) -> AllowedRows:
    """Allow `rows` of the index that `stats` are of, in time that grows with those.

    Raises:
        InvalidInputError: not integers, not one-dimensional, or no rows of the index.
    """
    given = np.asarray(rows)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InvalidInputError(
            f"rows must be integers (m,), got {given.dtype} {given.shape}"
        )
    if given.size and not (given.min() >= 0 and given.max() < stats.n):
        bad = given[(given < 0) | (given >= stats.n)][0]
        raise InvalidInputError(f"row {bad} is not one of {stats.n} rows")
    narrow = given.astype(np.int32)
    if not (np.diff(narrow) > 0).all():
        narrow = np.unique(narrow)
    return AllowedRows(stats, rows=narrow)


def exact_among(
    data: IndexData, queries: Vectors, *, k: int, allowed: Mask | AllowedRows | None
) -> tuple[Rows, Distances]:
    """`exact_search_prepared` of the allowed rows; few of them need no mask."""
    if isinstance(allowed, AllowedRows) and allowed.share < 1 / GATHERED:
        rows, distances = exact_search_prepared(
            queries, data.vectors[allowed.rows], metric=data.metric, k=k
        )
        numbers = np.append(allowed.rows, -1).astype(np.int64)  # -1 stays itself
        return numbers[rows], distances
    mask = allowed.mask if isinstance(allowed, AllowedRows) else allowed
    return exact_search_prepared(
        queries, data.vectors, metric=data.metric, k=k, allowed=mask
    )


def _means(allowed: Mask) -> NDArray[np.float64]:
    means: NDArray[np.float64] = allowed.mean(axis=-1, dtype=np.float64)
    return means


def _in_runs(rows: NDArray[np.int32], count: int) -> InvertedLists:
    """The rows as `count` lists of `RUN`, all of them primary."""
    offsets = np.minimum(np.arange(count + 1, dtype=np.int64) * RUN, len(rows))
    return InvertedLists(
        offsets=offsets,
        mids=offsets[1:].copy(),
        rows=rows,
        others=np.full(len(rows), -1, np.int32),
    )
