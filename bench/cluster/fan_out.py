"""A simulation of searches that ask all shards: stragglers, queues, hedges, failures.

A batch of queries is prepared by the coordinator, asked of one replica of every shard,
and merged by the coordinator when the last shard has answered. Every actor, and the
coordinator, does one thing at a time, in the order in which it was asked. The actors
of a machine share its cores: where more of them work than there are cores, all of them
are slower in the same measure.

The seconds of an answer are drawn from those that were measured. An actor fails after
an exponential time, and is replaced after a fixed one; what it was asked is asked
again: of another replica, or of itself when it is back.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from numpy.typing import NDArray

DONE = 1e-9
"""Seconds of work that may be left, by rounding, when a piece of work is done."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FanOut:
    """What is simulated.

    Attributes:
        shards: that every batch asks.
        replicas: actors of each shard.
        machines: over which the actors are spread; the coordinator is on the first.
        cores: of a machine.
        answer: float64 (m,), seconds of one core that a shard's answer may take, of
            which one is drawn for each answer.
        prepare: seconds of the coordinator before shards are asked.
        merge: seconds of the coordinator for the answer of one shard.
        delay: seconds on the way there and back, in which nobody works.
        hedge: seconds after which another replica is asked too; None asks none.
        between_failures: mean seconds between two failures of an actor; None: none
            fails.
        restart: seconds until a failed actor answers again.
    """

    shards: int
    answer: NDArray[np.float64]
    replicas: int = 1
    machines: int = 1
    cores: float = 1.0
    prepare: float = 0.0
    merge: float = 0.0
    delay: float = 0.0
    hedge: float | None = None
    between_failures: float | None = None
    restart: float = 0.0

    @property
    def availability(self) -> float:
        """Share of the time in which every shard has a replica that lives."""
        if self.between_failures is None:
            return 1.0
        down = self.restart / (self.between_failures + self.restart)
        return float((1 - down**self.replicas) ** self.shards)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulated:
    """What came of it.

    Attributes:
        latencies: float64 (batches,), seconds from the question to the merged answer.
        seconds: from the first question to the last answer.
        hedged: answers that were asked of a second replica.
        lost: answers that were lost with their actor, and asked again.
    """

    latencies: NDArray[np.float64]
    seconds: float
    hedged: int
    lost: int

    @property
    def per_second(self) -> float:
        """Batches a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the batches is answered."""
        return float(np.quantile(self.latencies, share))


def in_turn(fan_out: FanOut, *, clients: int, batches: int, seed: int = 0) -> Simulated:
    """Clients that each ask the next batch when they have the answer to the last."""
    return _Simulation(fan_out, seed).run(arrivals=[0.0] * clients, batches=batches)


def at_rate(fan_out: FanOut, *, rate: float, batches: int, seed: int = 0) -> Simulated:
    """Batches that come at random, `rate` a second on average."""
    gaps = np.random.default_rng([seed, 1]).exponential(1 / rate, batches)
    arrivals = np.cumsum(gaps).tolist()
    return _Simulation(fan_out, seed).run(arrivals=arrivals, batches=batches)


@dataclass(slots=True, eq=False)
class _Work:
    """A piece of work of an actor: seconds of one core, and what follows it."""

    seconds: float
    done: Callable[[], None]
    dropped: Callable[[], bool] = lambda: False


@dataclass(slots=True, eq=False)
class _Actor:
    """Does one piece of work at a time."""

    machine: "_Machine"
    waiting: deque[_Work] = field(default_factory=deque)
    current: _Work | None = None
    left: float = 0.0
    alive: bool = True

    def next(self) -> None:
        """Begin what waits, but for what nobody wants any more."""
        while self.alive and self.current is None and self.waiting:
            work = self.waiting.popleft()
            if not work.dropped():
                self.current, self.left = work, work.seconds
                self.machine.working.append(self)


@dataclass(slots=True, eq=False)
class _Machine:
    """Shares its cores among the actors that work."""

    cores: float
    working: list[_Actor] = field(default_factory=list)
    since: float = 0.0
    version: int = 0

    @property
    def speed(self) -> float:
        return min(1.0, self.cores / max(1, len(self.working)))

    def advance(self, now: float) -> None:
        """Take off what was done since the last time."""
        done = (now - self.since) * self.speed
        for actor in self.working:
            actor.left -= done
        self.since = now


class _Batch:
    """Which shards have yet to answer."""

    def __init__(self, begun: float, shards: int) -> None:
        self.begun = begun
        self.answered = [False] * shards
        self.missing = shards


