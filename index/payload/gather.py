"""Rows of chunked Arrow columns; only the chunks that have them are read."""

import numpy as np
import pyarrow as pa

from gleann.index.arrays import Rows


def take(values: pa.ChunkedArray, rows: Rows) -> pa.ChunkedArray:
    """Values at `rows` (m,), null for row -1.

    Arrow's own take may put all chunks of texts in one piece first.
    """
    if values.num_chunks == 1:
        return pa.chunked_array([_take_chunk(values.chunk(0), rows)])
    if not values.num_chunks or not len(rows):
        return pa.chunked_array([pa.nulls(len(rows), values.type)])
    begins = _begins(values)
    chunk_nos = np.searchsorted(begins[1:], rows, side="right")  # 0 for row -1
    order = np.argsort(chunk_nos, kind="stable")
    used, starts = np.unique(chunk_nos[order], return_index=True)
    parts = [
        _take_chunk(values.chunk(no), np.where(mine < 0, -1, mine - begins[no]))
        for no, mine in zip(used, np.split(rows[order], starts[1:]), strict=True)
    ]
    if bool((np.diff(chunk_nos) >= 0).all()):
        return pa.chunked_array(parts)
    places = np.empty(len(rows), np.int64)
    places[order] = np.arange(len(rows))
    return pa.chunked_array([pa.concat_arrays(parts).take(pa.array(places))])


def replace(
    values: pa.ChunkedArray, rows: Rows, others: pa.ChunkedArray
) -> pa.ChunkedArray:
    """`values` with `others` (m,) at `rows` (m,); the last of a repeated row counts.

    Chunks without any of the rows are shared.
    """
    begins = _begins(values)
    chunks = values.chunks
    touched = np.unique(np.searchsorted(begins[1:], rows, side="right"))
    for no in touched:
        mine = np.flatnonzero((rows >= begins[no]) & (rows < begins[no + 1]))
        size = len(chunks[no])
        sources = np.arange(size)
        sources[rows[mine] - begins[no]] = size + np.arange(len(mine))
        new = pa.chunked_array([chunks[no], *take(others, mine).chunks])
        joined = pa.concat_arrays(new.chunks)
        chunks[no] = joined.take(pa.array(sources))
    return pa.chunked_array(chunks, values.type)


def _take_chunk(chunk: pa.Array, rows: Rows) -> pa.Array:
    return chunk.take(pa.array(rows, mask=rows < 0))


def _begins(values: pa.ChunkedArray) -> Rows:
    lengths = [len(chunk) for chunk in values.chunks]
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
