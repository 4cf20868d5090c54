"""Open loop: calls that are sent at set times, whether or not others were answered.

Latency is measured from the time at which a call was due, not from when it was sent: a
generator or a server that falls behind does not hide it (no coordinated omission).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Semaphore
from time import monotonic
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from bench.service.calls import Call, method
from bench.service.latency import percentiles
from bench.service.workers import START_SECONDS, Order, Workers, sleep_until

SPARE_SECONDS = 30.0
"""For the end of calls whose deadline has passed."""

OK = "OK"
REFUSED = "RESOURCE_EXHAUSTED"
UNSENT = "UNSENT"
"""Calls whose deadline had passed before the generator could send them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """Calls by arrival; times are seconds of the monotonic clock.

    Attributes:
        due: when each was due.
        sent: when each was sent.
        ended: when each ended.
        codes: the name of each one's status.
    """

    due: NDArray[np.float64]
    sent: NDArray[np.float64]
    ended: NDArray[np.float64]
    codes: NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoop:
    """An order to send `call` at random times, `rate` of them a second on average.

    Attributes:
        call: what is sent.
        rate: calls a second; times between arrivals are exponential (Poisson).
        seconds: until the last call is due.
        deadline: seconds from when a call is due, after which its answer is useless.
        begin: of the first second; set when the load is sent.
        connections: that calls take in turn.
        seed: of the times.
    """

    call: Call
    rate: float
    seconds: float
    deadline: float
    begin: float = 0.0
    connections: int = 16
    seed: int = 0

    def carry_out(self, channels: Sequence[grpc.Channel], /) -> Outcome:
        """Send the calls; returns when all have ended."""
        due = self.begin + arrivals(self.rate, self.seconds, self.seed)
        sends = [
            method(channel, self.call.path).future
            for channel in channels[: self.connections]
        ]
        sent, ended = np.full((2, len(due)), np.nan)
        codes = np.full(len(due), UNSENT, dtype="U32")
        over = Semaphore(0)

        def note(number: int, answer: Any) -> None:
            ended[number] = monotonic()
            codes[number] = answer.code().name
            over.release()

        requests = self.call.requests
        for number, moment in enumerate(due):
            sleep_until(moment)
            sent[number] = now = monotonic()
            left = moment + self.deadline - now
            if left <= 0:
                ended[number] = now
                over.release()
                continue
            send = sends[number % len(sends)]
            answer = send(requests[number % len(requests)], timeout=left)
            answer.add_done_callback(partial(note, number))
        _wait(over, len(due), seconds=self.deadline + SPARE_SECONDS)
        return Outcome(due=due, sent=sent, ended=ended, codes=codes)


def arrivals(rate: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Seconds of the arrivals of a Poisson process, ascending."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0, seconds, rng.poisson(rate * seconds)))


def run_open(workers: Workers, loads: Sequence[OpenLoop]) -> list[Outcome]:
    """Send a load from each process; all begin now, whatever their `begin` says."""
    begin = monotonic() + START_SECONDS
    orders: list[Order] = [replace(load, begin=begin) for load in loads]
    workers.send(orders)
    longest = max(load.seconds + load.deadline for load in loads)
    return workers.answers(seconds=START_SECONDS + longest + 2 * SPARE_SECONDS)


def outcome_summary(outcome: Outcome, load: OpenLoop) -> dict[str, Any]:
    """Rates and latencies in milliseconds.

    `goodput` counts calls answered within their deadline. Latencies are of those, from
    when they were due; of refused calls both from when they were due and from when
    they were sent, which leaves the generator's own delay (`late`) out.
    """
    latency = outcome.ended - outcome.due
    good = (outcome.codes == OK) & (latency <= load.deadline)
    refused = outcome.codes == REFUSED
    return {
        "rate": load.rate,
        "seconds": load.seconds,
        "offered": len(outcome.due),
        "goodput": round(int(good.sum()) / load.seconds, 2),
        "codes": dict(Counter(outcome.codes.tolist())),
        "answered": percentiles(latency[good]),
        "refused": percentiles(latency[refused]),
        "refused_since_sent": percentiles((outcome.ended - outcome.sent)[refused]),
        "late": percentiles(outcome.sent - outcome.due),
    }


def _wait(over: Semaphore, count: int, *, seconds: float) -> None:
    last = monotonic() + seconds
    for _ in range(count):
        if not over.acquire(timeout=max(0.0, last - monotonic())):
            raise TimeoutError(f"calls have not ended {seconds:g} s after the last")
