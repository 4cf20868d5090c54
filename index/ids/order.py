"""Order of ids: integers by value, strings by the bytes of their UTF-8."""

from bisect import bisect_right
from typing import Any

import numpy as np

from gleann.index.arrays import HeldIds, Mask, Rows
from gleann.index.texts import Texts


def id_order(ids: HeldIds) -> Rows:
    """Positions (n,) of distinct ids in ascending order."""
    if not isinstance(ids, Texts):
        return np.argsort(ids, kind="stable")
    import pyarrow.compute as pc

    return np.asarray(pc.sort_indices(_bytes(ids))).astype(np.int64)


def count_up_to(ids: HeldIds, order: Rows, last: int | str) -> int:
    """How many of distinct ids, whose `id_order` is given, are at most `last`."""
    if not isinstance(ids, Texts):
        return int(np.searchsorted(ids, last, side="right", sorter=order))
    packed = str(last).encode()
    begins, text = ids.offsets, ids.text
    return bisect_right(
        order, packed, key=lambda row: text[begins[row] : begins[row + 1]]
    )


def above(ids: HeldIds, last: int | str) -> Mask:
    """Where (n,) the ids come after `last`."""
    if not isinstance(ids, Texts):
        return np.greater(ids, int(last))
    import pyarrow as pa
    import pyarrow.compute as pc

    packed = pa.scalar(str(last).encode(), pa.large_binary())
    return np.asarray(pc.greater(_bytes(ids), packed)).astype(np.bool_)


def first_in_order(ids: HeldIds, count: int) -> Rows:
    """Positions of the lowest `count` of distinct ids, or of all, ascending."""
    if isinstance(ids, Texts) or count >= len(ids):
        return id_order(ids)[:count]
    lowest = np.argpartition(ids, count - 1)[:count] if count else np.empty(0, np.int64)
    return lowest[np.argsort(ids[lowest])]


def _bytes(ids: Texts) -> Any:
    """The strings as Arrow's bytes, which compare as such."""
    import pyarrow as pa

    offsets = pa.py_buffer(np.ascontiguousarray(ids.offsets, np.int64))
    buffers = [None, offsets, pa.py_buffer(ids.text)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(ids), buffers)
