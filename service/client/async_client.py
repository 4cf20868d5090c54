"""`AsyncClient`: the methods of `Client`, awaited in an event loop."""

from functools import partial
from os import PathLike
from types import TracebackType
from typing import Self

from gleann._needed import needing
from gleann.service.client.link.threads import Directory
from gleann.service.client.methods import ClientMethods
from gleann.service.client.modes import Awaiting
from gleann.service.client.target import Server, read_target, require_directories
from gleann.service.client.tls import Tls, tls_for
from gleann.service.stubs import Stubs


class AsyncClient(ClientMethods[Awaiting]):
    """As `Client`, for programs with an event loop of asyncio.

    All methods have the names, arguments, results and exceptions of those of `Client`,
    and are awaited; `scroll` is an asynchronous iterator, and operations are
    `AsyncOperation`.

        async with gleann.AsyncClient("grpc://localhost:50051") as client:
            await client.create_index("words", dim=50)
            await client.upsert("words", ids, vectors)
            operation = await client.build("words")
            await operation.wait()
            found = await client.search("words", queries, SearchParams(k=10))

    Any number of tasks may use a client at once; their calls share one connection.
    Cancelling a task cancels its call: a change may then be carried out, or not. With a
    data directory, calls run in threads of this process.
    """

    def __init__(
        self,
        target: str | PathLike[str],
        *,
        api_key: str | None = None,
        timeout: float | None = 300.0,
        retries: int = 4,
        tls: Tls | None = None,
    ) -> None:
        """Prepare a connection or a directory; `async with`, or a call, opens it.

        Arguments as `Client`.

        Raises:
            InvalidParamsError: neither a directory nor the address of a server.
            MissingFileError: a file of `tls` cannot be read.
        """
        place = read_target(target)
        mode = Awaiting()
        tls = tls_for(place, tls)
        if isinstance(place, Server):
            from gleann.service.client.remote import connect_in

            self._directory: Directory | None = None
            stubs = connect_in(
                mode,
                place.address,
                api_key=api_key,
                timeout=timeout,
                retries=retries,
                tls=tls,
            )
        else:
            require_directories()
            with needing("a client that opens a directory"):
                from gleann.service.local import open_directory

            self._directory = Directory(partial(open_directory, place))
            stubs = self._directory.stubs
        self._assemble(stubs, mode)

    @classmethod
    def of_stubs(cls, stubs: Stubs) -> Self:
        """A client on open blocking stubs; closing it closes them."""
        client = cls.__new__(cls)
        client._directory = Directory(lambda: stubs)
        client._assemble(client._directory.stubs, Awaiting())
        return client

    async def __aenter__(self) -> Self:
        if self._directory is not None:
            await self._directory.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
