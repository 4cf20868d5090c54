"""The payload of an import: which columns of a file become columns of the index."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gleann.index.data.payload_files import BLOCK_ROWS, PayloadFile
from gleann.index.errors import InvalidInputError
from gleann.index.parallel.blocks import block_slices
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema

ID_COLUMN = "id"
"""A name that no column of payload can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPayload:
    """Columns of a file that are imported.

    Attributes:
        file: the file; None for an import without payload.
        names: the columns that are read.
        added: those of them that the index does not have.
        ignored: columns that are not read although none were named.
    """

    file: PayloadFile | None = None
    names: tuple[str, ...] = ()
    added: tuple[Column, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """About the bytes that the values take on disk: those of the file."""
        if self.file is None or not self.names:
            return 0
        return sum(path.stat().st_size for path in self.file.paths)

    def blocks(self, schema: Schema, *, n: int) -> Iterator[Payload]:
        """The payload of n rows, block by block, with null in all other columns.

        Args:
            schema: that of the blocks; it has the columns that are read.
            n: rows of the file.

        Raises:
            InvalidInputError: a value that its column cannot hold.
            DimensionMismatchError: another number of rows.
        """
        if self.file is None or not self.names:
            for block in block_slices(n, BLOCK_ROWS):
                yield Payload.nulls(schema, block.stop - block.start)
            return
        read = schema.select(self.names)
        for values in self.file.blocks(read, n=n):
            yield values.with_schema(schema)


def chosen_payload(
    file: PayloadFile,
    schema: Schema,
    *,
    index: str,
    wanted: Sequence[str],
    add: bool,
    leave_out: Sequence[str],
) -> ImportPayload:
    """Choose the columns of a file that an import takes.

    Args:
        file: the file.
        schema: the columns of the index.
        index: its name.
        wanted: the columns to take; none takes those that the index has, or with `add`
            all that payload can hold.
        add: whether columns that the index does not have are added to it.
        leave_out: columns that are no payload: the vectors and the ids. A column "id"
            never is one.

    Raises:
        InvalidInputError: a wanted column that is not in the file, is no payload, or is
            not in the index while `add` is not set.
    """
    names = tuple(dict.fromkeys(wanted))
    no_payload = {*leave_out, ID_COLUMN}
    if clash := [name for name in names if name in no_payload]:
        raise InvalidInputError(
            f"columns has {clash[0]!r}, which {file.path.name} has as vectors or ids"
        )
    if names:
        there = file.schema(names)
    elif add:
        there = file.possible(leave_out=tuple(no_payload))
    else:
        inside = set(file.names) - no_payload
        taken = tuple(name for name in schema.names if name in inside)
        return ImportPayload(
            file=file, names=taken, ignored=_others(file, (*taken, *leave_out))
        )
    added = tuple(one for one in there.columns if one.name not in schema.names)
    if added and not add:
        raise InvalidInputError(_refusal(index, added))
    schema.with_columns(added)  # refuses names that differ in case only
    ignored = () if names else _others(file, (*there.names, *leave_out))
    return ImportPayload(file=file, names=there.names, added=added, ignored=ignored)


def peeked_payload(
    file: PayloadFile,
    schema: Schema,
    *,
    index: str,
    wanted: Sequence[str],
    add: bool,
    leave_out: Sequence[str],
) -> ImportPayload:
    """As `chosen_payload`, as far as the beginning of a file shows.

    Args:
        file: of `PayloadFile.peek`.
        schema: as there.
        index: as there.
        wanted: as there.
        add: as there.
        leave_out: as there.

    Raises:
        InvalidInputError: what `chosen_payload` is certain to refuse.
    """
    if wanted and not file.has_all_names:
        # Later rows may have the others.
        seen = [n for n in wanted if n in (*file.names, *leave_out, ID_COLUMN)]
        if not seen:
            return ImportPayload(file=file, names=tuple(wanted))
        wanted = seen
    return chosen_payload(
        file, schema, index=index, wanted=wanted, add=add, leave_out=leave_out
    )


def _others(file: PayloadFile, known: Sequence[str]) -> tuple[str, ...]:
    """The columns of a file but some."""
    return tuple(name for name in file.names if name not in known)


def _refusal(index: str, missing: Sequence[Column]) -> str:
    listed = ", ".join(f'"{one.name}": "{one.type}"' for one in missing)
    return (
        f"{index!r} has no column {missing[0].name!r}: add_columns adds those that are"
        f" missing, or declare them first: client.indexes.update({index!r},"
        f" add_columns={{{listed}}})"
    )
