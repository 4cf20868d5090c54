"""A call with messages both ways, in the modes of a client."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from queue import SimpleQueue
from typing import Any, Protocol

import grpc
import grpc.aio
from google.protobuf.message import Message

from gleann.index.errors import GleannError, UnavailableError
from gleann.service.calls.process import call_under_way

STREAMS = frozenset({"StreamUpsertVectors"})
"""Methods with messages both ways: calling one without a request opens a `Stream`."""

ErrorOf = Callable[[grpc.RpcError], Awaitable[GleannError]]
"""The exception of a failed call."""


class Stream(Protocol):
    """A call with messages both ways; one thread or task at a time."""

    async def send(self, message: Message) -> None:
        """Send a message; a call that has failed says so when it is read."""

    async def read(self) -> Any:
        """Wait for the next answer; None is returned after the last one.

        Raises:
            GleannError: that of the call.
        """

    async def half_close(self) -> None:
        """Say that no further message follows."""

    def cancel(self) -> None:
        """End the call; what is under way may be carried out or not."""


class _Feed:
    """Messages in order, as an iterator that waits for the next one."""

    def __init__(self) -> None:
        self._messages: SimpleQueue[Message | None] = SimpleQueue()

    def put(self, message: Message | None) -> None:
        """Append a message; None ends the iterator."""
        self._messages.put(message)

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        if (message := self._messages.get()) is None:
            raise StopIteration
        return message


class BlockingStream:
    """A stream of a method that takes an iterator and returns one.

    In process, an answer is computed when it is read; it must not be read before its
    message was sent.
    """

    def __init__(
        self,
        answer: Callable[[Iterator[Message]], Any],
        error_of: ErrorOf | None = None,
    ) -> None:
        """Open a call.

        Args:
            answer: the method.
            error_of: the exception of a failed call of gRPC; None in process.
        """
        self._feed = _Feed()
        self._error_of = error_of
        self._answers = answer(iter(self._feed))

    async def send(self, message: Message) -> None:
        """As `Stream.send`."""
        self._feed.put(message)

    async def read(self) -> Any:
        """As `Stream.read`."""
        if self._error_of is None:  # in process
            return next(self._answers, None)
        try:
            with call_under_way():
                return next(self._answers, None)
        except grpc.RpcError as call:
            raise await self._error_of(call) from call

    async def half_close(self) -> None:
        """As `Stream.half_close`."""
        self._feed.put(None)

    def cancel(self) -> None:
        """As `Stream.cancel`."""
        self._feed.put(None)
        end = getattr(self._answers, "cancel", None) or self._answers.close
        end()


class ThreadStream:
    """A blocking stream that is used from an event loop: in threads."""

    def __init__(
        self,
        answer: Callable[[Iterator[Message]], Any],
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        self._feed = _Feed()
        self._in_thread = in_thread
        self._answers = answer(iter(self._feed))

    async def send(self, message: Message) -> None:
        """As `Stream.send`."""
        self._feed.put(message)

    async def read(self) -> Any:
        """As `Stream.read`."""
        return await self._in_thread(lambda: next(self._answers, None))

    async def half_close(self) -> None:
        """As `Stream.half_close`."""
        self._feed.put(None)

    def cancel(self) -> None:
        """As `Stream.cancel`: what a thread computes goes on to its end."""
        self._feed.put(None)


_NOT_SENT = (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError)
"""What is raised for a message that a call no longer takes."""


class AwaitedStream:
    """A stream of `grpc.aio`."""

    def __init__(self, call: Any, error_of: ErrorOf) -> None:
        self._call = call
        self._error_of = error_of
        self._is_broken = False

    async def send(self, message: Message) -> None:
        """As `Stream.send`."""
        try:
            await self._call.write(message)
        except _NOT_SENT:
            self._is_broken = True  # `read` tells why

    async def read(self) -> Any:
        """As `Stream.read`."""
        try:
            answer = await self._call.read()
        except grpc.RpcError as call:
            if self._is_broken and call.code() == grpc.StatusCode.INTERNAL:
                # It may stand in the place of the status that the server sent:
                # https://github.com/grpc/grpc/issues/36066
                raise UnavailableError(f"the call broke: {call.details()}") from call
            raise await self._error_of(call) from call
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            # Not the task was cancelled, but the call: with a `send`, or by `close`.
            raise UnavailableError("the call was cancelled") from None
        return None if answer is grpc.aio.EOF else answer

    async def half_close(self) -> None:
        """As `Stream.half_close`."""
        try:
            await self._call.done_writing()
        except _NOT_SENT:
            self._is_broken = True

    def cancel(self) -> None:
        """As `Stream.cancel`."""
        self._call.cancel()
