"""A data directory of this process, used from an event loop: calls run in threads."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Lock
from time import monotonic
from typing import Any, TypeVar

from google.longrunning import operations_pb2
from google.protobuf.message import Message

from gleann.index.errors import ServiceError
from gleann.service.calls.context import CallContext, answering
from gleann.service.calls.process import OwnProcess
from gleann.service.client.link.at_once import SERVICES
from gleann.service.client.link.streams import STREAMS, ThreadStream
from gleann.service.stubs import Stubs

T = TypeVar("T")

THREADS = 32
"""Calls that run at once; further ones wait for a thread."""

_FIRST_LOOK, _LAST_LOOK = 0.01, 0.25


class Directory:
    """An open data directory, or one that the first call opens.

    Attributes:
        stubs: their methods are awaited while they run in a thread.
    """

    def __init__(self, open_stubs: Callable[[], Stubs]) -> None:
        """Use a directory; `open_stubs` opens it."""
        services: dict[str, Any] = {name: _InThreads(self, name) for name in SERVICES}
        services["operations"] = _Operations(self, "operations")
        self.stubs = Stubs(**services, close=self.close, ready=self._ready)
        self._open_stubs = open_stubs
        self._process = OwnProcess()
        self._opening = Lock()
        self._opened: Stubs | None = None
        self._closed = False
        self._pool = ThreadPoolExecutor(THREADS, "gleann-call")

    async def open(self) -> None:
        """Open the directory, unless it is open; errors as `open_directory`."""
        await self._in_thread(self._open)

    async def run(self, service: str, name: str, request: Message) -> Any:
        """Answer in a thread; a call whose task was cancelled stops where it can."""
        left = Event()
        context = CallContext(is_active=lambda: not left.is_set())

        def answer() -> Any:
            with answering(context):
                return getattr(getattr(self._open(), service), name)(request)

        try:
            return await self._in_thread(answer)
        except asyncio.CancelledError:
            left.set()
            raise

    async def stream(self, service: str, name: str) -> ThreadStream:
        """Open a call with messages both ways, answered in threads."""
        stubs = await self._in_thread(self._open)
        return ThreadStream(getattr(getattr(stubs, service), name), self._in_thread)

    async def close(self) -> None:
        """Close the directory, if it was opened; calls under way end first.

        In a fork, it is left to the process that opened it.
        """
        if self._process.forked:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    async def _ready(self, _: float) -> None:
        """Open the directory: what is open is served."""
        await self.open()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self._process.require()
        if self._closed:
            raise ServiceError("the client is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _open(self) -> Stubs:
        with self._opening:
            if self._opened is None:
                self._opened = self._open_stubs()
            return self._opened

    def _close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._opening:
            if self._opened is not None:
                self._opened.close()


class _InThreads:
    """The methods of a service as coroutines."""

    def __init__(self, directory: Directory, service: str) -> None:
        self._directory = directory
        self._service = service

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        if name in STREAMS:
            return partial(self._directory.stream, self._service, name)

        async def call(request: Message) -> Any:
            return await self._directory.run(self._service, name, request)

        return call


class _Operations(_InThreads):
    """Operations: waiting for one takes no thread."""

    async def WaitOperation(  # noqa: N802  the name in the protocol
        self, request: operations_pb2.WaitOperationRequest
    ) -> operations_pb2.Operation:
        ends = monotonic() + request.timeout.ToNanoseconds() / 1e9
        look = operations_pb2.GetOperationRequest(name=request.name)
        pause = _FIRST_LOOK
        while True:
            message: operations_pb2.Operation = await self.GetOperation(look)
            if message.done or monotonic() >= ends:
                return message
            await asyncio.sleep(min(pause, max(0.0, ends - monotonic())))
            pause = min(2 * pause, _LAST_LOOK)
