"""How many bytes an index takes, part by part."""

import ctypes
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, RowMatrix
from gleann.index.codes import Encoding
from gleann.index.engines.contract import Engine, HoldsCopies, IndexData
from gleann.index.kept.disk_rows import DiskRows
from gleann.index.payload.payload import Payload
from gleann.index.storage.mapped_file import MappedFile, watched_files
from gleann.index.texts import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class PartUse:
    """Bytes of one part of an index.

    Attributes:
        anonymous: in memory of the process.
        mapped: of files that are mapped, whether in memory or not.
        on_disk: of files that are read when they are needed, and not mapped.
        cached: of the pages of these files that the system has in memory now. It gives
            them up where memory is needed; other processes may have brought them there.
    """

    anonymous: int = 0
    mapped: int = 0
    on_disk: int = 0
    cached: int = 0

    def __add__(self, other: "PartUse") -> "PartUse":
        return PartUse(
            anonymous=self.anonymous + other.anonymous,
            mapped=self.mapped + other.mapped,
            on_disk=self.on_disk + other.on_disk,
            cached=self.cached + other.cached,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Bytes of an index by part; see `SoarIndex.memory`.

    Attributes:
        rows: number of rows.
        parts: "centroids", with the axes of a projection; "directions", the codes of
            lists, with axes as an engine has them; "list_tables", where lists begin,
            and which hold a row once a search by effort has asked for it; "entries",
            row and other list of each entry; "codes", "scales" and "biases", what the
            engine scans of entries; "row_codes", the same as it is saved, a line a row,
            from which the engine made its own; "rerank_rows", "ids" and "payload".
    """

    rows: int
    parts: Mapping[str, PartUse]

    @property
    def total(self) -> PartUse:
        """All parts together."""
        return sum(self.parts.values(), PartUse())

    @property
    def searched(self) -> int:
        """Bytes that searches read in memory.

        All that is anonymous, and mapped rows to re-rank, but neither rows on disk nor
        mapped codes, which an engine reads once, when it is made.
        """
        return self.total.anonymous + self.parts["rerank_rows"].mapped

    def bytes_a_row(self) -> dict[str, float]:
        """`searched` by part, a row each."""
        found = {name: part.anonymous for name, part in self.parts.items()}
        found["rerank_rows"] += self.parts["rerank_rows"].mapped
        return {name: size / self.rows for name, size in found.items()}


def memory_use(
    data: IndexData, ids: HeldIds, payload: Payload | None, engine: Engine
) -> MemoryUse:
    """Count what an index holds; an array that two parts share counts for the first."""
    codes, lists = data.codes, data.lists
    is_coded = data.encoding.kind == "int8"
    held = engine.nbytes if isinstance(engine, HoldsCopies) else {}
    parts = {
        "centroids": _of_arrays(data.centroids, *_axes_of(data.encoding)),
        "directions": PartUse(anonymous=held.get("directions", 0)),
        "list_tables": _of_arrays(lists.offsets, lists.mids)
        + PartUse(anonymous=held.get("row_lists", 0)),
        "entries": _of_arrays(lists.rows, lists.others),
        "codes": PartUse(anonymous=held.get("codes", 0)),
        "scales": PartUse(anonymous=held.get("scales", 0)),
        "biases": PartUse(anonymous=held.get("biases", 0)),
        "row_codes": _of_rows(codes.values) if is_coded else PartUse(),
        "rerank_rows": _of_rows(data.vectors),
        "ids": _of_ids(ids),
        "payload": PartUse() if payload is None else _of_payload(payload),
    }
    if is_coded:
        parts["row_codes"] += _of_arrays(codes.scales)
    if codes.biases is not None:
        parts["row_codes"] += _of_arrays(codes.biases)
    return MemoryUse(rows=len(data.vectors), parts=parts)


def with_pages(
    use: MemoryUse, data: IndexData, ids: HeldIds, payload: Payload | None
) -> MemoryUse:
    """The same with the pages of files that the system has in memory."""
    files: dict[str, tuple[MappedFile | DiskRows, ...]] = {
        "row_codes": watched_files(data.codes.values),
        "rerank_rows": watched_files(data.vectors),
        "ids": watched_files(ids),
        "payload": () if payload is None else payload.files,
    }
    if data.encoding.kind == "float32":
        files["row_codes"] = ()
    counted = {name: sum(map(cached_bytes, some)) for name, some in files.items()}
    parts = {
        name: part + PartUse(cached=counted.get(name, 0))
        for name, part in use.parts.items()
    }
    return MemoryUse(rows=use.rows, parts=parts)


def _axes_of(encoding: Encoding) -> tuple[NDArray[np.float32], ...]:
    projection = encoding.projection
    if projection is None:
        return ()
    if projection.is_orthonormal:
        return (projection.row_axes,)
    return projection.row_axes, projection.query_axes


def _of_arrays(*arrays: NDArray[Any]) -> PartUse:
    return sum((_of_rows(array) for array in arrays), PartUse())


def _of_rows(rows: NDArray[Any] | RowMatrix) -> PartUse:
    size = int(rows.nbytes)
    if isinstance(rows, DiskRows):
        return PartUse(on_disk=size)
    return PartUse(mapped=size) if watched_files(rows) else PartUse(anonymous=size)


def _of_ids(ids: HeldIds) -> PartUse:
    if isinstance(ids, Texts):
        return PartUse(anonymous=ids.nbytes + ids.offsets.nbytes)
    return _of_rows(ids)


def _of_payload(payload: Payload) -> PartUse:
    size = payload.nbytes
    return PartUse(mapped=size) if payload.files else PartUse(anonymous=size)


def cached_bytes(file: MappedFile | DiskRows) -> int:
    """Bytes of the pages of a file that the system has in memory; 0 if unknown."""
    size = file.size() if isinstance(file, MappedFile) else file.nbytes
    if size == 0:
        return 0
    if isinstance(file, MappedFile):
        return _resident(file, size)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return _resident(mapped, size)


def _resident(mapped: mmap.mmap, size: int) -> int:
    """Bytes of a map that are in memory, by `mincore`; nothing of it is read."""
    try:
        mincore = ctypes.CDLL(None, use_errno=True).mincore
    except (OSError, AttributeError):
        return 0
    view = np.frombuffer(mapped, np.uint8)
    pages = np.zeros(-(-len(view) // mmap.PAGESIZE), np.uint8)
    failed = mincore(
        ctypes.c_void_p(view.ctypes.data),
        ctypes.c_size_t(len(view)),
        pages.ctypes.data_as(ctypes.POINTER(ctypes.c_ubyte)),
    )
    del view  # or the map cannot be closed
    return 0 if failed else min(size, int((pages & 1).sum()) * mmap.PAGESIZE)
