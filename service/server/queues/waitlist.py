"""The calls of one kind that run and wait: bounded, fair, refused before they are late.

A call is refused at once, by the polling thread, where it would have no place, or would
wait longer than it may: so the calls that were admitted keep their pace when more come
than can be answered, and a refused caller knows at once, and when to come again.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Condition
from time import monotonic

from gleann.index.errors import DeadlineError, OverloadedError, UnavailableError
from gleann.service.server.call import Call
from gleann.service.server.kinds import Kind
from gleann.service.server.queues.fair_queue import FairQueue
from gleann.service.server.queues.pace import Pace
from gleann.service.server.queues.places import Places
from gleann.service.server_status import QueueStatus
from gleann.service.telemetry.distribution import Distribution

LEAST_RETRY, LONGEST_RETRY = 0.05, 30.0
"""Seconds after which a refused caller is told to come again."""

MARGIN = 0.5
"""Share of the time until its deadline in which a call is expected to be answered:
estimates err, and an answer that comes too late was computed for nobody."""

MOST_CALLS = 1024
"""Calls that are taken at once, whatever their pace."""

SWEEP_SECONDS = 0.05
"""Between two looks for calls whose callers have left, while others are refused."""


class Waitlist:
    """Calls that run and wait, of a kind or a part of one."""

    def __init__(
        self, places: Places, *, threads: int, clock: Callable[[], float] = monotonic
    ) -> None:
        """Make an empty list.

        Args:
            places: those of the kind, which several lists may share.
            threads: that take calls.
            clock: seconds, as those of deadlines.
        """
        self._places = places
        self._threads = threads
        self._clock = clock
        self._news = Condition(places.lock)
        self._queue: FairQueue[Call] = FairQueue()
        self._running = 0
        self._running_seconds = 0.0
        self._paces: defaultdict[str, Pace] = defaultdict(Pace)
        self._refused = self._dropped = 0
        self._swept = -SWEEP_SECONDS
        self._idle = self._woken = 0
        self._given_away: set[Call] = set()
        self._closed = False

    @property
    def delays(self) -> Distribution:
        """Seconds that calls of the kind waited for a thread."""
        return self._places.delays

    @property
    def kind(self) -> Kind:
        """The kind of its calls."""
        return self._places.kind

    def require_place(self, client: str) -> None:
        """Refuse a call before its message is read, where there is no place for it.

        Raises:
            OverloadedError: all places are taken, or those of the client.
            UnavailableError: the server is stopping.
        """
        with self._news:
            self._require_place(client)

    def add(self, call: Call) -> bool:
        """Let a call wait for a thread.

        Returns:
            Whether an idle thread was woken for it.

        Raises:
            OverloadedError: no place, or it would wait too long.
            UnavailableError: the server is stopping.
        """
        with self._news:
            self._require_place(call.client)
            woken = self._queue_up(call)
            self._places.enter(call.client)
            return woken

    def take_over(self, call: Call, other: "Waitlist") -> bool:
        """Let a call of a list with the same places wait here, in its place.

        Returns:
            Whether an idle thread was woken for it.

        Raises:
            OverloadedError: it would wait too long; the other list keeps it.
            UnavailableError: the server is stopping.
        """
        with self._news:
            if self._closed:
                raise UnavailableError("the server is stopping")
            other._given_away.add(call)
            try:
                return self._queue_up(call)
            except OverloadedError:
                other._given_away.discard(call)
                raise

    def add_turn(self, call: Call) -> bool:
        """As `add`, for a turn of an open stream.

        The stream has its place already, and waits as long as it takes: its client
        sends no more meanwhile.

        Raises:
            UnavailableError: the server is stopping.
        """
        with self._news:
            self._require_open()
            woken = self._enqueue(call)
            self._places.enter(call.client)
            return woken

    def take(
        self, *, most_seconds: float = 0.0, idle_seconds: float | None = None
    ) -> list[Call]:
        """Wait for calls, and take the next, or as many as take so long together.

        Calls that nobody waits for any more are dropped, and so are those that cannot
        be answered in time.

        Args:
            most_seconds: by the pace of the last calls.
            idle_seconds: to wait for the first; None for any time.

        Returns:
            None are returned when the list is closed, or when none came in time; those
            that are, run until `done`.
        """
        with self._news:
            taken: list[Call] = []
            while not self._closed:
                self._take(taken, most_seconds)
                if taken or not self._is_woken(idle_seconds):
                    break
            return taken

    @property
    def waits(self) -> bool:
        """Whether a call waits for a thread."""
        with self._news:
            return not self._closed and len(self._queue) > 0

    def done(self, calls: list[Call], seconds: float) -> None:
        """End calls that ran together for so many seconds.

        Those that another list took over keep their places.
        """
        with self._news:
            self._running -= len(calls)
            self._running_seconds -= sum(call.expected for call in calls)
            if not self._running:
                self._running_seconds = 0.0  # and no rest of rounding
            answered = [call for call in calls if call not in self._given_away]
            self._given_away.difference_update(calls)
            for call in answered:
                self._places.leave(call.client)
            if answered:
                size = sum(call.size for call in answered) / len(answered)
                pace = self._paces[answered[0].method.name]
                pace.add(size, seconds / len(answered))

    def close(self) -> None:
        """Take no more calls."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def status(self) -> QueueStatus:
        """What runs and waits now, and what was refused."""
        return joined_status([self], self._places.delays)

    def counted(self) -> QueueStatus:
        """The status without delays."""
        with self._news:
            return QueueStatus(
                kind=self.kind,
                running=self._running,
                queued=len(self._queue),
                places=self._places.bounds.places,
                refused=self._refused,
                dropped=self._dropped,
            )

    def _take(self, taken: list[Call], most_seconds: float) -> None:
        """Move calls from the queue to `taken`; needs the lock."""
        now, seconds = self._clock(), 0.0
        while (next_one := self._queue.take()) is not None:
            client, call = next_one
            call.expected = self._expected(call)
            if not self._is_worth(call, now):
                self._drop(client)
                continue
            taken.append(call)
            self._places.delays.add(now - call.since)
            if (trace := call.context.trace) is not None:
                trace.add("queue", call.since, now)
            self._running += 1
            self._running_seconds += call.expected
            seconds += call.expected
            if len(taken) == MOST_CALLS or seconds >= most_seconds:
                return

    def _is_woken(self, seconds: float | None) -> bool:
        """Wait for a call; False if none came for so long. Needs the lock.

        A thread that ran out of time may return before one that was woken, and then
        takes the call in its place.
        """
        self._idle += 1
        self._news.wait(seconds)
        if self._woken:
            self._woken -= 1
            return True
        self._idle -= 1
        return seconds is None

    def _is_worth(self, call: Call, now: float) -> bool:
        """Whether its caller waits, and can have the answer before the deadline.

        Only waiting makes a call too late: of one that had too little time from the
        beginning, the estimate may be wrong.
        """
        if not call.context.is_active():
            return False
        ends = call.context.ends
        if ends is None or now + call.expected / 2 < ends:
            return True
        if now < ends <= call.since + call.expected / 2:
            return True
        call.rpc.fail(DeadlineError("the call waited until there was no time for it"))
        return False

    def _queue_up(self, call: Call) -> bool:
        """As `_enqueue`, if it does not wait too long there."""
        self._require_time(call)
        return self._enqueue(call)

    def _enqueue(self, call: Call) -> bool:
        """Queue a call; return whether an idle thread was woken. Needs the lock."""
        call.since = self._clock()
        call.expected = self._expected(call)
        self._queue.add(call.client, call, work=call.expected)
        if not self._idle:
            return False
        self._idle -= 1  # here: until it runs, others must not count on it
        self._woken += 1
        self._news.notify()
        return True

    def _require_open(self) -> None:
        if self._closed:
            raise UnavailableError("the server is stopping")

    def _require_place(self, client: str) -> None:
        self._require_open()
        if self._places.why_none(client) is None:
            return
        self._sweep()
        if (why := self._places.why_none(client)) is not None:
            raise self._refusal(why, self._queue.work)

    def _require_time(self, call: Call) -> None:
        """Refuse a call that would wait longer than it may.

        One that need not wait is admitted whatever is expected of it: were it refused,
        a wrong estimate would never be corrected.
        """
        if self._running < self._threads and not len(self._queue):
            return
        ends, limit = call.context.ends, self._places.bounds.seconds
        own = self._expected(call)
        if ends is not None:
            # Its own time counts too: an answer behind the deadline is none.
            left = MARGIN * (ends - self._clock()) - own
            limit = left if limit is None else min(limit, left)
        if limit is None or self._wait(self._queue.work) <= limit:
            return
        before = self._queue.work_before(call.client, work=own)
        wait = self._wait(before)
        if wait > limit:
            raise self._refusal(
                f"the call would wait about {wait:.2g} s, and may wait"
                f" {max(0.0, limit):.2g} s",
                before,
            )

    def _expected(self, call: Call) -> float:
        """Seconds that a call takes once it has begun."""
        return self._paces[call.method.name].seconds(call.size)

    def _wait(self, ahead: float) -> float:
        """How long the threads take for so many seconds, and for what runs."""
        return (ahead + self._running_seconds / 2) / self._threads

    def _refusal(self, why: str, ahead: float) -> OverloadedError:
        self._refused += 1
        wait = min(max(self._wait(ahead), LEAST_RETRY), LONGEST_RETRY)
        wait = float(f"{wait:.2g}")  # few texts: each is packed once
        return OverloadedError(f"{why}: try again in {wait:.2g} s", retry_seconds=wait)

    def _sweep(self) -> None:
        """Drop calls that nobody waits for any more, now and then."""
        now = self._clock()
        if now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        for client, _ in self._queue.drop(lambda call: not self._is_worth(call, now)):
            self._drop(client)

    def _drop(self, client: str) -> None:
        self._dropped += 1
        self._places.leave(client)


def joined_status(waitlists: Sequence[Waitlist], delays: Distribution) -> QueueStatus:
    """The status of lists that share places, as one queue."""
    statuses = [one.counted() for one in waitlists]
    recent = delays.recent()
    return replace(
        statuses[0],
        running=sum(one.running for one in statuses),
        queued=sum(one.queued for one in statuses),
        refused=sum(one.refused for one in statuses),
        dropped=sum(one.dropped for one in statuses),
        delay_median_seconds=recent.median,
        delay_p99_seconds=recent.p99,
    )
