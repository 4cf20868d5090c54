"""Which actor of a shard is asked; without a Ray."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gleann.index.progress import Progress
from gleann.service.cluster import engine
from gleann.service.cluster.nodes import machines_for_work
from gleann.service.cluster.search.replicas import Holding, Replicas


class Method:
    """A method of an actor; its answers are those references that are `done`."""

    def __init__(self) -> None:
        self.given: list[SimpleNamespace] = []

    def options(self, **_: Any) -> "Method":
        return self

    def remote(self, *_: Any) -> SimpleNamespace:
        self.given.append(SimpleNamespace(done=False))
        return self.given[-1]


class Actor:
    def __init__(self) -> None:
        self.process, self.answer = Method(), Method()


class Ray:
    """Starts actors, and looks whether references are done.

    Of its machines the head has no CPU, and one is gone.
    """

    def __init__(self) -> None:
        self.started: list[Actor] = []
        self.on: list[str] = []
        strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=SimpleNamespace)
        self.util = SimpleNamespace(scheduling_strategies=strategies)

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": "b", "Alive": True, "Resources": {"CPU": 2.0}},
            {"NodeID": "gone", "Alive": False, "Resources": {"CPU": 2.0}},
            {"NodeID": "head", "Alive": True, "Resources": {"memory": 1.0}},
            {"NodeID": "a", "Alive": True, "Resources": {"CPU": 2.0}},
        ]

    def remote(self, *, scheduling_strategy: Any, memory: int, **_: Any) -> Any:
        assert memory > 0  # else Ray does not look at the strategy
        assert scheduling_strategy.soft  # its machine may be gone when it starts again
        self.on.append(scheduling_strategy.node_id)
        return lambda _: SimpleNamespace(remote=self._start)

    def _start(self, _: Any) -> Actor:
        self.started.append(Actor())
        return self.started[-1]

    def wait(self, references: Any, *, timeout: float) -> Any:
        assert timeout == 0
        ready = [one for one in references if one.done]
        return ready, [one for one in references if not one.done]


@pytest.fixture
def replicas() -> Replicas:
    """Three actors of shard 0."""
    cluster: Any = SimpleNamespace(ray=Ray(), workers=1)
    manifest: Any = SimpleNamespace(shards=[SimpleNamespace(n=1)])
    holding = Holding(replicas=3, threads=1)
    return Replicas(cluster, Path("/cut"), manifest, holding)


def test_they_are_on_the_machines_with_cpus_in_turn() -> None:
    ray = Ray()
    cluster: Any = SimpleNamespace(ray=ray, workers=1)
    manifest: Any = SimpleNamespace(shards=[SimpleNamespace(n=n) for n in (1, 0, 3)])
    replicas = Replicas(cluster, Path("/cut"), manifest, Holding(replicas=2))
    assert list(replicas.actors) == [0, 2]
    assert ray.on == ["a", "b", "a", "b"]
    replicas.lost(2, replicas.actors[2][1], gone=True)
    assert ray.on[4:] == ["a"]


def test_machines_without_cpus_work_where_there_are_no_others() -> None:
    head = {"NodeID": "h", "Alive": True, "Resources": {}}
    assert machines_for_work(SimpleNamespace(nodes=lambda: [head])) == ["h"]


def asked(replicas: Replicas, *tried: Any, up_only: bool = False) -> Any:
    """The actor that is asked; None where there is none."""
    found = replicas.ask(0, [b""], tried=tried, up_only=up_only)
    return None if found is None else found[0]


def all_asked(replicas: Replicas, *tried: Any) -> set[int]:
    """Places of those that six questions in a row are sent to."""
    actors = list(replicas.actors[0])
    return {actors.index(asked(replicas, *tried)) for _ in range(6)}


def test_those_that_were_not_tried_are_asked(replicas: Replicas) -> None:
    first, second, third = replicas.actors[0]
    assert all_asked(replicas) == {0, 1, 2}
    assert all_asked(replicas, first) == {1, 2}
    assert all_asked(replicas, first, third) == {1}
    assert all_asked(replicas, first, second, third) == {0, 1, 2}


def test_one_that_is_lost_is_asked_where_no_other_is_up(replicas: Replicas) -> None:
    first, second, third = replicas.actors[0]
    for actor in (first, second):
        replicas.lost(0, actor, gone=False)
    assert all_asked(replicas) == {2}
    assert not replicas.were_asked(0, [first, second, third])
    replicas.lost(0, third, gone=False)
    assert asked(replicas, up_only=True) is None
    assert all_asked(replicas, second, third) == {0}
    first.process.given[-1].done = True
    assert replicas.is_up(0, first)
    assert all_asked(replicas) == {0}


def test_one_without_its_shard_is_asked_last(replicas: Replicas) -> None:
    first, second, third = replicas.actors[0]
    replicas.unopened(0, first)
    replicas.unopened(0, first)
    assert len(first.process.given) == 1  # until it has tried again
    assert all_asked(replicas) == {1, 2}
    replicas.unopened(0, second)
    replicas.lost(0, third, gone=False)
    assert not replicas.were_asked(0, [first, second, third])
    assert all_asked(replicas, first, second, third) == {2}
    third.process.given[-1].done = True
    assert replicas.were_asked(0, [first, second, third])
    assert not replicas.were_asked(0, [first, third])
    first.process.given[-1].done = True
    assert all_asked(replicas, third) == {0}


def test_another_in_the_place_of_one_that_is_gone_was_not_asked(
    replicas: Replicas,
) -> None:
    tried = tuple(replicas.actors[0])
    replicas.unopened(0, tried[0])
    replicas.lost(0, tried[0], gone=True)
    assert not replicas.were_asked(0, tried)
    for actor in tried[1:]:
        replicas.lost(0, actor, gone=False)
    assert all_asked(replicas, *tried) == {0}
    assert replicas.actors[0][0] is not tried[0]


def test_who_waits_hears_how_many_shards_are_open(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "errors_unwrapped", lambda _: nullcontext())
    monkeypatch.setattr(Replicas, "answer_of", lambda *_, **__: 7)
    heard: list[Progress] = []
    assert replicas.wait(5, heard.append) == {0: [7, 7, 7]}
    assert [(one.phase, one.done, one.total) for one in heard] == [
        ("open", done, 3) for done in range(4)
    ]
