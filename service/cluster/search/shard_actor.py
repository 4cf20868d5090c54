"""An actor: one shard, opened on a machine of the cluster."""

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import gleann
from gleann.index.errors import EngineUnavailableError
from gleann.index.shards.manifest import ShardsManifest
from gleann.index.shards.open_shard import OpenShard
from gleann.service.cluster.search.pieces import answer_pieces, packed, unpacked

REOPEN_SECONDS = 1.0
"""Before a shard that cannot be opened is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How an actor opens its shard.

    Attributes:
        path: the directory of the index, which all machines see.
        manifest: as whoever asks has read it.
        number: of the shard.
        engine: as in `SoarIndex.load`.
        threads: of the engine; 0 for all cores of the machine.
        version: of the gleann that asks.
    """

    path: Path
    manifest: ShardsManifest
    number: int
    engine: str
    threads: int
    version: str


class UnopenedError(Exception):
    """The actor has no shard, as it cannot open it.

    Attributes:
        failure: why.
    """

    def __init__(self, failure: Exception) -> None:
        super().__init__(failure)
        self.failure = failure


class ShardActor:
    """Answers questions about one shard.

    A shard that cannot be opened does not end the actor, which would be started again
    and again: whoever asks is told why, and it is tried once more with the questions
    that come later, as a store may be back by then.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._guard = Lock()
        self._shard: OpenShard | None = None
        self._failure: Exception | None = None
        self._try_from = 0.0
        self._why_not_open()

    def process(self) -> int:
        """The process that has the shard; asked when it is to be there.

        Raises:
            GleannError, OSError, MemoryError: the shard cannot be opened.
        """
        if (failure := self._why_not_open()) is not None:
            raise failure
        return os.getpid()

    def answer(self, *questions: Any) -> list[bytes]:
        """The answer to the question for this shard, in pieces.

        Args:
            questions: to all shards by number, in pieces; as `unpacked` takes them.

        Raises:
            UnopenedError: the shard cannot be opened.
            GleannError, OSError, MemoryError: what it raised.
        """
        if (failure := self._why_not_open()) is not None:
            raise UnopenedError(failure)
        assert self._shard is not None
        asked = unpacked(questions)[self._opening.number]
        return answer_pieces(packed(asked.answer(self._shard)))

    def _why_not_open(self) -> Exception | None:
        """Open the shard, unless it was tried a moment ago; None once it is open."""
        with self._guard:
            if self._shard is not None or monotonic() < self._try_from:
                return self._failure
            try:
                self._shard, self._failure = opened(self._opening), None
            except Exception as error:  # noqa: BLE001  such as MemoryError: is said
                self._failure = error
                self._try_from = monotonic() + REOPEN_SECONDS
            return self._failure


def opened(opening: Opening) -> OpenShard:
    """The shard of an actor.

    Raises:
        EngineUnavailableError: this machine has another gleann.
        MissingFileError: the shard is not there.
        CorruptDataError: it is damaged, or of another build.
    """
    if opening.version != gleann.__version__:
        raise EngineUnavailableError(
            f"shard {opening.number} was to be opened by gleann {gleann.__version__},"
            f" and is asked by gleann {opening.version}: install one on all machines"
        )
    return OpenShard.load(
        opening.path,
        opening.manifest,
        opening.number,
        engine=opening.engine,
        threads=opening.threads,
    )