class _Simulation:
    """Events in the order of time."""

    def __init__(self, fan_out: FanOut, seed: int) -> None:
        self._of = fan_out
        self._rng = np.random.default_rng([seed, 2])
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._machines = [_Machine(fan_out.cores) for _ in range(fan_out.machines)]
        places = count()
        self._replicas = [
            [
                _Actor(self._machines[next(places) % fan_out.machines])
                for _ in range(fan_out.replicas)
            ]
            for _ in range(fan_out.shards)
        ]
        self._coordinator = _Actor(self._machines[0])
        self._latencies: list[float] = []
        self._to_ask = 0
        self._in_turn = False
        self._first = 0.0
        self._hedged = self._lost = 0

    def run(self, *, arrivals: list[float], batches: int) -> Simulated:
        """Ask the batches; those beyond the arrivals follow answers."""
        self._first = arrivals[0]
        self._to_ask = batches - len(arrivals)
        self._in_turn = self._to_ask > 0
        for at in arrivals:
            self._at(at, self._ask)
        if self._of.between_failures is not None:
            for replicas in self._replicas:
                for actor in replicas:
                    self._fail_later(actor)
        while len(self._latencies) < batches:
            self._now, _, event = heapq.heappop(self._events)
            event()
        return Simulated(
            latencies=np.array(self._latencies),
            seconds=self._now - self._first,
            hedged=self._hedged,
            lost=self._lost,
        )

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._number), event))

    def _ask(self) -> None:
        batch = _Batch(self._now, self._of.shards)
        self._give(
            self._coordinator,
            _Work(self._of.prepare, lambda: self._ask_shards(batch)),
        )

    def _ask_shards(self, batch: _Batch) -> None:
        for shard in range(self._of.shards):
            self._ask_shard(batch, shard, avoiding=None)
            if self._of.hedge is not None and self._of.replicas > 1:
                self._hedge_later(batch, shard)

    def _ask_shard(self, batch: _Batch, shard: int, *, avoiding: _Actor | None) -> None:
        """Ask the replica that has the least to do."""
        others = [one for one in self._replicas[shard] if one is not avoiding]
        living = [one for one in others if one.alive] or others
        actor = min(living or self._replicas[shard], key=_queued)
        work = _Work(
            float(self._rng.choice(self._of.answer)),
            lambda: self._answered(batch, shard),
            lambda: batch.answered[shard],
        )
        if self._of.delay:
            self._at(self._now + self._of.delay, lambda: self._give(actor, work))
        else:
            self._give(actor, work)

    def _hedge_later(self, batch: _Batch, shard: int) -> None:
        def hedge() -> None:
            if not batch.answered[shard]:
                self._hedged += 1
                busy = max(self._replicas[shard], key=_queued)
                self._ask_shard(batch, shard, avoiding=busy)

        assert self._of.hedge is not None
        self._at(self._now + self._of.hedge, hedge)

    def _answered(self, batch: _Batch, shard: int) -> None:
        if batch.answered[shard]:
            return
        batch.answered[shard] = True
        batch.missing -= 1
        if not batch.missing:
            merge = self._of.merge * self._of.shards
            self._give(self._coordinator, _Work(merge, lambda: self._end(batch)))

    def _end(self, batch: _Batch) -> None:
        self._latencies.append(self._now - batch.begun)
        if self._in_turn and self._to_ask > 0:
            self._to_ask -= 1
            self._ask()

    def _give(self, actor: _Actor, work: _Work) -> None:
        actor.machine.advance(self._now)
        actor.waiting.append(work)
        actor.next()
        self._reckon(actor.machine)

    def _reckon(self, machine: _Machine) -> None:
        """Note when the next piece of work of a machine is done."""
        machine.version += 1
        if not machine.working:
            return
        version = machine.version
        soonest = min(machine.working, key=lambda one: one.left)
        when = self._now + max(0.0, soonest.left) / machine.speed

        def done() -> None:
            if machine.version == version:
                self._done(machine)

        self._at(when, done)

    def _done(self, machine: _Machine) -> None:
        machine.advance(self._now)
        ended = [one for one in machine.working if one.left <= DONE]
        works = []
        for actor in ended:
            machine.working.remove(actor)
            assert actor.current is not None
            works.append(actor.current)
            actor.current = None
        for actor in ended:
            actor.next()
        self._reckon(machine)
        for work in works:
            work.done()

    def _fail_later(self, actor: _Actor) -> None:
        assert self._of.between_failures is not None
        after = float(self._rng.exponential(self._of.between_failures))
        self._at(self._now + after, lambda: self._fail(actor))

    def _fail(self, actor: _Actor) -> None:
        actor.machine.advance(self._now)
        actor.alive = False
        if actor.current is not None:
            self._lost += 1
            actor.machine.working.remove(actor)
            actor.waiting.appendleft(actor.current)
            actor.current = None
        self._reckon(actor.machine)
        self._ask_others(actor)
        self._at(self._now + self._of.restart, lambda: self._restart(actor))

    def _ask_others(self, actor: _Actor) -> None:
        """What a failed actor was asked goes to another replica, where one lives."""
        replicas = next(each for each in self._replicas if actor in each)
        living = [one for one in replicas if one.alive]
        while living and actor.waiting:
            self._give(min(living, key=_queued), actor.waiting.popleft())

    def _restart(self, actor: _Actor) -> None:
        actor.alive = True
        actor.machine.advance(self._now)
        actor.next()
        self._reckon(actor.machine)
        self._fail_later(actor)


def _queued(actor: _Actor) -> int:
    return len(actor.waiting) + (actor.current is not None)
