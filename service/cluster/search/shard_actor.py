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
"""At least, before a shard that cannot be opened is tried again."""

REOPEN_TIMES = 9
"""Before that, as many times the seconds that the last try took: files of a damaged
shard are read whole."""


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
    and again: whoever asks is told why. It is tried again when `process` is asked, as a
    store may be back by then; questions do not wait for that.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._guard = Lock()
        self._held: OpenShard | Exception
        self._try_to_open()

    def process(self) -> int:
        """The process that has the shard; asked when it is to be there.

        Raises:
            GleannError, OSError, MemoryError: the shard cannot be opened.
        """
        with self._guard:
            if isinstance(self._held, Exception) and monotonic() >= self._try_from:
                self._try_to_open()
            held = self._held
        if isinstance(held, Exception):
            raise held
        return os.getpid()

    def answer(self, *questions: Any) -> list[bytes]:
        """The answer to the question for this shard, in pieces.

        Args:
            questions: to all shards by number, in pieces; as `unpacked` takes them.

        Raises:
            UnopenedError: the shard could not be opened.
            GleannError, OSError, MemoryError: what it raised.
        """
        held = self._held
        if isinstance(held, Exception):
            raise UnopenedError(held)
        asked = unpacked(questions)[self._opening.number]
        return answer_pieces(packed(asked.answer(held)))

    def _try_to_open(self) -> None:
        begun = monotonic()
        try:
            self._held = opened(self._opening)
        except Exception as error:  # noqa: BLE001  such as MemoryError: is said
            self._held = error
        took = monotonic() - begun
        self._try_from = monotonic() + max(REOPEN_SECONDS, REOPEN_TIMES * took)


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
