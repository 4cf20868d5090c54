"""Where sealed indexes are searched: on the CPU, or on a GPU as `--device` says.

"cpu" does not look for one. With the others:

| | auto | cuda | require-cuda |
|---|---|---|---|
| no usable GPU | CPU | CPU, warns | does not start |
| an index that does not fit | CPU | CPU, warns | DeviceMemoryError |
| a batch that does not fit | CPU | DeviceMemoryError | DeviceMemoryError |
| a GPU that fails | CPU from then on | DeviceLostError | DeviceLostError |

The errors are those of single indexes and calls: the service goes on. A GPU that failed
stays lost until the process is started again.
"""

import logging
from collections.abc import Callable
from copy import copy
from threading import Event
from typing import Protocol, TypeVar

from gleann.index import SoarIndex
from gleann.index.arrays import ListNos, Vectors
from gleann.index.engines.contract import Engine, IndexData, Scanned, ScanRequest
from gleann.index.engines.triton import device_reason, triton_engine
from gleann.index.errors import (
    DeviceLostError,
    DeviceMemoryError,
    EngineUnavailableError,
)
from gleann.index.params import Segments
from gleann.service.values import DeviceChoice

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Gpu(Protocol):
    """A device that can search."""

    def reason(self) -> str:
        """Why it cannot be used; empty where it can."""

    def engine(self, data: IndexData) -> Engine:
        """An engine on it.

        Raises:
            DeviceMemoryError: `data` does not fit.
            DeviceLostError: it failed.
        """


class TritonGpu:
    """The first CUDA device, by the triton engine."""

    def reason(self) -> str:
        """See `Gpu.reason`."""
        return device_reason()

    def engine(self, data: IndexData) -> Engine:
        """See `Gpu.engine`."""
        return triton_engine(data)


class Devices:
    """Places indexes as a `--device` says."""

    def __init__(self, choice: DeviceChoice, *, gpu: Gpu | None = None) -> None:
        """Look for the GPU, unless `choice` is "cpu".

        Args:
            choice: of the table above.
            gpu: which; None takes the first CUDA device.

        Raises:
            EngineUnavailableError: it is required, and cannot be used.
        """
        self._choice = choice
        self._gpu: Gpu | None = None
        if choice == "cpu":
            return
        found: Gpu = TritonGpu() if gpu is None else gpu
        reason = found.reason()
        if not reason:
            self._gpu = found
        elif choice == "require-cuda":
            raise EngineUnavailableError(f"device is {choice!r}, but {reason}")
        else:
            level = logging.INFO if choice == "auto" else logging.WARNING
            _log.log(level, "device is %r, but the CPU serves: %s", choice, reason)

    def place(self, index: SoarIndex) -> SoarIndex:
        """The index where it is to be searched; on the CPU, it is `index`.

        Raises:
            DeviceMemoryError: it must be on the GPU and does not fit.
            DeviceLostError: the GPU failed, and the CPU must not take over.
        """
        if self._gpu is None:
            return index
        try:
            engine = self._gpu.engine(index.data)
        except (DeviceMemoryError, DeviceLostError) as error:
            if not self._may_fall_back(error):
                raise
            _log.warning("%r is served by the CPU: %s", index, error)
            return index
        if self._choice == "auto":
            engine = RelievedEngine(engine, spare=index.engine)
        return index.served_by(engine)

    def _may_fall_back(self, error: DeviceMemoryError | DeviceLostError) -> bool:
        if isinstance(error, DeviceLostError):
            return self._choice == "auto"
        return self._choice != "require-cuda"


class RelievedEngine:
    """An engine on a device, and one that answers where it cannot; see `Engine`.

    A device that is lost is not asked again; one that is short of memory is, with the
    next batch.
    """

    def __init__(self, engine: Engine, *, spare: Engine) -> None:
        self._engine = engine
        self._spare = spare
        self._lost = Event()  # shared by copies: it is the same device

    @property
    def name(self) -> str:
        """That of the engine that answers now."""
        return self._spare.name if self._lost.is_set() else self._engine.name

    def with_threads(self, threads: int) -> "RelievedEngine":
        """See `Engine.with_threads`."""
        other = copy(self)
        other._engine = self._engine.with_threads(threads)
        other._spare = self._spare.with_threads(threads)
        return other

    def choose_segments(self, *, both: int, primary: int, queries: int) -> Segments:
        """See `Engine.choose_segments`."""
        engine = self._spare if self._lost.is_set() else self._engine
        return engine.choose_segments(both=both, primary=primary, queries=queries)

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """See `Engine.rank_lists`."""
        return self._answer(lambda engine: engine.rank_lists(queries, nprobe=nprobe))

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """See `Engine.scan`."""
        return self._answer(lambda engine: engine.scan(queries, list_nos, request))

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """See `Engine.search`."""
        return self._answer(
            lambda engine: engine.search(queries, nprobe=nprobe, request=request)
        )

    def _answer(self, ask: Callable[[Engine], T]) -> T:
        if self._lost.is_set():
            return ask(self._spare)
        try:
            return ask(self._engine)
        except DeviceMemoryError as error:
            _log.warning("%s answers a batch: %s", self._spare.name, error)
        except DeviceLostError as error:
            self._lost.set()
            _log.error("%s answers from now on: %s", self._spare.name, error)
        return ask(self._spare)
