"""A connection belongs to the process that opened it."""

from os import getpid, register_at_fork

from gleann.index.errors import ServiceError


class _Fork:
    """How many forks lie between the first process and this one.

    It is counted, since getpid is a system call, and each call of a client asks.
    """

    count = 0

    def add(self) -> None:
        self.count += 1


_fork = _Fork()
register_at_fork(after_in_child=_fork.add)


class OwnProcess:
    """Refuses calls in a fork of the process that opened a client.

    A fork has the sockets and the locks of its parent, and none of its threads: two
    processes would write into one connection, or wait for a lock that nobody holds.
    """

    def __init__(self) -> None:
        self._pid = getpid()
        self._forks = _fork.count

    @property
    def forked(self) -> bool:
        """Whether this is another process than the one that opened the client."""
        return self._forks != _fork.count

    def require(self) -> None:
        """Refuse a call in another process.

        Raises:
            ServiceError: with both processes.
        """
        if self.forked:
            raise ServiceError(
                f"this client was opened in process {self._pid}, and cannot be used in"
                f" its fork, process {getpid()}: open one in each process, for a data"
                " directory in one process only"
            )
