"""`NewerLists`: rows newer than an index, in the lists of its centroids.

New rows first go to flat parts, which every query scans; `assign` puts them into lists.
Parts are merged so that few remain, each much larger than the next: a query reads a
piece of every part in each list that it probes. A row is packed again a few times until
its part is large (`index/DECISIONS.md` 23 has the figures).
"""

from dataclasses import replace
from functools import cached_property
from threading import Lock

import numpy as np

from gleann.index.arrays import ListNos, Mask, Vectors
from gleann.index.build.assign import assign_blocks
from gleann.index.build.rows import code_rows
from gleann.index.build.spill import scale_of
from gleann.index.engines.contract import Engine, IndexData, ScansNewer
from gleann.index.ids.live_rows import LiveRows
from gleann.index.lists import invert
from gleann.index.newer.rows import NewerRows, Part
from gleann.index.newer.thinning import Thinning
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import BuildParams
from gleann.index.search.list_stats import ListStats

GROWTH = 8
"""A part is merged with those after it until it is this many times their size."""

LEAST_FLAT = 64
"""Fewer new rows are packed for one state only, however short the lists are."""

LARGEST_FLAT = 8192
"""Rows of a flat part: as many are assigned at once."""

SCALE_ROWS = 4096
"""Rows of the index whose mean squared length is that of all."""


