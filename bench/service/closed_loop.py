"""Closed loop: clients that each send a call, wait for its answer and send the next.

Clients are threads of several processes, so that no interpreter lock of a generator
bounds the rate; each has a connection of its own.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from time import monotonic, sleep
from typing import Any

import grpc
import numpy as np

from bench.service.calls import Call, connect, method
from bench.service.latency import percentiles
from bench.service.serving import Served
from bench.service.usage import cpu_seconds

START_SECONDS = 0.3
"""Between an order and its first call, so that all processes begin together."""

CALL_SECONDS = 60.0
"""After so long a call fails."""

ANSWER_SECONDS = 2 * CALL_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one process of clients does: `clients` of them send `call` until `stop`.

    Times are of the monotonic clock, which all processes share.
    """

    call: Call
    clients: int
    begin: float
    stop: float


@dataclass(slots=True)
class Sent:
    """Calls of one client: when they began and ended, and errors by code."""

    begins: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


class ClientProcesses:
    """Processes of clients of one server."""

    def __init__(self, served: Served, processes: int) -> None:
        context = get_context("spawn")
        self._served = served
        self._pipes: list[Connection] = []
        self._workers = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            worker = context.Process(
                target=serve_orders, args=(theirs, served.address), daemon=True
            )
            worker.start()
            theirs.close()
            self._pipes.append(ours)
            self._workers.append(worker)
        self._answers()  # each reports when it is ready

    def run(self, call: Call, *, clients: int, seconds: float) -> dict[str, Any]:
        """Send calls from `clients` at once for `seconds`; rate, latencies, CPU time.

        Answers that come after the end do not count to the rate.
        """
        begin = monotonic() + START_SECONDS
        for pipe, share in zip(
            self._pipes, shares(clients, len(self._pipes)), strict=True
        ):
            order = Order(call=call, clients=share, begin=begin, stop=begin + seconds)
            pipe.send(order)
        sleep_until(begin)
        before = self._cpu()
        sleep_until(begin + seconds)
        after = self._cpu()
        sent = [one for answer in self._answers() for one in answer]
        return summary(sent, stop=begin + seconds, seconds=seconds) | {
            "clients": clients,
            "server_cpu_seconds": round(after[0] - before[0], 3),
            "client_cpu_seconds": round(after[1] - before[1], 3),
        }

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for worker in self._workers:
            worker.join(CALL_SECONDS)
            if worker.is_alive():
                worker.kill()
                worker.join()

    def _cpu(self) -> tuple[float, float]:
        """CPU seconds so far: of the server, and of all clients."""
        pids = [worker.pid or 0 for worker in self._workers]
        return cpu_seconds(self._served.process.pid), sum(map(cpu_seconds, pids))

    def _answers(self) -> list[Any]:
        for pipe in self._pipes:
            if not pipe.poll(ANSWER_SECONDS):
                raise TimeoutError(f"no answer of clients in {ANSWER_SECONDS:g} s")
        return [pipe.recv() for pipe in self._pipes]


@contextmanager
def client_processes(served: Served, processes: int) -> Iterator[ClientProcesses]:
    """Processes that end with the block."""
    clients = ClientProcesses(served, processes)
    try:
        yield clients
    finally:
        clients.close()


def shares(clients: int, processes: int) -> list[int]:
    """Clients of each process: as equal as they can be."""
    return [
        clients // processes + (number < clients % processes)
        for number in range(processes)
    ]


def summary(sent: list[Sent], *, stop: float, seconds: float) -> dict[str, Any]:
    """Rate and latencies of the calls that were answered in time."""
    begins = np.array([begin for one in sent for begin in one.begins])
    ends = np.array([end for one in sent for end in one.ends])
    in_time = ends <= stop
    errors: Counter[str] = sum((one.errors for one in sent), Counter())
    calls = int(in_time.sum())
    return {
        "calls": calls,
        "rate": round(calls / seconds, 1),
        "errors": dict(errors),
        **percentiles((ends - begins)[in_time]),
    }


def serve_orders(pipe: Connection, address: str) -> None:
    """Main function of a process of clients: carry out orders until the pipe closes."""
    channels: list[grpc.Channel] = []
    pipe.send(os.getpid())
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        while len(channels) < order.clients:
            channels.append(connect(address))
        pipe.send(carry_out(order, channels))


def carry_out(order: Order, channels: list[grpc.Channel]) -> list[Sent]:
    """Run the clients of one order, a thread each."""
    sent = [Sent() for _ in range(order.clients)]
    threads = [
        Thread(target=send_until, args=(order, channels[number], one, number))
        for number, one in enumerate(sent)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


def send_until(order: Order, channel: grpc.Channel, sent: Sent, number: int) -> None:
    """Send one call after another until the order's end."""
    send, requests = method(channel, order.call.path), order.call.requests
    turn = number * 31
    sleep_until(order.begin)
    while (begin := monotonic()) < order.stop:
        try:
            send(requests[turn % len(requests)], timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            sent.errors[error.code().name] += 1
        else:
            sent.begins.append(begin)
            sent.ends.append(monotonic())
        turn += 1


def sleep_until(moment: float) -> None:
    """Sleep until a moment of the monotonic clock."""
    sleep(max(0.0, moment - monotonic()))
