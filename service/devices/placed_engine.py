"""A GPU engine that falls back to a CPU engine when the device cannot answer."""

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
    """An engine on a device with a CPU fallback; see `Engine`.

    A lost device is not used again; after a lack of memory, the next batch tries the
    device again.

    Args:
        engine: on the device.
        spare: on the CPU.
        relieved: whether the spare takes over if the device fails or lacks memory; else
            only after `leave`.
    """

    def __init__(self, engine: Engine, *, spare: Engine, relieved: bool) -> None:
        self._seat = _Seat(engine)  # copies share it: same device
        self._spare = spare
        self._relieved = relieved
        self._threads: int | None = None

    @property
    def name(self) -> str:
        """Name of the engine in use."""
        return self._seat.ask(lambda engine: engine.name, spare=self._spare)

    def leave(self) -> None:
        """Free the device after the running searches; the spare then takes over."""
        self._seat.leave()

    def come_back(self, engine: Engine) -> None:
        """Use `engine` on the device again, for the same index."""
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
    """Add the engine's name to the result: the engine in use may change later."""
    return scanned if scanned.engine else scanned._replace(engine=engine.name)


class _Seat:
    """The engine on the device, with a count of its running calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Engine | None = engine
        self._leaving = False
        self._asked = 0
        self._news = Condition()

    def ask(self, work: Callable[[Engine], T], *, spare: Engine) -> T:
        """Run `work` on the engine, or on `spare` if the engine has left."""
        with self._news:
            engine = None if self._leaving else self._engine
            self._asked += engine is not None
        if engine is None:
            return work(spare)
        del engine  # `leave` frees it once `_asked` is 0: no reference may remain
        try:
            assert self._engine is not None
            return work(self._engine)
        finally:
            with self._news:
                self._asked -= 1
                self._news.notify_all()

    def leave(self) -> None:
        """Release the engine after its running calls."""
        with self._news:
            self._leaving = True
            self._news.wait_for(lambda: self._asked == 0)
            self._engine = None
        # An engine and its recorded CUDA graphs may form a reference cycle.
        gc.collect()

    def give_up(self) -> None:
        """Stop using the engine; its device memory is lost anyway."""
        with self._news:
            self._leaving = True

    def take(self, engine: Engine) -> None:
        """Use an engine on the device again."""
        with self._news:
            self._engine, self._leaving = engine, False
