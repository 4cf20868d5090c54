"""The calls of one kind that run and wait: bounded, fair, refused before they are late.

A call is refused at once, by the polling thread, where it would have no place, or would
wait longer than it may: so the calls that were admitted keep their pace when more come
than can be answered, and a refused caller knows at once, and when to come again.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Condition
from time import monotonic

import numpy as np

from gleann.index.errors import NotReadyError, OverloadedError
from gleann.service.server.call import Call
from gleann.service.server.fair_queue import FairQueue
from gleann.service.server.kinds import Kind
from gleann.service.server_status import QueueStatus

LEAST_RETRY, LONGEST_RETRY = 0.05, 30.0
"""Seconds after which a refused caller is told to come again."""

WEIGHT = 0.1
"""Of the newest measurement in the mean time of a unit of work."""

SWEEP_SECONDS = 0.05
"""Between two looks for calls whose callers have left, while others are refused."""

DELAYS = 4096
"""Latest delays that are kept for the status."""

DELAY_SECONDS = 60.0
"""Age of the oldest delay in the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Bounds of the calls of a kind.

    Attributes:
        places: calls that run and wait, at most.
        share: of the places that one client may take.
        seconds: that a call may wait; None for any.
    """

    places: int
    share: float = 1.0
    seconds: float | None = None

    @property
    def client_places(self) -> int:
        """Calls of one client that run and wait, at most."""
        return max(1, round(self.places * self.share))


def _ignore(_seconds: float) -> None:
    """Nobody counts."""


class Waitlist:
    """Calls that run and wait."""

    def __init__(
        self,
        kind: Kind,
        bounds: Bounds,
        *,
        threads: int,
        clock: Callable[[], float] = monotonic,
        waited: Callable[[float], None] = _ignore,
    ) -> None:
        """Make an empty list.

        Args:
            kind: of the calls.
            bounds: theirs.
            threads: that take calls.
            clock: seconds, as those of deadlines.
            waited: called with the seconds that each call waited.
        """
        self.kind = kind
        self._bounds = bounds
        self._threads = threads
        self._clock = clock
        self._waited = waited
        self._news = Condition()
        self._queue: FairQueue[Call] = FairQueue()
        self._held: Counter[str] = Counter()
        self._running = 0
        self._running_work = 0.0
        self._seconds_a_unit = 0.0
        self._refused = self._dropped = 0
        self._swept = -SWEEP_SECONDS
        self._delays: deque[tuple[float, float]] = deque(maxlen=DELAYS)
        self._idle = 0
        self._closed = False

    @property
    def held(self) -> int:
        """Number of running and queued calls."""
        return self._running + len(self._queue)

    def require_place(self, client: str) -> None:
        """Refuse a call before its message is read, where there is no place for it.

        Raises:
            OverloadedError: all places are taken, or those of the client.
            NotReadyError: the server is stopping.
        """
        with self._news:
            self._require_place(client)

    def add(self, call: Call) -> bool:
        """Let a call wait for a thread.

        Returns:
            Whether an idle thread was woken for it.

        Raises:
            OverloadedError: no place, or it would wait too long.
            NotReadyError: the server is stopping.
        """
        client, work = call.client, call.work
        with self._news:
            self._require_place(client)
            self._require_time(call, client, work)
            call.since = self._clock()
            self._queue.add(client, call, work=work)
            self._held[client] += 1
            if not self._idle:
                return False
            self._idle -= 1  # here: until it runs, others must not count on it
            self._news.notify()
            return True

    def take(self, *, most_work: float = 0.0) -> list[Call]:
        """Wait for calls, and take the next, or all of at most so much work.

        Calls that nobody waits for any more are dropped.

        Returns:
            None are returned when the list is closed; those that are, run until `done`.
        """
        with self._news:
            taken: list[Call] = []
            while not self._closed:
                self._take(taken, most_work)
                if taken:
                    break
                self._idle += 1
                self._news.wait()
            return taken

    def done(self, calls: list[Call], seconds: float) -> None:
        """End calls that ran together for so many seconds."""
        work = sum(call.work for call in calls)
        with self._news:
            self._running -= len(calls)
            self._running_work -= work
            for call in calls:
                self._leave(call.client)
            measured = seconds / work
            old = self._seconds_a_unit or measured
            self._seconds_a_unit = old + WEIGHT * (measured - old)

    def close(self) -> None:
        """Take no more calls."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def status(self) -> QueueStatus:
        """What runs and waits now, and what was refused."""
        now = self._clock()
        with self._news:
            delays = [delay for at, delay in self._delays if now - at <= DELAY_SECONDS]
            status = QueueStatus(
                kind=self.kind,
                running=self._running,
                queued=len(self._queue),
                places=self._bounds.places,
                refused=self._refused,
                dropped=self._dropped,
                threads=self._threads,
            )
        if not delays:
            return status
        median, p99 = np.quantile(delays, [0.5, 0.99]).tolist()
        return replace(status, delay_median_seconds=median, delay_p99_seconds=p99)

    def _take(self, taken: list[Call], most_work: float) -> None:
        """Move calls from the queue to `taken`; needs the lock."""
        now, work = self._clock(), 0.0
        while (next_one := self._queue.take()) is not None:
            client, call = next_one
            if not is_awaited(call, now):
                self._drop(client)
                continue
            taken.append(call)
            self._delays.append((now, now - call.since))
            self._waited(now - call.since)
            self._running += 1
            self._running_work += call.work
            work += call.work
            if work >= most_work:
                return

    def _require_place(self, client: str) -> None:
        if self._closed:
            raise NotReadyError("the server is stopping")
        bounds = self._bounds
        if not self._is_full(client):
            return
        self._sweep()
        if not self._is_full(client):
            return
        held, places = self.held, bounds.places
        if held >= places:
            why = f"the server has {held} calls under way, at most {places} are"
        else:
            held, places = self._held[client], bounds.client_places
            why = f"this client has {held} calls under way, at most {places} are"
        raise self._refusal(f"{why} admitted", self._queue.work)

    def _is_full(self, client: str) -> bool:
        if self.held >= self._bounds.places:
            return True
        return self._held[client] >= self._bounds.client_places

    def _require_time(self, call: Call, client: str, work: float) -> None:
        """Refuse a call that would wait longer than it may."""
        ends, limit = call.context.ends, self._bounds.seconds
        left = None if ends is None else ends - self._clock()
        if left is not None and (limit is None or left < limit):
            limit = left
        if limit is None or self._seconds(self._queue.work) <= limit:
            return
        before = self._queue.work_before(client, work=work)
        wait = self._seconds(before)
        if wait > limit:
            raise self._refusal(
                f"the call would wait about {wait:.2g} s, and may wait {limit:.2g} s",
                before,
            )

    def _seconds(self, work: float) -> float:
        """How long the threads take for so much work, beside what runs."""
        ahead = work + self._running_work / 2
        return ahead * self._seconds_a_unit / self._threads

    def _refusal(self, why: str, work: float) -> OverloadedError:
        self._refused += 1
        wait = min(max(self._seconds(work), LEAST_RETRY), LONGEST_RETRY)
        return OverloadedError(f"{why}: try again in {wait:.2g} s", retry_seconds=wait)

    def _sweep(self) -> None:
        """Drop calls that nobody waits for any more, now and then."""
        now = self._clock()
        if now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        for client, _ in self._queue.drop(lambda call: not is_awaited(call, now)):
            self._drop(client)

    def _drop(self, client: str) -> None:
        self._dropped += 1
        self._leave(client)

    def _leave(self, client: str) -> None:
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]


def is_awaited(call: Call, now: float) -> bool:
    """Whether the caller still waits, and will when the answer is there."""
    ends = call.context.ends
    return (ends is None or now < ends) and call.context.is_active()
