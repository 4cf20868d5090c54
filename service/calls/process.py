"""A connection belongs to the process that opened it."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid, register_at_fork

from gleann.index.errors import ServiceError
from gleann.index.nouns import number_of


class _Fork:
    """How many forks lie between the first process and this one, and at which moment.

    They are counted, since getpid is a system call, and each call of a client asks.

    Attributes:
        count: of the forks.
        calls: under way in gRPC when the last fork that had any was made.
    """

    count = 0
    calls = 0

    def __init__(self) -> None:
        # Appending and popping need no lock, which a fork might leave held.
        self.under_way: deque[None] = deque()

    def add(self) -> None:
        self.count += 1
        self.calls = len(self.under_way) or self.calls
        self.under_way.clear()


_fork = _Fork()
register_at_fork(after_in_child=_fork.add)


@contextmanager
def call_under_way() -> Iterator[None]:
    """While gRPC has a call of this process under way."""
    _fork.under_way.append(None)
    before = _fork.count
    try:
        yield
    finally:
        if before == _fork.count:  # a fork has dropped it
            _fork.under_way.pop()


def require_connectable() -> None:
    """Refuse to connect where gRPC has lost threads by a fork.

    gRPC leaves its state as it is if it is forked within a call: connections of the
    child then stand still, a few in a hundred. A child of a process with calls of
    `grpc.aio` may end by SIGSEGV before this, whatever it does.

    Raises:
        ServiceError: with the number of calls that were under way.
    """
    if _fork.calls:
        raise ServiceError(
            f"process {getpid()} was forked with {number_of(_fork.calls, 'calls')} to"
            " servers under way, and gRPC cannot be relied on in it: fork when none is,"
            " or start processes by the methods 'spawn' or 'forkserver'"
        )


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
