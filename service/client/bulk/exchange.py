"""`Exchange`: sends the batches of a stream, and again those that a break lost."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from gleann.index.errors import (
    ConflictError,
    DeadlineError,
    GleannError,
    OverloadedError,
    ServiceError,
    UnavailableError,
)
from gleann.service.calls.process import OwnProcess
from gleann.service.client.connection import Connection
from gleann.service.client.link.streams import Stream
from gleann.service.status import error_of
from gleann.v1 import vector_pb2

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two attempts to open a stream again."""

FIRST_PATIENCE = 6.0
"""Seconds that a server has to answer the first time, as for other calls."""

RESUMED = (UnavailableError, DeadlineError, OverloadedError)
"""After these a stream goes on in a new call: no server answered, it was silent for too
long, or the server had no place for it."""

Request = vector_pb2.StreamUpsertVectorsRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedBatch:
    """A batch that was not stored.

    Attributes:
        sequence: its number in the stream.
        count: of its vectors.
        first_id: the id of its first vector.
        last_id: that of its last one.
        error: why.
    """

    sequence: int
    count: int
    first_id: int | str
    last_id: int | str
    error: GleannError

    def __str__(self) -> str:
        return (
            f"batch {self.sequence} ({self.count} vectors, ids {self.first_id!r} to"
            f" {self.last_id!r}) is refused: {self.error}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch that is sent.

    Attributes:
        message: the request.
        count: of its vectors.
        ends: the ids of its first and its last vector.
    """

    message: Request
    count: int
    ends: tuple[int | str, int | str]


class Exchange:
    """Batches of one stream and their answers; keeps batches until they are answered.

    Attributes:
        sequence: of the last batch that is answered.
        count: vectors stored by the stream, in all its calls.
        heard: called after each answer.
        refused: called with each batch that is refused.
    """

    def __init__(
        self,
        connection: Connection,
        start: vector_pb2.UpsertStart,
        *,
        patience: float,
        heard: Callable[[], None],
        refused: Callable[[RefusedBatch], None],
    ) -> None:
        """Prepare a stream; the first use opens it.

        Args:
            connection: to the server.
            start: index and stream_id.
            patience: seconds to try again while no server answers.
            heard: called after each answer.
            refused: called with each batch that is refused.
        """
        self._connection = connection
        self._start = start
        self._patience = patience
        self.heard = heard
        self.refused = refused
        self.sequence = self.count = 0
        self._window = 1
        self._call: Stream | None = None
        self._was_open = self._has_ended = False
        self._failure: BaseException | None = None
        self._process = OwnProcess()
        self._unanswered: deque[Batch] = deque()

    async def open(self) -> None:
        """Open the stream, and learn how far it has come."""
        await self._try(_nothing)

    async def send(self, batch: Batch) -> None:
        """Send a batch; waits while as many as may be have no answer."""
        self._require_good()
        if self._has_ended:
            raise ServiceError("the stream has ended: open another one")
        self._unanswered.append(batch)
        if self._call is None:
            await self.open()  # sends it too
        else:
            await self._call.send(batch.message)
        while len(self._unanswered) >= self._window:
            await self._try(self._read)

    async def flush(self) -> None:
        """Wait until all batches are answered."""
        self._require_good()
        while self._unanswered:
            await self._try(self._read)

    async def end(self) -> None:
        """End the stream, all of whose batches are answered."""
        call, self._call = self._call, None
        if call is None:
            return
        try:
            await call.send(Request(end=vector_pb2.UpsertEnd()))
            await call.half_close()
            while await call.read() is not None:
                pass
        except RESUMED:
            return  # all is stored: the end changes nothing
        finally:
            call.cancel()

    def cancel(self) -> None:
        """End the stream; batches without an answer may be stored or not."""
        self._has_ended = True
        self._unanswered.clear()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._process.forked:
            return  # the call is that of the process that opened it
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _require_good(self) -> None:
        """Refuse further use of a stream that has failed, or that is another process's.

        Raises:
            ServiceError: with the failure, or with both processes.
        """
        self._process.require()
        if (failure := self._failure) is not None:
            why = str(failure) or type(failure).__name__
            raise ServiceError(f"the stream has failed: {why}")

    async def _try(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step, in a new call if the old one breaks."""
        ends, pause = None, FIRST_PAUSE
        while True:
            try:
                if self._call is None:
                    await self._open()
                await step()
            except RESUMED as error:
                self._hang_up()
                now = monotonic()
                ends = now + self._patience_now() if ends is None else ends
                if isinstance(error, OverloadedError):
                    pause = max(pause, error.retry_seconds)
                if now + pause >= ends:
                    self._failure = error
                    raise
                await self._connection.mode.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except BaseException as error:
                self._failure = error
                self._hang_up()
                raise
            else:
                return

    def _patience_now(self) -> float:
        """Seconds to try again: few at first, where the address may be wrong."""
        most = self._patience
        return most if self._was_open else min(most, FIRST_PATIENCE)

    async def _open(self) -> None:
        self._call = call = await self._connection.stubs.vector.StreamUpsertVectors()
        await call.send(Request(start=self._start))
        started = _present(await call.read()).started
        if self._was_open:
            self._require_own(started.sequence)
        if not self._was_open:
            self.sequence, self.count = started.sequence, started.count
        self._was_open = True
        self._window = started.window
        # Also those that the server had answered: it answers them again.
        for batch in self._unanswered:
            await call.send(batch.message)

    def _require_own(self, last: int) -> None:
        """Refuse to go on behind batches of others, or in place of lost ones.

        Raises:
            ConflictError: with the last batch of the server, and of this stream.
        """
        sent = self.sequence + len(self._unanswered)
        if self.sequence <= last <= sent:
            return
        name = f"the stream {self._start.stream_id!r}"
        if last > sent:
            raise ConflictError(
                f"{name} went on in another call: the server has batch {last} as its"
                f" last, and {sent} are sent here"
            )
        raise ConflictError(
            f"the server has batch {last} of {name} as its last, and had answered"
            f" {self.sequence}: the index was made anew, or its data repaired"
        )

    async def _read(self) -> None:
        assert self._call is not None
        answer = _present(await self._call.read())
        if answer.HasField("refused"):
            self._take_refusal(answer.refused)
        else:
            self.count = max(self.count, answer.acknowledged.count)
            self._answered_to(answer.acknowledged.sequence)
        self.heard()

    def _take_refusal(self, message: vector_pb2.UpsertRefused) -> None:
        if (batch := self._answered_to(message.sequence)) is not None:
            first, last = batch.ends
            self.refused(
                RefusedBatch(
                    sequence=message.sequence,
                    count=batch.count,
                    first_id=first,
                    last_id=last,
                    error=error_of(message.error),
                )
            )

    def _answered_to(self, sequence: int) -> Batch | None:
        """Forget the batches up to one; return the last of them."""
        last = None
        while (
            self._unanswered and self._unanswered[0].message.batch.sequence <= sequence
        ):
            last = self._unanswered.popleft()
        self.sequence = max(self.sequence, sequence)
        return last


async def _nothing() -> None:
    """The step of opening a stream."""


def _present(answer: Any) -> vector_pb2.StreamUpsertVectorsResponse:
    """An answer that must be there.

    Raises:
        UnavailableError: the server ended the stream without one.
    """
    if answer is None:
        raise UnavailableError("the server ended the stream without an answer")
    assert isinstance(answer, vector_pb2.StreamUpsertVectorsResponse)
    return answer