class NewerLists:
    """Lists of rows that are appended one after another to a matrix of newer rows.

    Any number of threads may use it. All matrices given to it must agree in the rows
    that they share; a shorter one is an earlier state.

    Args:
        data: the index.
        params: its build parameters, with spilling resolved.
        stats: of its lists.
        engine: made from `data`. One that does not implement `ScansNewer` compares all
            newer rows with every query, and nothing is assigned.
    """

    def __init__(
        self,
        data: IndexData,
        params: BuildParams,
        *,
        stats: ListStats,
        engine: Engine,
    ) -> None:
        self._data = data
        self._params = params
        self._engine = engine if isinstance(engine, ScansNewer) else None
        self._changing = Lock()
        self._assigning = Lock()
        self._parts: tuple[Part, ...] = ()
        self._primary: ListNos = np.empty(0, np.int32)
        self._secondary: ListNos = np.empty(0, np.int32)
        self._thinning = Thinning(stats)

    @cached_property
    def small(self) -> int:
        """Rows that are scanned flat without a loss: those of a list of mean length."""
        return max(LEAST_FLAT, self._data.lists.entries // self._data.lists.nlist)

    @property
    def due(self) -> bool:
        """Whether `assign` has rows to assign."""
        return any(part.entries is None for part in self._parts)

    def rows(
        self,
        vectors: Vectors,
        *,
        alive: Mask | None = None,
        sealed_alive: LiveRows | None = None,
    ) -> NewerRows:
        """The newer rows in their lists, as far as they are assigned now.

        Args:
            vectors: float32 (m, d), prepared; kept, not copied.
            alive: bool (m,), rows that may be returned; None for all.
            sealed_alive: rows of the index that may; None for all.
        """
        source: tuple[Part, ...] = ()
        parts = source
        if self._engine is not None:
            source, parts = self._cover(vectors, self._engine, least=self.small)
        thinned = None
        if sealed_alive is not None:
            entries = [part.entries for part in parts if part.entries is not None]
            thinned = self._thinning.of(sealed_alive, entries)
        return NewerRows(
            vectors=vectors,
            alive=alive,
            sealed_alive=sealed_alive,
            thinned=thinned,
            joined=self._joined(vectors, alive, parts, sealed_alive),
            parts=parts,
            source=source,
        )

    def masked(self, rows: NewerRows, alive: Mask) -> NewerRows:
        """`rows` (of `rows`) with another mask `alive` (m,), and none of the index."""
        return replace(
            rows,
            alive=alive,
            sealed_alive=None,
            thinned=None,
            joined=self._joined(rows.vectors, alive, rows.parts),
        )

    def _joined(
        self,
        vectors: Vectors,
        alive: Mask | None,
        parts: tuple[Part, ...],
        sealed_alive: LiveRows | None = None,
    ) -> object | None:
        if self._engine is None:
            return None
        return self._engine.join_newer(
            [part.packed for part in parts],
            vectors,
            _covering(alive, parts, vectors),
            sealed_alive,
        )

    def is_current(self, rows: NewerRows) -> bool:
        """Whether `rows` has all that was assigned; if not, make it again."""
        return rows.source is self._parts

    def assign(self, vectors: Vectors) -> None:
        """Assign all rows (m, d) to lists, those that were never searched too."""
        if self._engine is not None:
            self._cover(vectors, self._engine, least=1)
        while self.assign_next(vectors):
            pass

    def assign_next(self, vectors: Vectors) -> bool:
        """Assign the rows of the first flat part to lists; whether there was one.

        Args:
            vectors: float32 (m, d), prepared. Parts behind the m-th row stay flat.
        """
        with self._assigning:
            stop = self._next_stop()
            if stop is None or stop > len(vectors):
                return False
            self._assign_upto(vectors, stop)
            return True

    def _cover(
        self, vectors: Vectors, engine: ScansNewer, *, least: int
    ) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
        """All kept parts, and parts that hold all rows of `vectors`.

        `least` new rows or more become kept parts. Fewer are packed for this state
        alone, and again with the next ones.
        """
        m = len(vectors)
        with self._changing:
            start = _end(self._parts)
            if m - start >= least:
                self._parts += tuple(
                    self._pack_flat(
                        vectors, start + block.start, start + block.stop, engine
                    )
                    for block in block_slices(m - start, LARGEST_FLAT)
                )
            kept = self._parts
        parts = tuple(part for part in kept if part.packed.first < m)
        if (start := _end(parts)) < m:
            parts += (self._pack_flat(vectors, start, m, engine),)
        return kept, parts

    def _pack_flat(
        self, vectors: Vectors, start: int, stop: int, engine: ScansNewer
    ) -> Part:
        codes = code_rows(vectors[start:stop], self._data.encoding, threads=1)
        return Part(packed=engine.pack_newer(codes, None, first=start), entries=None)

    def _next_stop(self) -> int | None:
        """End of the first flat part; None if there is none."""
        flat = [part for part in self._parts if part.entries is None]
        return flat[0].packed.end if flat else None

    def _assign_upto(self, vectors: Vectors, stop: int) -> None:
        """Replace the first flat part, and parts too small to stay before it."""
        start = len(self._primary)
        for _, primary, secondary in assign_blocks(
            vectors[start:stop],
            self._data.centroids,
            params=self._params,
            scale=self._scale,
            threads=1,
            center=self._shift,
        ):
            self._primary = np.append(self._primary, primary)
            self._secondary = np.append(self._secondary, secondary)
        kept = [part for part in self._parts if part.packed.end <= start]
        size = stop - start
        while kept and kept[-1].size < GROWTH * size:
            size += kept.pop().size
        merged = self._pack_lists(vectors, stop - size, stop)
        with self._changing:
            rest = (part for part in self._parts if part.packed.first >= stop)
            self._parts = (*kept, merged, *rest)

    def _pack_lists(self, vectors: Vectors, start: int, stop: int) -> Part:
        assert self._engine is not None
        lists = invert(
            self._primary[start:stop],
            self._secondary[start:stop],
            nlist=self._data.lists.nlist,
        )
        codes = code_rows(vectors[start:stop], self._data.encoding, threads=1)
        packed = self._engine.pack_newer(codes, lists, first=start)
        return Part(packed=packed, entries=np.diff(lists.offsets))

    @cached_property
    def _shift(self) -> Vectors | None:
        encoding = self._data.encoding
        return encoding.center if encoding.is_centred else None

    @cached_property
    def _scale(self) -> float:
        rows = self._data.vectors
        some = np.asarray(rows[:: max(1, len(rows) // SCALE_ROWS)])
        return scale_of(some, self._shift) if len(some) else 0.0


def _end(parts: tuple[Part, ...]) -> int:
    return parts[-1].packed.end if parts else 0


def _covering(
    alive: Mask | None, parts: tuple[Part, ...], vectors: Vectors
) -> Mask | None:
    """`alive` as long as the parts, which may hold rows that are newer still."""
    m, end = len(vectors), _end(parts)
    if end == m:
        return alive
    mask = np.zeros(end, np.bool_)
    mask[:m] = True if alive is None else alive
    return mask
