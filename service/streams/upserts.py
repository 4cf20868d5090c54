"""`UpsertStream`: one call of a stream of upserts, without its transport."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gleann.index.errors import (
    GleannError,
    InvalidInputError,
    InvalidParamsError,
    LimitError,
)
from gleann.service.calls.context import current_call
from gleann.service.row_operations import RowOperations
from gleann.service.status import status_of
from gleann.service.streams.batch import Upserting, upserting
from gleann.service.streams.positions import Claim, Position, Positions
from gleann.service.values import IndexVersion
from gleann.service.wire import index_messages
from gleann.v1 import vector_pb2

Request = vector_pb2.StreamUpsertVectorsRequest
Response = vector_pb2.StreamUpsertVectorsResponse

REFUSALS = (InvalidInputError, InvalidParamsError, LimitError)
"""Errors of a batch, after which the stream goes on; others end it."""


@dataclass(slots=True, eq=False)
class _Batch:
    """A batch on its way.

    Attributes:
        sequence: its number.
        is_new: whether it has no answer yet.
        ready: the batch, unless it is refused.
        refusal: why it is.
        version: the first state with it, once it is stored.
        total: vectors stored by the stream up to it.
    """

    sequence: int
    is_new: bool
    ready: Upserting | None = None
    refusal: GleannError | None = None
    version: IndexVersion | None = None
    total: int = 0


class UpsertStream:
    """Reads the messages of a call and answers them; one thread at a time.

    Attributes:
        index: its index; "" before the start.
        count: vectors stored by this call.
        is_over: whether the end has come: no message may follow.
    """

    def __init__(
        self, rows: RowOperations, positions: Positions, *, window: int
    ) -> None:
        """Prepare a call.

        Args:
            rows: what stores batches.
            positions: of all streams.
            window: batches that the client may have without an answer.
        """
        self._rows = rows
        self._positions = positions
        self._window = window
        self._claim: Claim | None = None
        self._position = Position()
        self._last_read = 0
        self.index = ""
        self.count = 0
        self.is_over = False

    def answers(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer the messages that are there now; batches are stored together.

        Yields:
            Answers, in order; those of batches once they are on disk.

        Raises:
            The error that ends the stream, after the answers to what was before it.
        """
        batches: list[_Batch] = []
        try:
            for request in requests:
                kind = request.WhichOneof("message")
                self._require_turn(kind)
                if kind == "start":
                    yield self._start(request.start)
                elif kind == "batch":
                    batches.append(self._read(request.batch))
                else:
                    self.is_over = True
        except GleannError:
            yield from self._stored(batches)
            raise
        yield from self._stored(batches)

    def require_over(self) -> None:
        """Refuse that no message follows where there was no end.

        Raises:
            InvalidInputError: with the last batch that was read.
        """
        if not self.is_over:
            raise InvalidInputError(
                f"the stream stops after batch {self._last_read} without an end"
            )

    def close(self) -> None:
        """Store nothing any more: the call has ended."""
        if self._claim is not None:
            self._positions.leave(self._claim)

    def _require_turn(self, kind: str | None) -> None:
        """Refuse a message that may not come now."""
        if self.is_over:
            raise InvalidInputError("a message follows the end of the stream")
        if kind is None:
            raise InvalidInputError("a message has no start, batch or end")
        if (kind == "start") != (self._claim is None):
            raise InvalidInputError(
                "the stream has two starts"
                if kind == "start"
                else f"the first message of a stream is a start, this is its {kind}"
            )

    def _start(self, start: vector_pb2.UpsertStart) -> Response:
        view = self._rows.registry.view(start.index)
        owner = current_call().caller.name
        self._claim = Claim(owner, start.stream_id, start.index, view.number)
        self._position = self._positions.take(self._claim)
        self.index = start.index
        self._last_read = self._position.sequence
        started = vector_pb2.UpsertStarted(
            sequence=self._position.sequence,
            window=self._window,
            count=self._position.count,
        )
        return Response(started=started)

    def _read(self, message: vector_pb2.UpsertBatch) -> _Batch:
        """Check a batch; it is refused later, in its turn, if it is wrong."""
        sequence, following = message.sequence, self._last_read + 1
        if not 1 <= sequence <= following:
            raise InvalidInputError(
                f"batch {sequence} comes where batch {following} is the next"
            )
        batch = _Batch(sequence, is_new=sequence == following)
        try:
            batch.ready = upserting(self._rows, self.index, message)
        except REFUSALS as error:
            batch.refusal = error
        self._last_read = max(self._last_read, sequence)
        return batch

    def _stored(self, batches: list[_Batch]) -> Iterator[Response]:
        """Store batches in one transaction, and yield their answers."""
        new = [batch for batch in batches if batch.is_new]
        while new and not self._store(new):
            pass  # once more, without the one that was refused
        yield from self._answers(batches)

    def _store(self, batches: list[_Batch]) -> bool:
        """Store new batches; False if one was refused, and nothing is stored."""
        assert self._claim is not None
        total, trying = self._position.count, batches[0]
        try:
            with self._positions.changing(self._claim) as transaction:
                for trying in batches:
                    if trying.ready is not None:
                        trying.version = trying.ready.store()
                        total += trying.ready.count
                    trying.total = total
                position = Position(batches[-1].sequence, total)
                self._positions.keep(transaction, self._claim, position)
        except REFUSALS as error:
            if trying.ready is None:
                raise
            trying.ready, trying.refusal = None, error
            return False
        self.count += total - self._position.count
        self._position = position
        return True

    def _answers(self, batches: list[_Batch]) -> Iterator[Response]:
        """Refusals, and one acknowledgement for all batches between them."""
        acknowledged: _Batch | None = None
        for batch in batches:
            if batch.refusal is None:
                acknowledged = batch
                continue
            if acknowledged is not None:
                yield self._acknowledged(acknowledged)
                acknowledged = None
            error = status_of(batch.refusal)
            refused = vector_pb2.UpsertRefused(sequence=batch.sequence, error=error)
            yield Response(refused=refused)
        if acknowledged is not None:
            yield self._acknowledged(acknowledged)

    def _acknowledged(self, batch: _Batch) -> Response:
        version, total = batch.version, batch.total
        if version is None:  # it was stored before
            version = self._rows.registry.view(self.index).state
            total = self._position.count
        acknowledged = vector_pb2.UpsertAcknowledged(
            sequence=batch.sequence,
            count=total,
            version=index_messages.version_to_wire(version),
        )
        return Response(acknowledged=acknowledged)


class UpsertStreams:
    """Makes the streams of a data directory."""

    def __init__(self, rows: RowOperations, positions: Positions) -> None:
        self._rows = rows
        self._positions = positions

    @property
    def claimed(self) -> int:
        """Number of streams with a name that a call has."""
        return self._positions.claimed

    def open(self, *, window: int) -> UpsertStream:
        """A call of a stream, whose client has so many batches without an answer."""
        return UpsertStream(self._rows, self._positions, window=window)

    def answered(self, requests: Iterator[Request]) -> Iterator[Response]:
        """Answer a stream in process: each message by itself, when it is asked for."""
        stream = self.open(window=1)
        try:
            for request in requests:
                yield from stream.answers([request])
            stream.require_over()
        finally:
            stream.close()
