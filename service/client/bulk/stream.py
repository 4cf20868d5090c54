"""`UpsertStream`: vectors that are stored while further ones are sent."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeAlias
from uuid import uuid4

from numpy.typing import ArrayLike, NDArray

from gleann.index import Progress
from gleann.index.arrays import HeldIds
from gleann.index.errors import ConflictError, InvalidInputError
from gleann.index.ids.checks import hold_ids
from gleann.index.payload.payload import Payload
from gleann.index.texts import Texts
from gleann.service.client.bulk.exchange import (
    Batch,
    Exchange,
    RefusedBatch,
    Request,
)
from gleann.service.client.bulk.payload_values import given_payload, with_schema
from gleann.service.client.connection import Connection
from gleann.service.client.modes import Awaiting, Blocking, InMode, M, method, run
from gleann.service.client.reports import Wanted, reporting
from gleann.service.wire.arrays import fill_vectors, ids_to_wire, wire_array
from gleann.service.wire.paging import blocks_within, id_sizes
from gleann.v1 import vector_pb2

PART_BYTES = 4 * 1024 * 1024
"""What a batch is filled up to where more is sent at once: larger ones are not faster,
and the server logs those of up to 4 MiB together."""

PATIENCE = 60.0
"""Seconds that a stream waits for a server that does not answer."""

BatchOfRows: TypeAlias = tuple[Any, Any] | tuple[Any, Any, Any]
"""Ids, vectors and, if there are any, values of payload."""

Batches: TypeAlias = Iterable[BatchOfRows] | AsyncIterable[BatchOfRows]


class UpsertStream(InMode[M]):
    """A stream into an index, of `Client.vectors.stream`; for one thread or task.

    It is used in `with` (or `async with`), which ends it: all that was sent is on disk
    then. A stream that breaks goes on by itself in a new call: nothing is lost, and
    nothing is stored twice.

    Attributes:
        stream_id: names it; a later stream with it goes on behind its last batch.
        refused: the batches that are refused and not yet raised, unless a function
            takes them.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        stream_id: str = "",
        progress: Wanted = None,
        on_refused: Callable[[RefusedBatch], None] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Prepare a stream; arguments as `StreamCalls.stream`."""
        self._mode = connection.mode
        self._connection = connection
        self._name = name
        self.stream_id = stream_id or uuid4().hex
        self.refused: list[RefusedBatch] = []
        self._raises = on_refused is None
        self._stack = ExitStack()
        self._report = self._stack.enter_context(reporting(progress))
        self._exchange = Exchange(
            connection,
            vector_pb2.UpsertStart(index=name, stream_id=self.stream_id),
            patience=patience,
            heard=self._heard,
            refused=on_refused or self.refused.append,
        )
        self._last: int | None = None

    @property
    def sequence(self) -> int:
        """The last batch that is answered; 0 for none, and before the first message."""
        return self._exchange.sequence

    @property
    def count(self) -> int:
        """Vectors that the stream has stored, in all its calls."""
        return self._exchange.count

    @method
    async def send(
        self, ids: ArrayLike, vectors: ArrayLike, payload: Any = None
    ) -> None:
        """Send vectors; waits while as many batches as may be have no answer.

        Each call is a batch, or several of at most 4 MiB. A batch is stored whole or
        not at all; one that the server refuses is raised by `flush` and at the end.

        Args:
            ids: n distinct ids, as in `upsert`.
            vectors: (n, dim), as in `upsert`.
            payload: as in `upsert`.

        Raises:
            UnknownIndexError: no such index, or it was deleted since.
            InvalidInputError: what no message can hold; nothing is sent then.
            UnavailableError: no server answers for `patience` seconds.
            ConflictError: the stream goes on in a newer call.
            StorageError: a disk error.
        """
        await self._opened()
        assert self._last is not None
        for batch in await self._batches(ids, vectors, payload):
            self._last += 1
            batch.message.batch.sequence = self._last
            await self._exchange.send(batch)

    @method
    async def flush(self) -> int:
        """Wait until all that was sent is on disk, or refused.

        Returns:
            Vectors that the stream has stored, in all its calls.

        Raises:
            As `send`; and the error of the first batch that was refused.
        """
        await self._exchange.flush()
        self._raise_refused()
        return self.count

    @method
    async def close(self) -> int:
        """As `flush`, and end the stream."""
        try:
            await self._exchange.flush()
            await self._exchange.end()
        finally:
            self.cancel()
        self._raise_refused()
        return self.count

    @method
    async def send_all(self, batches: Batches) -> int:
        """Send batches and end the stream; those that it has already are left out.

        Batches are numbered from the first one: they must be those of the calls before.
        Where one cannot be sent, all before it are stored.

        Returns:
            Vectors that the stream has stored, in all its calls.

        Raises:
            As `flush`; and
            ConflictError: the stream has further batches, or other ones.
        """
        try:
            await self._opened()
            await self._send_all(batches)
        except InvalidInputError:
            # What was sent before the batch that cannot be is stored.
            await self._exchange.flush()
            self.cancel()
            raise
        except BaseException:
            self.cancel()
            raise
        return await UpsertStream.close.body(self)

    def cancel(self) -> None:
        """End the stream at once; batches without an answer may be stored or not."""
        self._exchange.cancel()
        self._stack.close()

    def __enter__(self: "UpsertStream[Blocking]") -> "UpsertStream[Blocking]":
        run(self._opened())
        return self

    def __exit__(
        self: "UpsertStream[Blocking]",
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.cancel()

    async def __aenter__(self: "UpsertStream[Awaiting]") -> "UpsertStream[Awaiting]":
        await self._opened()
        return self

    async def __aexit__(
        self: "UpsertStream[Awaiting]",
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self.cancel()

    async def _opened(self) -> Self:
        if self._last is None:
            try:
                await self._exchange.open()
            except BaseException:
                self.cancel()
                raise
            self._last = self._exchange.sequence
        return self

    async def _send_all(self, batches: Batches) -> None:
        stored, count = self._exchange.sequence, self._exchange.count
        number = left_out = 0
        async for rows in _each(batches):
            for batch in await self._batches(*rows):
                number += 1
                if number <= stored:
                    left_out += batch.count
                    continue
                batch.message.batch.sequence = self._last = number
                await self._exchange.send(batch)
        if number < stored or left_out < count:
            raise ConflictError(
                f"the stream {self.stream_id!r} has stored {count} vectors in {stored}"
                f" batches, these are {left_out} in {min(number, stored)}: other data"
            )
        if left_out > count:
            raise InvalidInputError(
                f"{left_out - count} of the {left_out} vectors in the batches 1 to"
                f" {stored} were refused by an earlier call"
            )

    async def _batches(
        self, ids: ArrayLike, vectors: ArrayLike, payload: Any = None
    ) -> list[Batch]:
        """Batches of some rows, without their numbers."""
        matrix = wire_array(vectors, name="vectors")
        held = hold_ids(ids, n=len(matrix))
        if payload is None:
            return await self._split(held, matrix, None)
        return await with_schema(
            self._connection,
            self._name,
            lambda schema: self._split(
                held, matrix, given_payload(payload, schema, n=len(matrix))
            ),
        )

    async def _split(
        self, ids: HeldIds, matrix: NDArray[Any], payload: Payload | None
    ) -> list[Batch]:
        sizes = id_sizes(ids) + matrix.shape[1] * matrix.itemsize
        if payload is not None:
            from gleann.service.wire.payload_messages import payload_sizes

            sizes = sizes + payload_sizes(payload)
        limits = await self._connection.limits()
        parts = blocks_within(
            sizes, limits, name="vectors", most=limits.rows, chunk_bytes=PART_BYTES
        )
        return [_batch(ids, matrix, payload, part) for part in parts]

    def _heard(self) -> None:
        if self._report is not None:
            self._report(Progress(phase="upsert", done=self.count, total=0))

    def _raise_refused(self) -> None:
        """Raise the first batch that was refused, and forget them all."""
        refused, self.refused = self.refused, []
        if refused and self._raises:
            first = refused[0]
            others = f"; {len(refused) - 1} more are refused" if refused[1:] else ""
            raise type(first.error)(f"{first}{others}") from first.error


def _batch(
    ids: HeldIds, matrix: NDArray[Any], payload: Payload | None, part: slice
) -> Batch:
    held = ids[part]
    message = Request()
    message.batch.ids.CopyFrom(ids_to_wire(held))
    fill_vectors(message.batch.vectors, matrix[part])
    if payload is not None:
        from gleann.service.wire.payload_messages import payload_to_wire

        values = payload_to_wire(payload.slice(part.start, part.stop))
        message.batch.payload.CopyFrom(values)
    ends = held[:1], held[-1:]
    first, last = (
        str(one.to_numpy()[0]) if isinstance(one, Texts) else int(one[0])
        for one in ends
    )
    return Batch(
        message=message,
        count=part.stop - part.start,
        ends=(first, last),
    )


async def _each(batches: Batches) -> AsyncIterator[BatchOfRows]:
    if isinstance(batches, AsyncIterable):
        async for one in batches:
            yield one
    else:
        for one in batches:
            yield one
