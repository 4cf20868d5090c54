"""Asks the shards that actors hold; the answers of lost actors are asked for again."""

import pickle
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from time import monotonic, sleep
from typing import Any

import numpy as np

from gleann.index.errors import DeadlineError, InvalidParamsError, UnavailableError
from gleann.index.heartbeat import beat
from gleann.index.shards.asking import Asked
from gleann.service.cluster import engine
from gleann.service.cluster.search.replicas import (
    PAUSE_SECONDS,
    LostError,
    Replicas,
)

BLOCK = 512
"""Queries that are sent together: merging one block takes place while shards scan the
next."""

AHEAD = 2
"""Blocks that shards have beside the one whose answers are taken."""

INLINE_BYTES = 64 << 10
"""Questions up to this size travel with the call, larger ones in the object store,
which all actors of a machine read."""

BEAT_SECONDS = 0.5
"""So often it is looked whether the answer is still wanted."""

LOST_SECONDS = 120.0
"""A lost actor is back within seconds, or as long as its shard takes to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What to do about a shard that does not answer.

    Attributes:
        seconds: for an answer; None waits as long as it takes.
        partial: answer without it, and say which share of the rows is covered; else a
            lost actor is waited for, and too late an answer is an error. An actor that
            was too late once is not waited for again until it has answered.
        lost_seconds: for a shard whose actor was lost, until it answers again.
    """

    seconds: float | None = None
    partial: bool = False
    lost_seconds: float = LOST_SECONDS

    def __post_init__(self) -> None:
        for name in ("seconds", "lost_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidParamsError(f"{name} must be above 0, got {value}")


@dataclass(slots=True, eq=False)
class _Sent:
    """Questions that shards have.

    Attributes:
        questions: as they were sent.
        deadline: by `monotonic`, from when it is waited for; None without one.
        open: what is not answered, by its reference: the shard, the actor, and how
            often it was asked.
        answers: by shard.
        lost: since when a shard is waited for whose actor was lost, by its number; by
            `monotonic`.
    """

    questions: Any
    deadline: float | None = None
    open: dict[Any, tuple[int, Any, int]] = field(default_factory=dict)
    answers: dict[int, Any] = field(default_factory=dict)
    lost: dict[int, float] = field(default_factory=dict)

    def left(self) -> float:
        """Seconds until the deadline; infinitely many without one."""
        return inf if self.deadline is None else max(0.0, self.deadline - monotonic())


class ClusterShards:
    """`Shards` that actors hold; any number of threads may ask.

    Args:
        ray: the module.
        replicas: the actors.
        waiting: what to do where one does not answer.
        block: queries that go together.
    """

    def __init__(
        self, ray: Any, replicas: Replicas, waiting: Waiting, *, block: int = BLOCK
    ) -> None:
        self._ray = ray
        self._replicas = replicas
        self._waiting = waiting
        self._block = block

    @property
    def replicas(self) -> Replicas:
        """The actors."""
        return self._replicas

    @property
    def complete(self) -> "ClusterShards":
        """See `Shards.complete`."""
        if not self._waiting.partial:
            return self
        return self.waiting_for(replace(self._waiting, partial=False))

    def waiting_for(self, waiting: Waiting) -> "ClusterShards":
        """The same actors, asked by who waits otherwise."""
        return ClusterShards(self._ray, self._replicas, waiting, block=self._block)

    @property
    def block(self) -> int:
        """See `Shards.block`."""
        return self._block

    def ask_each(self, questions: Iterable[Asked]) -> Iterator[Mapping[int, Any]]:
        """See `Shards.ask_each`; `AHEAD` of them are asked ahead."""
        sent: deque[_Sent] = deque()
        for asked in questions:
            sent.append(self._send(asked))
            if len(sent) > AHEAD:
                yield self._answered(sent.popleft())
        while sent:
            yield self._answered(sent.popleft())

    def _send(self, asked: Asked) -> _Sent:
        # Pickled at once: what several questions have in common is in it once.
        packed: Any = pickle.dumps(dict(asked), protocol=pickle.HIGHEST_PROTOCOL)
        if len(packed) > INLINE_BYTES:
            packed = self._ray.put(np.frombuffer(packed, np.uint8))
        sent = _Sent(questions=packed)
        for number in asked:
            self._ask(sent, number, tried=0)
        return sent

    def _ask(self, sent: _Sent, number: int, *, tried: int) -> None:
        partial = self._waiting.partial
        asked = self._replicas.ask(number, sent.questions, tried=tried, up_only=partial)
        if asked is not None:
            actor, reference = asked
            sent.open[reference] = number, actor, tried
            if not partial and not self._replicas.is_up(number, actor):
                sent.lost.setdefault(number, monotonic())

    def _answered(self, sent: _Sent) -> Mapping[int, Any]:
        """The answers to what was sent, by shard; in the order of the numbers."""
        if self._waiting.seconds is not None:
            sent.deadline = monotonic() + self._waiting.seconds
        sent.lost = dict.fromkeys(sent.lost, monotonic())
        while sent.open:
            beat()  # whoever asked may have gone
            self._require_back(sent)
            late = self._are_late(sent)
            seconds = 0.0 if late else min(BEAT_SECONDS, sent.left())
            ready, _ = self._ray.wait(list(sent.open), num_returns=1, timeout=seconds)
            for reference in ready:
                self._take(sent, reference)
            if not ready and late:
                self._pass_over(sent)
            elif not ready and sent.left() == 0:
                self._too_late(sent)
        return dict(sorted(sent.answers.items()))

    def _take(self, sent: _Sent, reference: Any) -> None:
        """Keep an answer, or ask again where the actor was lost."""
        number, actor, tried = sent.open.pop(reference)
        try:
            with engine.errors_unwrapped(f"shard {number} does not answer"):
                sent.answers[number] = self._replicas.answer_of(reference)
            sent.lost.pop(number, None)
        except LostError as error:
            sent.lost.setdefault(number, monotonic())
            self._replicas.lost(number, actor, gone=error.gone)
            self._ask_again(sent, number, tried=tried + 1)

    def _ask_again(self, sent: _Sent, number: int, *, tried: int) -> None:
        if self._waiting.partial and tried >= self._replicas.count(number):
            return
        if not self._waiting.partial:
            sleep(PAUSE_SECONDS)
        self._ask(sent, number, tried=tried)

    def _require_back(self, sent: _Sent) -> None:
        """Refuse to wait any longer for a shard whose actor was lost.

        Raises:
            UnavailableError: it was, and has not answered since.
        """
        most = self._waiting.lost_seconds
        gone = [n for n, since in sent.lost.items() if monotonic() - since > most]
        if gone and not self._waiting.partial:
            raise UnavailableError(
                f"{len(gone)} of {len(sent.open) + len(sent.answers)} shards were lost"
                f" and are not back within {most:g} seconds, the first is number"
                f" {min(gone)}"
            )

    def _are_late(self, sent: _Sent) -> bool:
        """Whether all that are still to answer were too late before."""
        return self._waiting.partial and not any(
            self._replicas.is_up(number, actor)
            for number, actor, _ in sent.open.values()
        )

    def _pass_over(self, sent: _Sent) -> None:
        """Ask others than actors that were too late before, or leave shards out."""
        late, sent.open = sent.open, {}
        for number, _, tried in late.values():
            self._ask_again(sent, number, tried=tried + 1)

    def _too_late(self, sent: _Sent) -> None:
        """Give up what is not answered, or leave it out.

        Raises:
            DeadlineError: it is not to be left out.
        """
        late = sorted(number for number, _, _ in sent.open.values())
        if self._waiting.partial:
            for reference, (number, actor, _) in sent.open.items():
                self._replicas.late(number, actor, reference)
        sent.open.clear()
        if not self._waiting.partial:
            raise DeadlineError(
                f"{len(late)} of {len(late) + len(sent.answers)} shards do not answer"
                f" within {self._waiting.seconds:g} seconds, the first is number"
                f" {late[0]}"
            )
