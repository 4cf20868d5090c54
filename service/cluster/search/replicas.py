"""The actors of one index: some for each shard, replaced where they are lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Any

import gleann
from gleann.index.errors import InvalidParamsError, UnavailableError
from gleann.index.progress import Progress, Report, ignore
from gleann.index.shards.asking import numbers_of
from gleann.index.shards.manifest import ShardsManifest
from gleann.service.cluster import engine
from gleann.service.cluster.nodes import machines_for_work
from gleann.service.cluster.search.pieces import ANSWER_PIECES
from gleann.service.cluster.search.shard_actor import Opening, ShardActor
from gleann.service.cluster.session import Cluster

AT_ONCE = 4
"""Questions that an actor answers at once: while one waits for a file, others run."""

PLACED_BYTES = 1
"""Memory that an actor asks Ray for: one that asks for nothing at all is put on a
machine drawn at random, whatever its strategy says."""

PAUSE_SECONDS = 0.05
"""Before a lost actor is asked again: it takes seconds to start."""


class LostError(Exception):
    """The actor that was asked is lost.

    Attributes:
        gone: whether Ray does not start it again.
    """

    def __init__(self, *, gone: bool) -> None:
        super().__init__()
        self.gone = gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """How the shards of an index are held.

    Attributes:
        replicas: actors a shard.
        engine: as in `SoarIndex.load`.
        threads: of each actor; None divides the CPUs of the cluster among them.
    """

    replicas: int = 1
    engine: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise InvalidParamsError(
                f"replicas must be at least 1, got {self.replicas}"
            )


def is_among(actor: Any, tried: Sequence[Any]) -> bool:
    """Whether an actor was tried."""
    return any(one is actor for one in tried)


class Replicas:
    """Actors that hold the shards of an index, in turn on the machines that have CPUs.

    So replicas of a shard are on several of them. An actor that ends is started again
    by Ray, on another machine if its own is gone, and opens its shard anew.

    Args:
        cluster: that is joined.
        path: of the index, seen by all machines.
        manifest: of the index.
        holding: how many, and how.
    """

    def __init__(
        self, cluster: Cluster, path: Path, manifest: ShardsManifest, holding: Holding
    ) -> None:
        self._ray = cluster.ray
        numbers = numbers_of(manifest)
        threads = holding.threads
        if threads is None:
            threads = max(1, cluster.workers // (len(numbers) * holding.replicas))
        self._opening = Opening(
            path=path.absolute(),
            manifest=manifest,
            number=0,
            engine=holding.engine,
            threads=threads,
            version=gleann.__version__,
        )
        self._guard = Lock()
        self._turns = count()
        self._places = count()
        self._awaited: dict[tuple[int, int], Any] = {}
        self._reopening: set[tuple[int, int]] = set()
        self._actors = {
            number: [self._started(number) for _ in range(holding.replicas)]
            for number in numbers
        }

    @property
    def actors(self) -> Mapping[int, Sequence[Any]]:
        """Those of each shard."""
        return self._actors

    def count(self, number: int) -> int:
        """How many actors a shard has."""
        return len(self._actors[number])

    def wait(
        self, seconds: float, progress: Report = ignore
    ) -> Mapping[int, list[int]]:
        """Wait until every actor has opened its shard; the processes, by shard.

        An actor that is lost meanwhile is waited for again.

        Args:
            seconds: for all of them.
            progress: told how many have, in the phase "open".

        Raises:
            GleannError: why one cannot.
            UnavailableError: one has not within `seconds`.
        """
        ends = monotonic() + seconds
        asked = {
            number: [(actor, actor.process.remote()) for actor in actors]
            for number, actors in self._actors.items()
        }
        done, total = 0, sum(map(len, asked.values()))
        found: dict[int, list[int]] = {number: [] for number in asked}
        progress(Progress(phase="open", done=done, total=total))
        for number, pairs in asked.items():
            for actor, reference in pairs:
                process = self._opened(
                    number, actor, reference, seconds=seconds, ends=ends
                )
                found[number].append(process)
                done += 1
                progress(Progress(phase="open", done=done, total=total))
        return found

    def _opened(
        self, number: int, actor: Any, reference: Any, *, seconds: float, ends: float
    ) -> int:
        """The process of an actor, once it has its shard; of `seconds`, some are left.

        Raises:
            As `wait`.
        """
        while True:
            left = max(0.0, ends - monotonic())
            try:
                with engine.errors_unwrapped(f"shard {number} is not open"):
                    return self._process_of(number, reference, left, of=seconds)
            except LostError as error:
                actor = self.lost(number, actor, gone=error.gone)
                if not left:
                    raise UnavailableError(
                        f"shard {number} is not open: its process is lost again and"
                        " again"
                    ) from error
            sleep(PAUSE_SECONDS)
            reference = actor.process.remote()

    def _process_of(
        self, number: int, reference: Any, left: float, *, of: float
    ) -> int:
        try:
            process: int = self.answer_of(reference, seconds=left)
        except self._ray.exceptions.GetTimeoutError as error:
            raise UnavailableError(
                f"shard {number} is not open within {of:,.0f} seconds: all of its files"
                " are read and checked first"
            ) from error
        return process

    def answer_of(self, reference: Any, *, seconds: float | None = None) -> Any:
        """What an actor answered.

        Args:
            reference: of the answer, or several of its pieces.
            seconds: to wait for it; None waits.

        Raises:
            LostError: the actor is lost, or the machine that had the answer.
            Exception: what the actor raised, as Ray wraps it.
        """
        lost = self._ray.exceptions
        try:
            return self._ray.get(reference, timeout=seconds)
        except (lost.RayActorError, lost.ObjectLostError, lost.NodeDiedError) as error:
            died = isinstance(error, lost.ActorDiedError)
            raise LostError(gone=died) from error

    def ask(
        self,
        number: int,
        questions: Sequence[Any],
        *,
        tried: Sequence[Any] = (),
        up_only: bool = False,
    ) -> tuple[Any, Sequence[Any]] | None:
        """Send a question to an actor of a shard.

        It is one that is up if there is one, and among these one that was not tried.
        Where all were, it is rather one that is being started than one without a shard.

        Args:
            number: of the shard.
            questions: as `ShardActor.answer` takes them.
            tried: its actors that have not answered this question.
            up_only: send it to none that is being started again, where it would wait.

        Returns:
            The actor, and the references of the answer's pieces; None where all are
            being started again and `up_only` is set.
        """
        with self._guard:
            actors = self._actors[number]
            places = [
                place for place in range(len(actors)) if self._is_up(number, place)
            ]
            if not places and up_only:
                return None
            places = places or list(range(len(actors)))
            untried = [place for place in places if not is_among(actors[place], tried)]
            starting = [one for one in places if (number, one) not in self._reopening]
            places = untried or starting or places
            place = places[next(self._turns) % len(places)]
            answer = actors[place].answer.options(num_returns=ANSWER_PIECES)
            return actors[place], answer.remote(*questions)

    def lost(self, number: int, actor: Any, *, gone: bool) -> Any:
        """Take an actor for lost until it says that it has its shard.

        Args:
            number: of the shard.
            actor: which of its actors.
            gone: whether Ray does not start it again, so that another has to be.

        Returns:
            What is there in its place: itself, or another.
        """
        with self._guard:
            actors = self._actors[number]
            place = self._place_of(number, actor)
            if place is None:  # it was replaced when another answer of it was lost
                return actors[0]
            if gone:
                actors[place] = self._started(number)
            if gone or self._is_up(number, place):
                self._awaited[number, place] = actors[place].process.remote()
                self._reopening.discard((number, place))
            return actors[place]

    def late(self, number: int, actor: Any, reference: Any) -> None:
        """Ask others in an actor's place until it has given an answer that was awaited.

        Args:
            number: of the shard.
            actor: which of its actors.
            reference: of the answer.
        """
        with self._guard:
            place = self._place_of(number, actor)
            if place is not None and self._is_up(number, place):
                self._awaited[number, place] = reference

    def unopened(self, number: int, actor: Any) -> None:
        """Ask others in an actor's place while it tries again to open its shard.

        Args:
            number: of the shard.
            actor: which of its actors.
        """
        with self._guard:
            place = self._place_of(number, actor)
            if place is not None and self._is_up(number, place):
                self._awaited[number, place] = actor.process.remote()
                self._reopening.add((number, place))

    def is_up(self, number: int, actor: Any) -> bool:
        """Whether nothing is awaited of an actor: its start, its shard, an answer."""
        with self._guard:
            place = self._place_of(number, actor)
            return place is not None and self._is_up(number, place)

    def were_asked(self, number: int, tried: Sequence[Any]) -> bool:
        """Whether all actors of a shard were tried, and none is being started again."""
        with self._guard:
            return all(
                is_among(actor, tried)
                and (self._is_up(number, place) or (number, place) in self._reopening)
                for place, actor in enumerate(self._actors[number])
            )

    def _place_of(self, number: int, actor: Any) -> int | None:
        """Where an actor is among those of its shard; None if it was replaced."""
        actors = enumerate(self._actors[number])
        return next((place for place, one in actors if one is actor), None)

    def _is_up(self, number: int, place: int) -> bool:
        """Whether nothing is awaited of an actor; under the guard."""
        awaited = self._awaited.get((number, place))
        if awaited is None:
            return True
        ready, _ = self._ray.wait([awaited], timeout=0)
        if not ready:
            return False
        del self._awaited[number, place]
        self._reopening.discard((number, place))
        return True

    def close(self) -> None:
        """End all actors."""
        with self._guard:
            for actors in self._actors.values():
                for actor in actors:
                    self._ray.kill(actor, no_restart=True)
            self._actors = {}

    def _started(self, number: int) -> Any:
        """An actor; it takes no CPU from tasks, and is on the next of the machines."""
        there = machines_for_work(self._ray)
        near = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        made = self._ray.remote(
            num_cpus=0,
            memory=PLACED_BYTES,
            max_restarts=-1,
            max_concurrency=AT_ONCE,
            scheduling_strategy=near(
                node_id=there[next(self._places) % len(there)], soft=True
            ),
        )(ShardActor)
        return made.remote(replace(self._opening, number=number))
