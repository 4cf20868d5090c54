"""A proxy before a server, which cuts connections after random numbers of bytes."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread

PIECE = 16 * 1024


class CuttingProxy:
    """Forwards connections.

    Attributes:
        address: where it listens, "127.0.0.1:port".
        cuts: connections that it has cut.
    """

    def __init__(self, port: int, *, seed: int, least: int, most: int) -> None:
        """Listen.

        Args:
            port: of the server.
            seed: of the numbers.
            least: bytes of a connection, both ways, after which it is cut.
            most: likewise.
        """
        self._port, self._least, self._most = port, least, most
        self._rng = random.Random(seed)
        self._guard = Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.cuts = 0
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Take no further connections; those that there are must have ended."""
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(60)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listening.accept()
            except OSError:
                return
            thread = Thread(target=self._serve, args=(ours,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, ours: socket.socket) -> None:
        left = [self._rng.randint(self._least, self._most)]
        with ours, socket.create_connection(("127.0.0.1", self._port)) as theirs:
            back = Thread(target=self._forward, args=(theirs, ours, left), daemon=True)
            back.start()
            self._forward(ours, theirs, left)
            back.join()

    def _forward(
        self, source: socket.socket, sink: socket.socket, left: list[int]
    ) -> None:
        try:
            while piece := source.recv(PIECE):
                with self._guard:
                    left[0] -= len(piece)
                    if left[0] < 0:
                        self.cuts += 1
                        break
                sink.sendall(piece)
        except OSError:
            pass  # the other direction has cut it
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@contextmanager
def cutting_proxy(
    port: int, *, seed: int = 0, least: int = 2_000, most: int = 200_000
) -> Iterator[CuttingProxy]:
    """A proxy before the server at a port of this machine."""
    proxy = CuttingProxy(port, seed=seed, least=least, most=most)
    try:
        yield proxy
    finally:
        proxy.close()
