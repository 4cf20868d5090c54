"""Which shards are waited for, how long, and which are left out; without a Ray."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import count
from typing import Any

import pytest

from gleann.index.errors import (
    CorruptDataError,
    DeadlineError,
    InvalidParamsError,
    MissingFileError,
    UnavailableError,
)
from gleann.service.cluster import engine
from gleann.service.cluster.search import cluster_shards
from gleann.service.cluster.search.cluster_shards import ClusterShards, Waiting
from gleann.service.cluster.search.pieces import answer_pieces, packed
from gleann.service.cluster.search.replicas import LostError
from gleann.service.cluster.search.shard_actor import UnopenedError

Reference = tuple[int, str, int]
"""A shard, its actor, and how many questions went before."""


class World:
    """Actors by shard; those `lost` never answer again, those `hung` not in time, and
    those `closed` say why they have no shard.

    It is its own Ray and its own `Replicas`.
    """

    def __init__(self, actors: Mapping[int, Sequence[str]]) -> None:
        self.actors = actors
        self.lost_: set[str] = set()
        self.hung: set[str] = set()
        self.closed: set[str] = set()
        self.reopening: set[str] = set()
        self.failure: Exception = MissingFileError("no index there")
        self.awaited: dict[str, Reference] = {}
        self.asked: list[str] = []

    def put(self, value: Any) -> Any:
        return value

    def wait(
        self, open_: Sequence[Reference], *, num_returns: int, timeout: float
    ) -> tuple[list[Reference], list[Reference]]:
        ready = [one for one in open_ if one[1] not in self.hung][:1]
        return ready, [one for one in open_ if one not in ready]

    def count(self, number: int) -> int:
        return len(self.actors[number])

    def ask(
        self, number: int, questions: Any, *, tried: Sequence[str], up_only: bool
    ) -> tuple[str, Sequence[Reference]] | None:
        up = [one for one in self.actors[number] if self.is_up(number, one)]
        if not up and up_only:
            return None
        among = up or self.actors[number]
        untried = [one for one in among if one not in tried]
        starting = [one for one in among if one not in self.reopening]
        actor = [*untried, *starting, *among][0]
        self.asked.append(actor)
        return actor, [(number, actor, len(self.asked))]

    def answer_of(self, pieces: Sequence[Reference]) -> Sequence[bytes]:
        [(_, actor, _)] = pieces
        if actor in self.lost_:
            raise LostError(gone=False)
        if actor in self.closed:
            raise UnopenedError(self.failure)
        return answer_pieces(packed(actor))

    def lost(self, number: int, actor: str, *, gone: bool) -> None:
        self.awaited[actor] = (number, actor, 0)

    def late(self, number: int, actor: str, reference: Reference) -> None:
        self.awaited[actor] = reference

    def is_up(self, number: int, actor: str) -> bool:
        if actor not in self.lost_ | self.hung:
            self.awaited.pop(actor, None)
        return actor not in self.awaited and actor not in self.reopening

    def unopened(self, number: int, actor: str) -> None:
        self.reopening.add(actor)

    def were_asked(self, number: int, tried: Sequence[str]) -> bool:
        return all(
            one in tried and (self.is_up(number, one) or one in self.reopening)
            for one in self.actors[number]
        )


class Asking:
    """A question; it is not answered here."""

    def answer(self, shard: Any) -> None: ...


@pytest.fixture(autouse=True)
def _a_second_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count()
    monkeypatch.setattr(cluster_shards, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(cluster_shards, "sleep", lambda _: None)
    monkeypatch.setattr(engine, "errors_unwrapped", lambda _: nullcontext())


def asked(world: Any, waiting: Waiting, blocks: int = 1) -> list[Mapping[int, Any]]:
    world.reopening.clear()  # they have tried again meanwhile
    shards = ClusterShards(world, world, waiting)
    questions = {number: Asking() for number in world.actors}
    return list(shards.ask_each([questions] * blocks))


def test_a_lost_shard_is_not_waited_for_without_end() -> None:
    world = World({0: ["a"], 1: ["b"], 4: ["c"]})
    world.lost_ = {"b"}
    said = "1 of 3 shards were lost and are not back within 30 seconds.* is number 1"
    with pytest.raises(UnavailableError, match=said):
        asked(world, Waiting(lost_seconds=30))
    # Nor by who asks when it was lost already, and whose question waits for it.
    world.hung = {"b"}
    with pytest.raises(UnavailableError, match=said):
        asked(world, Waiting(lost_seconds=30))


def test_a_shard_that_is_back_is_waited_for_anew() -> None:
    world = World({0: ["a"]})
    world.lost_ = {"a"}
    back = iter(range(200))

    def answer_of(pieces: Sequence[Reference]) -> Sequence[bytes]:
        if next(back) % 10 < 9:
            raise LostError(gone=False)
        return answer_pieces(packed("a"))

    world.answer_of = answer_of  # type: ignore[method-assign]
    found = asked(world, Waiting(lost_seconds=40), blocks=9)
    assert found == [{0: "a"}] * 9


@pytest.mark.parametrize("blocks", [1, 9])
def test_a_hung_shard_is_waited_for_once_a_search(blocks: int) -> None:
    world = World({0: ["a"], 1: ["b"]})
    world.hung = {"b"}
    waited: list[float] = []
    wait = world.wait

    def counted(open_: Any, *, num_returns: int, timeout: float) -> Any:
        ready, others = wait(open_, num_returns=num_returns, timeout=timeout)
        if not ready:
            waited.append(timeout)
        return ready, others

    world.wait = counted  # type: ignore[method-assign]
    found = asked(world, Waiting(partial=True, seconds=50), blocks=blocks)
    assert found == [{0: "a"}] * blocks
    long = [one for one in waited if one > 0]
    assert 0 < len(long) <= 50
    assert sum(long) <= 50
    # Nor by the next search, until it has answered what it was asked.
    waited.clear()
    assert asked(world, Waiting(partial=True, seconds=50)) == [{0: "a"}]
    assert not any(waited)
    world.hung = set()
    assert asked(world, Waiting(partial=True, seconds=50)) == [{0: "a", 1: "b"}]


def test_another_replica_answers_in_place_of_a_hung_one() -> None:
    world = World({0: ["a", "b"]})
    world.hung = {"a"}
    first, *others = asked(world, Waiting(partial=True, seconds=50), blocks=6)
    assert first == {}
    assert others == [{0: "b"}] * 5


def test_too_late_is_an_error_of_who_wants_all() -> None:
    world = World({0: ["a"], 1: ["b"]})
    world.hung = {"b"}
    said = "1 of 2 shards do not answer within 50 seconds, the first is number 1"
    with pytest.raises(DeadlineError, match=said):
        asked(world, Waiting(seconds=50))


def test_a_shard_that_cannot_be_opened_again_is_named_at_once() -> None:
    world = World({0: ["a"], 1: ["b", "c", "d"]})
    world.closed = {"b", "c"}
    assert asked(world, Waiting(), blocks=2) == [{0: "a", 1: "d"}] * 2
    world.closed = {"b", "c", "d"}
    said = "shard 1 cannot be opened again: no index there"
    with pytest.raises(UnavailableError, match=said):
        asked(world, Waiting())
    assert asked(world, Waiting(partial=True)) == [{0: "a"}]
    world.failure = MemoryError()
    with pytest.raises(UnavailableError, match="opened again: MemoryError"):
        asked(world, Waiting())
    world.failure = CorruptDataError("of another build")
    for waiting in (Waiting(), Waiting(partial=True)):
        with pytest.raises(CorruptDataError, match="of another build"):
            asked(world, waiting)
    world.closed = set()
    assert asked(world, Waiting()) == [{0: "a", 1: "b"}]


def test_a_replica_that_is_started_again_may_have_what_another_cannot_open() -> None:
    world = World({0: ["a", "b"]})
    world.closed, world.lost_ = {"a"}, {"b"}
    world.lost(0, "b", gone=False)
    assert asked(world, Waiting(partial=True)) == [{}]
    with pytest.raises(UnavailableError, match="not back within 9 seconds"):
        asked(world, Waiting(lost_seconds=9))
    ask = world.ask
    world.asked.clear()

    def ask_later(*given: Any, **named: Any) -> Any:
        if len(world.asked) == 9:
            world.lost_.clear()
        return ask(*given, **named)

    world.ask = ask_later  # type: ignore[method-assign]
    assert asked(world, Waiting()) == [{0: "b"}]
    assert world.asked == ["a"] + ["b"] * 9


def test_questions_without_a_substitute_wait_for_all() -> None:
    world: Any = World({0: ["a"], 1: ["b"]})
    lax = ClusterShards(world, world, Waiting(partial=True, lost_seconds=9))
    world.lost_ = {"b"}
    questions = {0: Asking(), 1: Asking()}
    assert list(lax.ask_each([questions])) == [{0: "a"}]
    with pytest.raises(UnavailableError, match="not back within 9 seconds"):
        list(lax.complete.ask_each([questions]))
    world.lost_ = set()
    assert list(lax.complete.ask_each([questions])) == [{0: "a", 1: "b"}]
    assert lax.complete.complete is not lax
    assert ClusterShards(world, world, Waiting()).complete


@pytest.mark.parametrize("name", ["seconds", "lost_seconds"])
def test_no_time_at_all_is_refused(name: str) -> None:
    with pytest.raises(InvalidParamsError, match=f"{name} must be above 0, got -1"):
        Waiting(**{name: -1})
