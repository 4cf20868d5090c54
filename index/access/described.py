"""What an index says of itself: its size, its parameters, its measurements."""

from functools import cached_property
from hashlib import sha256

import numpy as np

from gleann.index.access.memory_use import MemoryUse, memory_use, with_pages
from gleann.index.arrays import RowMatrix, Vectors
from gleann.index.engines.contract import Engine, IndexData
from gleann.index.found import SearchStats, drift_warning, shortfall
from gleann.index.ids.table import IdTable
from gleann.index.kept.disk_rows import DiskRows
from gleann.index.operating.points import OperatingPoint, SpillReport, best_recall
from gleann.index.parallel.blocks import block_slices
from gleann.index.params import BuildParams, Metric, SearchParams
from gleann.index.payload.payload import Payload
from gleann.index.storage.later_checks import LaterChecks
from gleann.index.storage.mapped_file import MappedFile, watched_files
from gleann.index.storage.packing import Header

HASHED_VALUES = 1 << 22
"""Values of rows that are hashed at once."""


class Described:
    """The description of a `SoarIndex`, which makes the attributes."""

    _data: IndexData
    _engine: Engine
    _header: Header
    _payload: Payload | None
    _table: IdTable
    _watched: tuple[MappedFile | DiskRows | LaterChecks, ...]
    _later_checks: LaterChecks | None = None

    def __len__(self) -> int:
        return len(self._data.vectors)

    def __repr__(self) -> str:
        shape = f"n={len(self)}, dim={self.dim}, metric={self.metric!r}"
        lists = f"nlist={self.nlist}, spilled={self.spilled_share:.0%}"
        return f"SoarIndex({shape}, {lists}, engine={self.engine_name!r})"

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self._data.vectors.shape[1])

    @property
    def metric(self) -> Metric:
        """The metric it was built for."""
        return self._data.metric

    @property
    def nlist(self) -> int:
        """Number of inverted lists."""
        return self._data.lists.nlist

    @property
    def params(self) -> BuildParams:
        """The parameters of the build; `spill` is the one that "auto" chose."""
        return self._header.params

    @property
    def data(self) -> IndexData:
        """The arrays, as engines read them; read-only, and checked."""
        if self._later_checks is not None:
            self._later_checks.wait()
        for file in watched_files(self._data.vectors, self._data.codes.values):
            file.require_whole()
        return self._data

    @property
    def vectors(self) -> Vectors:
        """(n, d) the rows as searched, of unit length under cosine; read-only.

        Where they are not kept as float32 in memory or mapped, each call makes a copy
        of all: `stored_rows` gives some.
        """
        rows = self.stored_rows
        return rows if isinstance(rows, np.ndarray) else np.asarray(rows)

    @property
    def stored_rows(self) -> RowMatrix:
        """(n, d) the rows as they are kept; float32 wherever they are indexed."""
        self._require_whole()
        return self._data.vectors

    @property
    def header(self) -> Header:
        """The metadata that is saved with it."""
        return self._header

    @property
    def spilled_share(self) -> float:
        """Share of rows that have a second copy."""
        return self._data.lists.entries / len(self) - 1

    @property
    def engine_name(self) -> str:
        """The engine that serves, such as "native/avx512"."""
        return self._engine.name

    @property
    def engine(self) -> Engine:
        """The engine that ranks lists and scans them."""
        return self._engine

    @property
    def operating_points(self) -> tuple[OperatingPoint, ...]:
        """The settings measured at build time; `target_recall` chooses among them."""
        return self._header.points

    def memory(self, *, pages: bool = True) -> MemoryUse:
        """The bytes that the index takes, by part: in memory, mapped, on disk, cached.

        Args:
            pages: whether the pages of its files that the system has in memory are
                counted, which takes longer for larger files; nothing of them is read.
        """
        self._require_whole()
        held = self._table.held
        use = memory_use(self._data, held, self._payload, self._engine)
        if not pages:
            return use
        return with_pages(use, self._data, held, self._payload)

    def best_recall(self, *, k: int = 10) -> float | None:
        """The most recall@k that was measured for any setting; None if nothing was."""
        points = self._header.points
        return best_recall(points, k=k) if points else None

    @property
    def spill_report(self) -> SpillReport | None:
        """The measurement behind `spill="auto"`; None if spilling was given."""
        return self._header.spill_report

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the prepared vectors, without ids, in hexadecimal."""
        digest, rows = sha256(), self.stored_rows
        for block in block_slices(len(rows), HASHED_VALUES // self.dim):
            digest.update(np.ascontiguousarray(rows[block]).data)
        return digest.hexdigest()

    def recall_warning(self, stats: SearchStats, params: SearchParams) -> str | None:
        """Why the recall that a search asked for may be missed; None if it is known.

        Args:
            stats: of its answer.
            params: of the search.
        """
        training = self._header.training
        if training is None or training.drift is None or training.fits(len(self)):
            return shortfall(stats, params)
        return drift_warning(stats, params, training.drift)

    @property
    def later_checks(self) -> LaterChecks | None:
        """The checks that go on after `load`; None if all were made before."""
        return self._later_checks

    def _check_later(self, checks: LaterChecks) -> None:
        """Let calls fail from the moment that one of `checks` does."""
        self._later_checks = checks
        self._watched += (checks,)

    def _require_whole(self) -> None:
        for file in self._watched:
            file.require_whole()
