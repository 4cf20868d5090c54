"""`Dataset`: vectors with their ids and their payload, read when they are needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Ids
from gleann.index.data.sliced_rows import SlicedRows
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.held import to_numpy
from gleann.index.parallel.blocks import block_slices
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.texts import Texts

if TYPE_CHECKING:
    from gleann.index.data.payload_files import PayloadFile

BATCH_ROWS = 65_536

RowReader: TypeAlias = SlicedRows | NDArray[Any]
"""Rows (n, d) with a dtype and a shape, read by slices; `np.asarray` reads all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The payload that is taken.

    Attributes:
        file: where it is read from.
        schema: the columns.
    """

    file: "PayloadFile"
    schema: Schema


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Some rows; it unpacks to ids, vectors and payload, as `upload` of clients takes.

    Attributes:
        ids: (m,), int64 or strings.
        vectors: (m, d), of the stored dtype.
        payload: (m,) of the columns that are taken, maybe none.
    """

    ids: Ids
    vectors: NDArray[Any]
    payload: Payload

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.ids, self.vectors, self.payload))


class Dataset:
    """Vectors with ids and payload, of a file, a folder or a table.

    Make one with `gleann.data.open`. `SoarIndex.build` and `SoarIndex.build_on_disk`
    take it in place of vectors, and its ids and payload with it.

    Attributes:
        name: what messages call it.
        vectors: (n, d), of the stored dtype; a slice without a step reads its rows, and
            `np.asarray` all of them.
        note: what a user may want to know, such as why ids are row numbers; "" for
            nothing.
        table: all columns of the source, taken or not; None where it has none.
    """

    def __init__(
        self,
        name: str,
        vectors: RowReader,
        *,
        read_ids: Callable[[], HeldIds] | None,
        taken: Taken | None,
        table: "PayloadFile | None" = None,
        note: str = "",
    ) -> None:
        self.name = name
        self.vectors = vectors
        self.note = note
        self.table = table
        self._read_ids = read_ids
        self._ids: HeldIds | None = None
        self._taken = taken

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    def __repr__(self) -> str:
        columns = ", ".join(self.schema.names)
        return (
            f"<gleann.data.Dataset {self.name!r:.80}: {self.vectors.shape},"
            f" {self.vectors.dtype}" + (f", {columns:.200}>" if columns else ">")
        )

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self.vectors.shape[1])

    @property
    def held_ids(self) -> HeldIds | None:
        """(n,) distinct ids, read at the first look; None where rows are numbered.

        Raises:
            InvalidInputError: ids that are none, or not n of them; names the row.
            DuplicateIdError: an id twice.
        """
        if self._ids is None and self._read_ids is not None:
            ids = self._read_ids()
            if len(ids) != len(self):
                raise DimensionMismatchError(
                    f"{self.name} has {len(ids)} ids for {len(self)} vectors"
                )
            self._ids = ids
        return self._ids

    @property
    def ids(self) -> Ids:
        """(n,) the ids, int64 or strings; row numbers where there are none."""
        held = self.held_ids
        return np.arange(len(self)) if held is None else to_numpy(held)

    @property
    def schema(self) -> Schema:
        """The columns of payload that are taken."""
        return Schema() if self._taken is None else self._taken.schema

    def payload_blocks(self) -> Iterator[Payload]:
        """(n,) the payload in order, in blocks of any size.

        Raises:
            InvalidInputError: a value that its column cannot hold; names the row.
            DimensionMismatchError: another number of rows than vectors.
        """
        if self._taken is None:
            for block in block_slices(len(self), BATCH_ROWS):
                yield Payload.nulls(Schema(), block.stop - block.start)
            return
        yield from self._taken.file.blocks(self._taken.schema, n=len(self))

    def payload(self) -> Payload | None:
        """(n,) the payload in memory; None without columns; errors as the blocks."""
        if self._taken is None:
            return None
        parts = list(self.payload_blocks())
        return Payload.concat(parts) if parts else Payload.empty(self.schema)

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[Batch]:
        """All rows in order, at most `rows` at a time; ids alone are held whole.

        Raises:
            As `held_ids` and `payload_blocks`, and what reads vectors.
        """
        from gleann.index.data.payload_reader import PayloadReader

        held = self.held_ids
        payload = PayloadReader(self.payload_blocks())
        for block in block_slices(len(self), rows):
            batch = Batch(
                ids=_ids_of(held, block),
                vectors=np.asarray(self.vectors[block]),
                payload=payload.next(block.stop - block.start),
            )
            if block.stop == len(self):
                payload.require_end()  # a file may have more rows than vectors
            yield batch

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` in memory: id, vector as lists of one length, and payload.

        Raises:
            InvalidInputError: payload has a column "vector".
            Others as `held_ids` and `payload_blocks`, and what reads vectors.
        """
        import pyarrow as pa

        matrix = np.ascontiguousarray(np.asarray(self.vectors))
        numbers = matrix.astype(matrix.dtype.newbyteorder("=")).reshape(-1)
        lists = _arrow_lists(pa.array(numbers), self.vectors.shape)
        held = self.held_ids
        ids = pa.array(np.arange(len(self))) if held is None else _arrow_ids(held)
        columns = {"id": ids, "vector": lists}
        if clash := sorted(columns.keys() & set(self.schema.names)):
            raise InvalidInputError(
                f"{self.name} has a column of payload {clash[0]!r}, which is the name of"
                " the vectors here: leave it out of columns"
            )
        payload = self.payload()
        if payload is not None:
            table = payload.to_arrow()
            columns |= {name: table[name] for name in table.column_names}
        return pa.table(columns)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` of `to_arrow`, with an array a row as the vector."""
        return self.to_arrow().to_pandas()


def _ids_of(held: HeldIds | None, block: slice) -> Ids:
    return np.arange(block.start, block.stop) if held is None else to_numpy(held[block])


def _arrow_lists(numbers: Any, shape: tuple[int, ...]) -> Any:
    """Numbers as lists (n,) of d each; where d is 0, of no fixed length."""
    import pyarrow as pa

    if shape[1]:
        return pa.FixedSizeListArray.from_arrays(numbers, shape[1])
    return pa.array([[]] * shape[0], pa.list_(numbers.type))


def _arrow_ids(held: HeldIds) -> Any:
    import pyarrow as pa

    return held.to_arrow() if isinstance(held, Texts) else pa.array(held)
