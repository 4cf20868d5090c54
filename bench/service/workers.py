"""Processes that send the calls of a load, and what orders them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import monotonic, sleep
from typing import Any, Protocol

import grpc

from bench.service.calls import connect
from bench.service.usage import cpu_seconds

START_SECONDS = 0.3
"""Between an order and its first call, so that all processes begin together."""

LEAVE_SECONDS = 30.0


class Order(Protocol):
    """What one process sends; times are of the monotonic clock, which all share."""

    @property
    def connections(self) -> int:
        """Connections that it needs."""

    def carry_out(self, channels: Sequence[grpc.Channel], /) -> Any:
        """Send the calls; what came of them."""


class Workers:
    """Processes with connections to one server, which they keep between orders."""

    def __init__(self, address: str, count: int) -> None:
        context = get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=serve_orders, args=(theirs, address), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        self.answers(seconds=LEAVE_SECONDS)  # each reports that it is ready

    @property
    def count(self) -> int:
        """Number of processes."""
        return len(self._pipes)

    def cpu_seconds(self) -> float:
        """CPU time of all processes so far."""
        return sum(cpu_seconds(process.pid or 0) for process in self._processes)

    def send(self, orders: Sequence[Order]) -> None:
        """Give an order to each process."""
        for pipe, order in zip(self._pipes, orders, strict=True):
            pipe.send(order)

    def answers(self, *, seconds: float) -> list[Any]:
        """What came of the orders.

        Raises:
            TimeoutError: a process did not answer within `seconds`.
            EOFError: a process died.
        """
        for pipe in self._pipes:
            if not pipe.poll(seconds):
                raise TimeoutError(f"a process of clients is silent for {seconds:g} s")
        return [pipe.recv() for pipe in self._pipes]

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(LEAVE_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


@contextmanager
def workers_of(address: str, count: int) -> Iterator[Workers]:
    """Processes that end with the block."""
    workers = Workers(address, count)
    try:
        yield workers
    finally:
        workers.close()


def serve_orders(pipe: Connection, address: str) -> None:
    """Main function of a process: carry out orders until the pipe closes."""
    channels: list[grpc.Channel] = []
    pipe.send("ready")
    while True:
        try:
            order: Order = pipe.recv()
        except EOFError:
            return
        while len(channels) < order.connections:
            channels.append(connect(address))
        pipe.send(order.carry_out(channels))


def sleep_until(moment: float) -> None:
    """Sleep until a moment of the monotonic clock."""
    sleep(max(0.0, moment - monotonic()))
