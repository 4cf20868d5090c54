"""Memory of an index by part: arrays that it holds, and pages of its mapped files.

Arrays are found by a walk over the attributes of gleann's objects, each counted once,
so that what is added to an index is counted without a line here. A part is the first
name on the way that has one.
"""

import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gleann.index import SoarIndex
from gleann.index.engines.contract import HoldsCopies
from gleann.index.storage.mapped_file import mapped_files
from gleann.service.views.live_index import View
from gleann.service.views.masks import MaskCache

OTHER = "other"
PARTS: Mapping[str, str] = {
    "vectors": "rows",
    "codes": "codes",
    "encoding": "codes",
    "engine": "codes",
    "lists": "lists",
    "centroids": "lists",
    "searcher": "lists",
    "newer_searcher": "newer",
    "table": "ids",
    "id_order": "ids",
    "payload": "payload",
    "filters": "filters",
    "live": "filters",
    "alive": "filters",
    "delta": "newer",
}
"""The part of what an attribute holds, by its name without a leading underscore."""

_FILES: Mapping[str, str] = {
    "vectors": "rows",
    "codes": "codes",
    "code_scales": "codes",
    "code_biases": "codes",
    "center": "codes",
    "payload": "payload",
}
_ID_BYTES = 60
"""Of an entry of a Python dictionary from ids to rows, beside its table."""
_SCAN_STEP = 64
"""Bytes to which the native engine pads the codes of an entry."""
_ENTRY_BYTES = 8
"""Scale and bias of an entry."""


def memory_of(view: View, sessions: Iterable[object] = ()) -> Counter[str]:
    """Bytes of memory that a view holds and no file maps, by part.

    Args:
        view: the state.
        sessions: on its index; what they share with it is counted once.
    """
    walk = _Walk()
    if view.sealed is not None:
        walk.add(view.sealed, "")
        walk.bytes["codes"] += packed_bytes(view.sealed.index)
    walk.add(view.payload, "payload")
    walk.add(view, "")
    walk.bytes["newer"] += _packed_newer(view)
    walk.bytes["filters"] += view.payload.mask_bytes
    for session in sessions:
        walk.add(session, "sessions")
    return walk.bytes


def part_of_file(path: Path) -> str:
    """The part of an index that a file of a sealed version holds."""
    stem = path.name.partition(".")[0]
    if stem.startswith("ids"):
        return "ids"
    return _FILES.get(stem, "lists")


def packed_bytes(index: SoarIndex) -> int:
    """Bytes of the codes that the native engine made for its scans."""
    engine = index.engine
    return sum(engine.nbytes.values()) if isinstance(engine, HoldsCopies) else 0


def _packed_newer(view: View) -> int:
    """The same for the newer rows."""
    sealed = view.sealed
    copies = 1.0 if sealed is None else 1.0 + sealed.index.spilled_share
    return round(len(view.delta) * copies * _slot_bytes(view.dim, 1))


def _slot_bytes(dim: int, itemsize: int) -> int:
    return -(-dim * itemsize // _SCAN_STEP) * _SCAN_STEP + _ENTRY_BYTES


class _Walk:
    """Counts the bytes below objects, each once."""

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()
        self._seen: dict[int, object] = {}

    def add(self, root: object, part: str) -> None:
        """Count what is below `root`; "" takes the parts from the attributes."""
        # Breadth first: what an index has itself is its own before it is its engine's.
        waiting = deque([(root, part)])
        while waiting:
            one, part = waiting.popleft()
            if id(one) in self._seen:
                continue
            # Held, so that no later object has its id.
            self._seen[id(one)] = one
            size = self._size(one)
            if size is None:
                waiting.extend(_below(one, part))
            else:
                self.bytes[part or OTHER] += size

    def _size(self, one: object) -> int | None:
        """Its bytes where it is counted whole; None for what is looked into."""
        if isinstance(one, np.ndarray):
            return self._array_size(one)
        if isinstance(one, pa.Table):
            return _table_size(one)
        if isinstance(one, dict) and one and isinstance(next(iter(one)), int | str):
            entries = len(one) if isinstance(next(iter(one.values())), int) else 0
            return sys.getsizeof(one) + _ID_BYTES * entries if entries else None
        if isinstance(one, bytes | bytearray):
            return len(one)
        return 0 if isinstance(one, MaskCache | str | int | float | None) else None

    def _array_size(self, array: "np.ndarray[Any, Any]") -> int:
        """Bytes of the memory that an array is a view of, unless a file maps it."""
        if mapped_files(array):
            return 0
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
            if id(owner) in self._seen:
                return 0
            self._seen[id(owner)] = owner
        return int(owner.nbytes)


def _table_size(table: pa.Table) -> int:
    return int(table.get_total_buffer_size())


def _below(one: object, part: str) -> Iterator[tuple[object, str]]:
    """What an object holds, with the part of each."""
    if isinstance(one, dict):
        yield from ((value, part) for value in list(one.values()))
    elif isinstance(one, list | tuple | set | frozenset):
        yield from ((value, part) for value in list(one))
    elif type(one).__module__.startswith("gleann."):
        for name, value in _attributes(one):
            yield value, part or PARTS.get(name.lstrip("_"), "")


def _attributes(one: object) -> Iterable[tuple[str, object]]:
    yield from list(getattr(one, "__dict__", {}).items())
    for kind in type(one).__mro__:
        names = kind.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if not name.startswith("__") and hasattr(one, name):
                yield name, getattr(one, name)
