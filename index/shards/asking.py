"""Asking shards: the interface, and shards of this process."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gleann.index.shards.manifest import ShardsManifest
from gleann.index.shards.open_shard import OpenShard
from gleann.index.storage.files import Checks

AnswerOf_co = TypeVar("AnswerOf_co", covariant=True)


class Question(Protocol[AnswerOf_co]):
    """A question to one shard, such as those of `questions.py`; it can be pickled."""

    def answer(self, shard: OpenShard) -> AnswerOf_co:
        """The answer."""


Asked = Mapping[int, Question[Any]]
"""Questions by the number of the shard that each is for."""


class Shards(Protocol):
    """The shards of one index, wherever they are.

    A shard that does not answer is waited for, or its answer is left out, if this is
    what the caller asked for when these were made; none is left out in silence.
    """

    @property
    def block(self) -> int:
        """Queries that are best asked at once; more are split."""

    @property
    def complete(self) -> "Shards":
        """The same, of which none is left out: one that does not answer is waited for.

        For questions that others cannot answer in its place.
        """

    def ask_each(self, questions: Iterable[Asked]) -> Iterator[Mapping[int, Any]]:
        """The answers to each of `questions`, in order, by the number of the shard.

        Later questions may be taken and asked before earlier answers are given.

        Raises:
            GleannError: what a shard raised.
            UnavailableError: a shard is lost, and its answers are not to be left out.
            DeadlineError: it does not answer in time.
        """


def ask(shards: Shards, questions: Asked) -> Mapping[int, Any]:
    """The answers of some shards to one question each; as `Shards.ask_each`."""
    if not questions:
        return {}
    (answers,) = shards.ask_each([questions])
    return answers


class LocalShards:
    """Shards of this process, asked one after another.

    Args:
        shards: by number; those without rows are left out.
    """

    def __init__(self, shards: Mapping[int, OpenShard]) -> None:
        self._shards = shards

    @classmethod
    def load(
        cls,
        path: Path,
        manifest: ShardsManifest,
        *,
        engine: str = "auto",
        threads: int = 0,
        checks: Checks = "before",
    ) -> "LocalShards":
        """Open all shards of the index in shards at `path`; see `OpenShard.load`."""
        return cls(
            {
                number: OpenShard.load(
                    path,
                    manifest,
                    number,
                    engine=engine,
                    threads=threads,
                    checks=checks,
                )
                for number in numbers_of(manifest)
            }
        )

    @property
    def block(self) -> int:
        """All queries: engines split them as is best for them."""
        return 1 << 30

    @property
    def complete(self) -> "LocalShards":
        """See `Shards.complete`; these all answer."""
        return self

    def ask_each(self, questions: Iterable[Asked]) -> Iterator[Mapping[int, Any]]:
        """See `Shards.ask_each`."""
        for asked in questions:
            yield {
                number: question.answer(self._shards[number])
                for number, question in asked.items()
            }


def numbers_of(manifest: ShardsManifest) -> Sequence[int]:
    """The shards that have rows, by number, ascending."""
    return [number for number, shard in enumerate(manifest.shards) if shard.n]
