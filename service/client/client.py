"""`Client`: one interface to indexes in this process and behind gRPC."""

from os import PathLike
from types import TracebackType
from typing import Self

from gleann._needed import needing
from gleann.service.client.link.at_once import at_once
from gleann.service.client.methods import ClientMethods
from gleann.service.client.modes import Blocking
from gleann.service.client.target import Server, read_target, require_directories
from gleann.service.client.tls import Tls, tls_for
from gleann.service.stubs import Stubs


class Client(ClientMethods[Blocking]):
    """Indexes, searches and selections of one data directory or one server.

    `Client("path/to/directory")` runs everything in this process and keeps its state in
    the directory, which no other process may have open; `Client("grpc://host:port")`
    calls a server. Methods, values and exceptions are the same in both cases, and the
    same as those of `AsyncClient`, whose methods are awaited.

        with gleann.Client("library") as client:
            client.create_index("words", dim=50)
            client.upsert("words", ids, vectors)
            client.build("words").wait()
            found = client.search("words", queries, SearchParams(k=10))

    Frequent calls have a short form: `client.upsert` is `client.vectors.upsert`.
    Any number of threads may use a client at once.

    Its attributes are those of `ClientMethods`.
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
        """Open a data directory, or connect to a server.

        Args:
            target: a directory (created if missing), or a server: "grpc://host:port",
                "grpcs://host:port" by TLS, "dns:///host:port" or "unix:path". What
                looks like an address without such a scheme is refused; "./name" and
                path objects are directories.
            api_key: the server's API key, if it has one.
            timeout: seconds after which a remote call fails with `ServiceError`, or
                with `UnavailableError` if no server answers there; None waits without
                limit. It does not apply to operations.
            retries: how often a remote call is sent again, within its timeout, that no
                server answered or that the server refused for having too much to do; 0
                to 4. Nothing is carried out twice: changes have a request_id then.
            tls: whom to trust and how to show who one is, for "grpcs://host:port"; None
                trusts the public authorities that gRPC knows.

        Raises:
            MissingFileError: a file of `tls` cannot be read.
            InvalidParamsError: neither a directory nor the address of a server.
            NotReadyError: another process has the directory open.
            CorruptDataError: its contents cannot be read.
            MissingPackageError: a package is not installed that a directory needs, and
                a client of a server does not.
        """
        place = read_target(target)
        mode = Blocking()
        tls = tls_for(place, tls)
        if isinstance(place, Server):
            from gleann.service.client.remote import connect_in

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

                stubs = at_once(open_directory(place))
        self._assemble(stubs, mode)

    @classmethod
    def of_stubs(cls, stubs: Stubs) -> Self:
        """A client on open stubs; closing it closes them."""
        client = cls.__new__(cls)
        client._assemble(at_once(stubs), Blocking())
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
