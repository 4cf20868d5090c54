"""A connection belongs to the process that opened it."""

from os import getpid

from gleann.index.errors import ServiceError


class OwnProcess:
    """Refuses calls in a fork of the process that opened a client.

    A fork has the sockets and the locks of its parent, and none of its threads: two
    processes would write into one connection, or wait for a lock that nobody holds.
    """

    def __init__(self) -> None:
        self._pid = getpid()

    @property
    def forked(self) -> bool:
        """Whether this is another process than the one that opened the client."""
        return getpid() != self._pid

    def require(self) -> None:
        """Refuse a call in another process.

        Raises:
            ServiceError: with both processes.
        """
        if getpid() != self._pid:
            raise ServiceError(
                f"this client was opened in process {self._pid}, and cannot be used in"
                f" its fork, process {getpid()}: open one in each process, for a data"
                " directory in one process only"
            )
