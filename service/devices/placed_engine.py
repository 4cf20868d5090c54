"""A GPU engine that falls back to a CPU engine when the device memory is taken."""

import gc
import logging
from collections.abc import Callable
from copy import copy
from threading import Condition
from typing import TypeVar

from gleann.index.arrays import ListNos, Vectors
from gleann.index.engines.contract import Engine, Scanned, ScanRequest
from gleann.index.errors import DeviceLostError, DeviceMemoryError
from gleann.index.params import Segments

T = TypeVar("T")

_log = logging.getLogger(__name__)


class PlacedEngine:
    """An engine on a device, and one that answers where it cannot; see `Engine`.

    A device that is lost is not asked again; one that is short of memory is, with the
    next batch.

    Args:
        engine: on the device.
        spare: on the CPU.
        relieved: whether the spare takes over where the device fails or is short of
            memory; else it does only after `leave`.
    """

    def __init__(self, engine: Engine, *, spare: Engine, relieved: bool) -> None:
        self._seat = _Seat(engine)  # shared by copies: it is the same device
        self._spare = spare
        self._relieved = relieved
        self._threads: int | None = None

    @property
    def name(self) -> str:
        """That of the engine that answers now."""
        return self._seat.ask(lambda engine: engine.name, spare=self._spare)

    def leave(self) -> None:
        """Free the device, after the searches under way; the spare answers from now."""
        self._seat.leave()

    def come_back(self, engine: Engine) -> None:
        """Answer by `engine`, over the same index, after all."""
        self._seat.take(engine)

    def with_threads(self, threads: int) -> "PlacedEngine":
        """See `Engine.with_threads`."""
        other = copy(self)
        other._spare = self._spare.with_threads(threads)
        other._threads = threads
        return other

    def choose_segments(self, *, both: int, primary: int, queries: int) -> Segments:
        """See `Engine.choose_segments`."""
        return self._seat.ask(
            lambda engine: engine.choose_segments(
                both=both, primary=primary, queries=queries
            ),
            spare=self._spare,
        )

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """See `Engine.rank_lists`."""
        return self._answer(lambda engine: engine.rank_lists(queries, nprobe=nprobe))

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """See `Engine.scan`."""
        return self._answer(
            lambda engine: _signed(engine, engine.scan(queries, list_nos, request))
        )

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """See `Engine.search`."""
        return self._answer(
            lambda engine: _signed(
                engine, engine.search(queries, nprobe=nprobe, request=request)
            )
        )

    def _answer(self, work: Callable[[Engine], T]) -> T:
        def on_threads(engine: Engine) -> T:
            if self._threads is not None:
                engine = engine.with_threads(self._threads)
            return work(engine)

        try:
            return self._seat.ask(on_threads, spare=self._spare)
        except DeviceMemoryError as error:
            if not self._relieved:
                raise
            _log.warning("%s answers a batch: %s", self._spare.name, error)
        except DeviceLostError as error:
            if not self._relieved:
                raise
            self._seat.give_up()
            _log.error("%s answers from now on: %s", self._spare.name, error)
        return work(self._spare)


def _signed(engine: Engine, scanned: Scanned) -> Scanned:
    """The answer with the name of who gave it: the seat may change hands meanwhile."""
    return scanned if scanned.engine else scanned._replace(engine=engine.name)


class _Seat:
    """What an engine holds of a device, until it leaves."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Engine | None = engine
        self._leaving = False
        self._asked = 0
        self._news = Condition()

    def ask(self, work: Callable[[Engine], T], *, spare: Engine) -> T:
        """What `work` makes of the engine, or of `spare` if that has left."""
        with self._news:
            engine = None if self._leaving else self._engine
            self._asked += engine is not None
        if engine is None:
            return work(spare)
        del engine  # who waits for `_asked` to be 0 must find the last reference
        try:
            assert self._engine is not None
            return work(self._engine)
        finally:
            with self._news:
                self._asked -= 1
                self._news.notify_all()

    def leave(self) -> None:
        """Let the engine go, after all that it was asked."""
        with self._news:
            self._leaving = True
            self._news.wait_for(lambda: self._asked == 0)
            self._engine = None
        # An engine and what it recorded may refer to each other.
        gc.collect()

    def give_up(self) -> None:
        """Ask the engine no more; what it holds is lost anyway."""
        with self._news:
            self._leaving = True

    def take(self, engine: Engine) -> None:
        """Seat an engine again."""
        with self._news:
            self._engine, self._leaving = engine, False
