"""Closed loop: clients that each send a call, wait for its answer and send the next.

Clients are threads of several processes, so that no interpreter lock of a generator
bounds the rate; each has a connection of its own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic
from typing import Any

import grpc
import numpy as np

from bench.service.calls import Call, method
from bench.service.latency import percentiles
from bench.service.serving import Served
from bench.service.workers import START_SECONDS, Workers, sleep_until

CALL_SECONDS = 60.0
"""After so long a call fails."""


@dataclass(slots=True)
class Sent:
    """Calls of one client: when they began and ended, and errors by code."""

    begins: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoop:
    """An order to send `call` from `connections` clients, a thread each."""

    call: Call
    connections: int
    begin: float
    stop: float

    def carry_out(self, channels: Sequence[grpc.Channel], /) -> list[Sent]:
        """Send calls until `stop`; what each client sent."""
        sent = [Sent() for _ in range(self.connections)]
        threads = [
            Thread(target=self._send, args=(channels[number], one, number))
            for number, one in enumerate(sent)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sent

    def _send(self, channel: grpc.Channel, sent: Sent, number: int) -> None:
        send, requests = method(channel, self.call.path), self.call.requests
        turn = number * 31
        sleep_until(self.begin)
        while (begin := monotonic()) < self.stop:
            try:
                send(requests[turn % len(requests)], timeout=CALL_SECONDS)
            except grpc.RpcError as error:
                sent.errors[error.code().name] += 1
            else:
                sent.begins.append(begin)
                sent.ends.append(monotonic())
            turn += 1


def run_closed(
    served: Served, workers: Workers, call: Call, *, clients: int, seconds: float
) -> dict[str, Any]:
    """Rate, latencies and CPU time of a call by `clients` at once for `seconds`.

    Answers that come after the end do not count to the rate.
    """
    begin = monotonic() + START_SECONDS
    stop = begin + seconds
    workers.send(
        [
            ClosedLoop(call=call, connections=share, begin=begin, stop=stop)
            for share in shares(clients, workers.count)
        ]
    )
    sleep_until(begin)
    server, client = served.usage().cpu_seconds, workers.cpu_seconds()
    sleep_until(stop)
    server = served.usage().cpu_seconds - server
    client = workers.cpu_seconds() - client
    answers = workers.answers(seconds=2 * CALL_SECONDS)
    sent = [one for answer in answers for one in answer]
    return summary(sent, stop=stop, seconds=seconds) | {
        "clients": clients,
        "server_cpu_seconds": round(server, 3),
        "client_cpu_seconds": round(client, 3),
    }


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
