"""Asks the shards that actors hold; the answers of lost actors are asked for again."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from time import monotonic, sleep
from typing import Any, NamedTuple

import numpy as np

from gleann.index.errors import (
    CorruptDataError,
    DeadlineError,
    EngineUnavailableError,
    InvalidParamsError,
    UnavailableError,
)
from gleann.index.heartbeat import beat
from gleann.index.shards.asking import Asked
from gleann.service.cluster import engine
from gleann.service.cluster.search.pieces import (
    packed,
    question_pieces,
    unpacked,
)
from gleann.service.cluster.search.replicas import (
    PAUSE_SECONDS,
    LostError,
    Replicas,
    is_among,
)
from gleann.service.cluster.search.shard_actor import UnopenedError

BLOCK = 1024
"""Queries that are sent together: merging one block takes place while shards scan the
next. A call takes as long as the search of some dozen queries."""

AHEAD = 2
"""Blocks that shards have beside the one whose answers are taken."""

BEAT_SECONDS = 0.5
"""So often it is looked whether the answer is still wanted."""

LASTING = CorruptDataError, EngineUnavailableError
"""Reasons why a shard is not open that do not pass by themselves."""

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


class _Open(NamedTuple):
    """What a shard was asked.

    Attributes:
        number: of the shard.
        actor: that has it.
        tried: actors that were asked before.
        pieces: references of the pieces of the answer.
    """

    number: int
    actor: Any
    tried: tuple[Any, ...]
    pieces: Sequence[Any]

    def with_actor(self) -> tuple[Any, ...]:
        """All that were asked."""
        known = is_among(self.actor, self.tried)
        return self.tried if known else (*self.tried, self.actor)


@dataclass(slots=True, eq=False)
class _Sent:
    """Questions that shards have.

    Attributes:
        questions: as they were sent: pieces, or a reference of the whole.
        deadline: by `monotonic`, from when it is waited for; None without one.
        open: what is not answered, by the reference of the answer's first piece.
        answers: by shard.
        failures: why a shard is not open, by its number; what lasts, if one said so.
        lost: since when a shard is waited for whose actor was lost, by its number; by
            `monotonic`.
    """

    questions: Sequence[Any]
    deadline: float | None = None
    open: dict[Any, _Open] = field(default_factory=dict)
    answers: dict[int, Any] = field(default_factory=dict)
    failures: dict[int, Exception] = field(default_factory=dict)
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
        # Packed at once: what several questions have in common is in it once.
        whole = packed(dict(asked))
        pieces: Sequence[Any] | None = question_pieces(whole)
        if pieces is None:
            pieces = [self._ray.put(np.frombuffer(whole, np.uint8))]
        sent = _Sent(questions=pieces)
        for number in asked:
            self._ask(sent, number, tried=())
        return sent

    def _ask(self, sent: _Sent, number: int, *, tried: tuple[Any, ...]) -> bool:
        """Ask an actor of a shard; whether there is one to ask."""
        partial = self._waiting.partial
        asked = self._replicas.ask(number, sent.questions, tried=tried, up_only=partial)
        if asked is None:
            return False
        actor, pieces = asked
        sent.open[pieces[0]] = _Open(number, actor, tried, pieces)
        if not partial and not self._replicas.is_up(number, actor):
            sent.lost.setdefault(number, monotonic())
        return True

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
        """Keep an answer, or ask again where the actor was lost or has no shard."""
        number, actor, _, pieces = one = sent.open.pop(reference)
        try:
            with engine.errors_unwrapped(f"shard {number} does not answer"):
                sent.answers[number] = unpacked(self._replicas.answer_of(pieces))
            sent.lost.pop(number, None)
        except LostError as error:
            sent.lost.setdefault(number, monotonic())
            self._replicas.lost(number, actor, gone=error.gone)
            self._ask_again(sent, number, tried=one.with_actor())
        except UnopenedError as error:
            self._replicas.unopened(number, actor)
            if not isinstance(sent.failures.get(number), LASTING):
                sent.failures[number] = error.failure
            self._ask_others(sent, number, tried=one.with_actor())

    def _ask_others(self, sent: _Sent, number: int, *, tried: tuple[Any, ...]) -> None:
        """Ask actors that may have the shard; those being started again are waited for.

        Raises:
            CorruptDataError, EngineUnavailableError: one of the actors says that, and
                none has the shard.
            UnavailableError: none has it, and the shard is not to be left out.
        """
        if not self._replicas.were_asked(number, tried) and self._ask(
            sent, number, tried=tried
        ):
            return
        failure = sent.failures[number]
        if isinstance(failure, LASTING):
            raise failure
        if not self._waiting.partial:
            why = str(failure) or type(failure).__name__
            raise UnavailableError(
                f"shard {number} cannot be opened again: {why}"
            ) from failure

    def _ask_again(self, sent: _Sent, number: int, *, tried: tuple[Any, ...]) -> None:
        if self._waiting.partial and len(tried) >= self._replicas.count(number):
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
            self._replicas.is_up(one.number, one.actor) for one in sent.open.values()
        )

    def _pass_over(self, sent: _Sent) -> None:
        """Ask others than actors that were too late before, or leave shards out."""
        late, sent.open = sent.open, {}
        for one in late.values():
            self._ask_again(sent, one.number, tried=one.with_actor())

    def _too_late(self, sent: _Sent) -> None:
        """Give up what is not answered, or leave it out.

        Raises:
            DeadlineError: it is not to be left out.
        """
        late = sorted(one.number for one in sent.open.values())
        if self._waiting.partial:
            for reference, one in sent.open.items():
                self._replicas.late(one.number, one.actor, reference)
        sent.open.clear()
        if not self._waiting.partial:
            raise DeadlineError(
                f"{len(late)} of {len(late) + len(sent.answers)} shards do not answer"
                f" within {self._waiting.seconds:g} seconds, the first is number"
                f" {late[0]}"
            )
