"""Pages of tables as bytes of Arrow."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from gleann.index.errors import InvalidInputError, LimitError, UnknownColumnError


def packed_page(
    table: Any, columns: Sequence[str], *, start: int, most: int, room: int
) -> tuple[bytes, int | None]:
    """A page of a table in the streaming format of Arrow IPC.

    Args:
        table: a `pyarrow.Table`.
        columns: those to return, in this order; all if empty.
        start: first line.
        most: lines to return.
        room: bytes that they may take.

    Returns:
        The bytes, and the first line of the next page, None on the last.

    Raises:
        UnknownColumnError: the table has no such column.
        InvalidInputError: a column twice.
        LimitError: a single line takes more than `room` bytes.
    """
    part = _with_columns(table, columns).slice(start, most)
    while part.nbytes > room and len(part) > 1:
        part = part.slice(0, max(1, len(part) * room // (part.nbytes + 1)))
    packed = _packed(part)
    while len(packed) > room:
        if len(part) <= 1:
            raise LimitError(
                f"line {start} takes {len(packed)} bytes, a message has room for"
                f" {room}: name fewer columns"
            )
        part = part.slice(0, len(part) // 2)
        packed = _packed(part)
    following = start + len(part)
    return packed, following if following < len(table) else None


def joined_pages(pages: Iterable[bytes]) -> Any:
    """A `pyarrow.Table` of all pages of a table, at least one."""
    import pyarrow as pa

    tables = [pa.ipc.open_stream(page).read_all() for page in pages]
    return pa.concat_tables(tables)


def _packed(part: Any) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.schema) as writer:
        writer.write_table(part)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _with_columns(table: Any, columns: Sequence[str]) -> Any:
    if not columns:
        return table
    (name, count), *_ = Counter(columns).most_common(1)
    if count > 1:
        raise InvalidInputError(f"column {name[:80]!r} is named {count} times")
    if unknown := [name for name in columns if name not in table.column_names]:
        raise UnknownColumnError(
            f"there is no column {unknown[0][:80]!r}: there are"
            f" {', '.join(table.column_names)}"
        )
    return table.select(list(columns))
