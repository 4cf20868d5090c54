"""Rows of chunked Arrow columns; only the chunks that have them are read.

Arrow's text has offsets of 32 bits, so a chunk holds less than 2 GiB of it. Whatever
makes chunks here makes another one where one would hold more than `most_text`.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.arrays import Rows

MOST_TEXT = 1 << 30
"""Bytes of text, and members of lists, in a chunk; a single row may have more."""


def take(values: pa.ChunkedArray, rows: Rows) -> pa.ChunkedArray:
    """Values at `rows` (m,), null for row -1.

    Arrow's own take may put all chunks of texts in one piece first.
    """
    if not values.num_chunks or not len(rows):
        return pa.chunked_array([pa.nulls(len(rows), values.type)])
    if values.num_chunks == 1:
        return pa.chunked_array(_take_chunk(values.chunk(0), rows))
    begins = _begins(values)
    chunk_nos = np.searchsorted(begins[1:], rows, side="right")  # 0 for row -1
    order = np.argsort(chunk_nos, kind="stable")
    used, starts = np.unique(chunk_nos[order], return_index=True)
    parts: list[pa.Array] = []
    for no, mine in zip(used, np.split(rows[order], starts[1:]), strict=True):
        places = np.where(mine < 0, -1, mine - begins[no])
        parts += _take_chunk(values.chunk(no), places)
    if bool((np.diff(chunk_nos) >= 0).all()):
        return pa.chunked_array(parts)
    places = np.empty(len(rows), np.int64)
    places[order] = np.arange(len(rows))
    return pa.chunked_array(_in_order(parts, places))


def replace(
    values: pa.ChunkedArray, rows: Rows, others: pa.ChunkedArray
) -> pa.ChunkedArray:
    """`values` with `others` (m,) at `rows` (m,); the last of a repeated row counts.

    Chunks without any of the rows are shared.
    """
    begins = _begins(values)
    chunks = [[chunk] for chunk in values.chunks]
    touched = np.unique(np.searchsorted(begins[1:], rows, side="right"))
    for no in touched:
        mine = np.flatnonzero((rows >= begins[no]) & (rows < begins[no + 1]))
        (old,) = chunks[no]
        sources = np.arange(len(old))
        sources[rows[mine] - begins[no]] = len(old) + np.arange(len(mine))
        new = pa.chunked_array([old, *take(others, mine).chunks])
        chunks[no] = take(combined(new), sources).chunks
    return pa.chunked_array([one for some in chunks for one in some], values.type)


def combined(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values in as few chunks as text has room for."""
    sizes = np.array([_text_bytes(chunk) for chunk in values.chunks], np.int64)
    parts = [
        pa.concat_arrays(values.chunks[block]) for block in bounded(sizes, MOST_TEXT)
    ]
    return pa.chunked_array(parts, values.type)


def row_bytes(values: pa.ChunkedArray) -> NDArray[np.int64]:
    """About the bytes (n,) of each value, at least one."""
    width = 1
    if not _has_text(values.type):
        width = max(1, values.type.bit_width // 8)
    sizes = np.full(len(values), width, np.int64)
    if _has_text(values.type):
        begins = _begins(values)
        for no, chunk in enumerate(values.chunks):
            ends = _text_before(chunk, np.arange(len(chunk) + 1))
            sizes[begins[no] : begins[no + 1]] += np.diff(ends)
    return sizes


def bounded(sizes: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Consecutive slices whose sizes sum up to at most `most`, or of one place."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + most, side="right"))
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop


def _take_chunk(chunk: pa.Array, rows: Rows) -> list[pa.Array]:
    """Values of one chunk, in as many as the text needs."""
    if not _has_text(chunk.type) or chunk.nbytes * len(rows) <= MOST_TEXT:
        return [chunk.take(pa.array(rows, mask=rows < 0))]
    sizes = np.zeros(len(rows), np.int64)
    some = rows[there := rows >= 0]
    sizes[there] = _text_before(chunk, some + 1) - _text_before(chunk, some)
    return [
        chunk.take(pa.array(rows[block], mask=rows[block] < 0))
        for block in bounded(sizes, MOST_TEXT)
    ]


def _in_order(parts: list[pa.Array], places: Rows) -> list[pa.Array]:
    """The values at `places` (m,) of all parts together, a permutation of them."""
    fits = sum(part.nbytes for part in parts) <= MOST_TEXT  # quick, and more than it is
    if fits or sum(map(_text_bytes, parts)) <= MOST_TEXT:
        return [pa.concat_arrays(parts).take(pa.array(places))]
    values = pa.chunked_array(parts)
    sizes = row_bytes(values)[places]
    blocks = [take(values, places[block]) for block in bounded(sizes, MOST_TEXT)]
    return [chunk for block in blocks for chunk in block.chunks]


def _has_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_list(kind))


def _text_bytes(chunk: pa.Array) -> int:
    """Bytes of text in a chunk, and members of its lists; 0 for other values."""
    if not _has_text(chunk.type):
        return 0
    first, last = _text_before(chunk, np.array([0, len(chunk)]))
    return int(last - first)


def _text_before(chunk: pa.Array, places: Rows) -> Rows:
    """Bytes of text, and members of lists, before `places` (m,), from 0 to n."""
    if not len(chunk):
        return np.zeros(len(places), np.int64)
    offsets = np.frombuffer(chunk.buffers()[1], np.int32)
    before = offsets[places + chunk.offset].astype(np.int64)
    if pa.types.is_list(chunk.type):
        return before + _text_before(chunk.values, before)
    return before


def _begins(values: pa.ChunkedArray) -> Rows:
    lengths = [len(chunk) for chunk in values.chunks]
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
