"""Ids in a column, checked before they take memory.

Integers stay integers; texts, of any of Arrow's types and dictionaries of them, stay
texts; UUIDs, of Arrow's type or as 16 bytes each, become their text.
"""

from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.data.columns import Columns, Part, require_once, stored
from gleann.index.data.vector_columns import reading
from gleann.index.errors import DuplicateIdError, InvalidInputError
from gleann.index.ids.checks import MAX_ID_BYTES, UUID_BYTES, hold_ids
from gleann.index.ids.held import joined_ids, kind_of, shown_id
from gleann.index.payload.kinds import is_text
from gleann.index.texts import Texts

ID_ROWS = 16_384
"""Rows whose ids are decoded at once."""


def read_ids(columns: Columns, name: str) -> HeldIds:
    """All ids of a column, distinct.

    Raises:
        InvalidInputError: a null or an empty text, or other values than ids; names the
            row.
        DuplicateIdError: an id twice.
        CorruptDataError: a file was changed meanwhile.
    """
    for piece in columns.pieces:
        require_once(piece, [name])
        require_ids(piece.shown, name, piece.schema.field(name).type)
    # As dictionaries: a short file may repeat a long text a million times.
    held: list[HeldIds] = []
    for part in columns.parts([name], rows=ID_ROWS, words=True):
        with reading(part.shown):
            held.append(ids_of_part(part, name))
        if kind_of(held[-1]) != kind_of(held[0]):
            raise InvalidInputError(
                f"{part.shown}: column {name!r} has {kind_of(held[-1])} as ids from row"
                f" {part.first} on, and {kind_of(held[0])} before"
            )
    if not held:
        return np.empty(0, np.int64)
    return hold_ids(joined_ids(held), n=columns.count, name=f"{columns.shown}: {name}")


def ids_of_part(part: Part, name: str) -> HeldIds:
    """Ids of some rows; `read_ids` has the errors."""
    column = part.batch.column(0)
    if column.null_count:
        _refuse_empty(part, name, column.is_null())
    if pa.types.is_dictionary(column.type):
        _require_words(part, column, name)
        column = column.dictionary_decode()
    kind = stored(column.type)
    if pa.types.is_integer(kind):
        return _integers(part, name, column)
    if not is_text(kind):
        values = column.cast(kind).to_pylist()
        return Texts.of_texts([str(UUID(bytes=value)) for value in values])
    texts = column.cast(pa.large_string())
    texts.validate(full=True)
    if pc.any(empty := pc.equal(texts, "")).as_py():
        _refuse_empty(part, name, empty)
    return Texts.of_arrow(texts)


def _integers(part: Part, name: str, column: Any) -> NDArray[np.int64]:
    """Integers as int64, which ids of 64 bits without a sign may exceed."""
    numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    most = np.iinfo(np.int64).max
    if len(numbers) and int(numbers.max()) > most:
        row = int(numbers.argmax())
        raise InvalidInputError(
            f"{part.shown}: row {part.first + row}: {name} is {numbers[row]}, ids are"
            f" at most {most}"
        )
    return numbers.astype(np.int64)


def holds_ids(kind: Any) -> bool:
    """Whether a column of this type can hold ids."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    kind = stored(kind)
    if pa.types.is_fixed_size_binary(kind):
        return bool(kind.byte_width == UUID_BYTES)
    return bool(pa.types.is_integer(kind)) or is_text(kind)


def require_ids(shown: str, name: str, kind: Any) -> None:
    """Refuse a column that can hold no ids, by its type.

    Raises:
        InvalidInputError: names the type.
    """
    if not holds_ids(kind):
        raise InvalidInputError(
            f"{shown}: column {name!r} must hold integers or texts as ids, got {kind}"
        )


def _refuse_empty(part: Part, name: str, empty: Any) -> None:
    flags = empty.to_numpy(zero_copy_only=False)
    raise InvalidInputError(
        f"{part.shown}: row {part.first + int(flags.argmax())}: {name} is empty"
        f" ({int(flags.sum())} of {len(flags)} rows are)"
    )


def _require_words(part: Part, column: Any, name: str) -> None:
    """Refuse long and duplicate ids before they are decoded to full size."""
    words = column.dictionary
    if is_text(words.type):
        lengths = pc.binary_length(words.cast(pa.large_string()))
        longest = pc.max(lengths).as_py() or 0
        if longest > MAX_ID_BYTES:
            raise InvalidInputError(
                f"{part.shown}: {name} has an id of {longest} bytes in UTF-8, at most"
                f" {MAX_ID_BYTES} are kept"
            )
    numbers = column.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(numbers, kind="stable")
    same = np.flatnonzero(numbers[order[1:]] == numbers[order[:-1]])
    if same.size:
        row, again = int(order[same[0]]), int(order[same[0] + 1])
        twice = words.take(column.indices.slice(row, 1))[0].as_py()
        raise DuplicateIdError(
            f"{part.shown}: {name} has {shown_id(twice)} in the rows"
            f" {part.first + row} and {part.first + again}"
        )
