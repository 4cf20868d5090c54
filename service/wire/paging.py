"""Split large requests and responses into messages by size in bytes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import DimensionMismatchError, LimitError
from gleann.index.ids.checks import hold_id_array
from gleann.index.texts import Texts
from gleann.service.values import Limits, Selected

CHUNK_BYTES = 16 * 1024 * 1024
"""What a message is filled up to: large enough that calls cost little."""

ENVELOPE_BYTES = 64 * 1024
"""Room for what a message holds beside its rows."""

Sizes = NDArray[np.int64]
"""Bytes (n,) that each of n rows takes in a message."""


def message_room(limits: Limits) -> int:
    """Maximum bytes of rows in one message."""
    cap = limits.message_bytes
    return cap - min(ENVELOPE_BYTES, cap // 4)


def id_sizes(ids: HeldIds) -> Sizes:
    """Bytes of each id: 8 for an integer; UTF-8 length + 4 for a string."""
    if isinstance(ids, Texts):
        return ids.lengths + 4
    return np.full(len(ids), 8, np.int64)


def blocks_within(
    sizes: Sizes,
    limits: Limits,
    *,
    name: str,
    most: int | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> list[slice]:
    """Split n rows into blocks, one per message; one empty block if n is 0.

    Args:
        sizes: bytes of each row.
        limits: of the server.
        name: of the rows, for error messages.
        most: maximum number of rows in a block.
        chunk_bytes: what a message is filled up to, if it may be so large.

    Raises:
        LimitError: a row above the message limit.
    """
    require_sendable(sizes, limits, name=name)
    budget = min(chunk_bytes, _block_bytes(limits))
    before = np.concatenate([[0], np.cumsum(sizes)])
    blocks: list[slice] = []
    start = 0
    while start < len(sizes) or not blocks:
        stop = int(np.searchsorted(before, before[start] + budget, side="right")) - 1
        stop = max(start + 1, min(stop, start + (most or len(sizes))))
        blocks.append(slice(start, min(stop, len(sizes))))
        start = stop
    return blocks


def even_blocks(
    n: int, row_bytes: int, limits: Limits, *, name: str, most: int
) -> list[slice]:
    """As `blocks_within`, of rows of one size: without an array, for single queries."""
    if row_bytes > message_room(limits):
        require_sendable(np.full(n, row_bytes), limits, name=name)
    step = max(1, min(most, _block_bytes(limits) // max(1, row_bytes)))
    return [slice(begin, min(begin + step, n)) for begin in range(0, max(1, n), step)]


def _block_bytes(limits: Limits) -> int:
    """Bytes of rows in one message.

    Half of its room, since a search has queries and the ids of a filter in it.
    """
    return min(CHUNK_BYTES, message_room(limits) // 2)


def require_sendable(sizes: Sizes, limits: Limits, *, name: str) -> None:
    """Refuse a row above the message limit.

    Raises:
        LimitError: with both numbers.
    """
    if (large := np.flatnonzero(sizes > message_room(limits))).size:
        raise LimitError(
            f"{name} row {large[0]} takes {sizes[large[0]]} bytes, a message may have"
            f" {limits.message_bytes}"
        )


def as_answers(
    values: ArrayLike, *, n: int, name: str = "labels"
) -> NDArray[np.generic]:
    """Return the answers for n ids as an array with one entry or row per id.

    Raises:
        DimensionMismatchError: not n of them.
    """
    array = np.asarray(values)
    if array.ndim == 0 or len(array) != n:
        raise DimensionMismatchError(
            f"{name} has shape {array.shape}, expected one entry for each of {n} ids"
        )
    return array


def answer_sizes(ids: HeldIds, answers: NDArray[np.generic]) -> Sizes:
    """Bytes (n,) of each id, its answers (8 per number) and a value."""
    each = answers.size // max(1, len(ids)) + 1
    return id_sizes(ids) + 8 * each


def page_within(sizes: Sizes, limits: Limits, *, start: int, name: str) -> slice:
    """The rows of the page at `start`: as many as fit in a message.

    Raises:
        LimitError: a row above the message limit.
    """
    blocks = blocks_within(sizes[start:], limits, name=name)
    return slice(start, start + blocks[0].stop)


def page_of(
    selected: Selected, limits: Limits, *, start: int, most: int | None = None
) -> tuple[Selected, int | None]:
    """The items of the page at `start`, and the start of the next page.

    Raises:
        LimitError: an item above the message limit.
    """
    page = page_within(item_sizes(selected), limits, start=start, name="items")
    stop = page.stop if most is None else min(page.stop, start + most)
    part = Selected(
        ids=selected.ids[start:stop],
        scores=selected.scores[start:stop],
        weights=selected.weights[start:stop],
        why={name: values[start:stop] for name, values in selected.why.items()},
        summary=selected.summary,
        provenance=selected.provenance,
    )
    return part, stop if stop < len(selected) else None


def page_of_groups(
    batches: Mapping[str, Selected], limits: Limits, *, start: int
) -> tuple[dict[str, Selected], int | None]:
    """Like `page_of`, for all batches in order.

    A page has all batches, or items of one batch if all together exceed a message.
    """
    every = sum(int(item_sizes(batch).sum()) for batch in batches.values())
    if start == 0 and every <= message_room(limits):
        return dict(batches), None
    total, before = sum(map(len, batches.values())), 0
    for group, batch in batches.items():
        if start < before + len(batch):
            part, more = page_of(batch, limits, start=start - before)
            following = before + (len(batch) if more is None else more)
            return {group: part}, following if following < total else None
        before += len(batch)
    return {}, None


def item_sizes(selected: Selected) -> Sizes:
    """Bytes (m,) of each item in a message."""
    sizes = id_sizes(hold_id_array(selected.ids)) + 8
    for values in selected.why.values():
        sizes += _value_sizes(values)
    return sizes


def _value_sizes(values: NDArray[np.generic]) -> Sizes:
    if values.dtype.kind == "U":
        return id_sizes(Texts.of_texts(values.tolist()))
    return np.full(len(values), 8, np.int64)
