"""Choice of the compute device, CPU or GPU, from `--device`.

"cpu" does not probe for a GPU. The other choices:

| | auto | cuda | require-cuda |
|---|---|---|---|
| no usable GPU | CPU | CPU, warns | does not start |
| an index that does not fit | CPU, warns | CPU, warns | DeviceMemoryError |
| a build or selection that does not fit | CPU, warns | CPU, warns | DeviceMemoryError |
| queries that do not fit | CPU, warns | DeviceMemoryError | DeviceMemoryError |
| a GPU that fails | CPU from then on | DeviceLostError | DeviceLostError |

The errors affect single indexes, calls and jobs; the service continues. A GPU that
failed stays lost until the process restarts.

A new version of an index replaces the old one. If both do not fit at once, the old one
leaves the GPU first, and the CPU serves it until the new one is loaded: under
"require-cuda" too, since the alternative is no answer. An old version that left the GPU
and cannot be loaded again stays on the CPU: there is no further attempt.
"""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from gleann.index import SoarIndex
from gleann.index.engines.contract import Engine, IndexData
from gleann.index.engines.triton import device_reason, has_room, triton_engine
from gleann.index.errors import (
    DeviceLostError,
    DeviceMemoryError,
    EngineUnavailableError,
)
from gleann.service.devices.placed_engine import PlacedEngine
from gleann.service.values import DeviceChoice

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Gpu(Protocol):
    """A device for search, builds and selection."""

    @property
    def name(self) -> str:
        """Its name in torch."""

    def reason(self) -> str:
        """Why it cannot be used; "" if it can."""

    def has_room(self, data: IndexData) -> bool:
        """Whether all of `data` fits into the free device memory.

        Raises:
            DeviceLostError: the device failed.
        """

    def engine(self, data: IndexData) -> Engine:
        """An engine on the device.

        Raises:
            DeviceMemoryError: `data` does not fit.
            DeviceLostError: the device failed.
        """


class TritonGpu:
    """A CUDA device with the triton engine.

    Args:
        name: its name in torch; the first device by default.
    """

    def __init__(self, name: str = "cuda:0") -> None:
        self.name = name

    def reason(self) -> str:
        """See `Gpu.reason`."""
        return device_reason(self.name)

    def has_room(self, data: IndexData) -> bool:
        """See `Gpu.has_room`."""
        return has_room(data, device=self.name)

    def engine(self, data: IndexData) -> Engine:
        """See `Gpu.engine`."""
        return triton_engine(data, device=self.name)


class Devices:
    """Runs work on the device chosen by `--device`."""

    def __init__(self, choice: DeviceChoice, *, gpu: Gpu | None = None) -> None:
        """Probe for the GPU, unless `choice` is "cpu".

        Args:
            choice: a column of the table above, or "cpu".
            gpu: the GPU; None takes the first CUDA device.

        Raises:
            EngineUnavailableError: the GPU is required and cannot be used.
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
            _log.log(level, "device is %r, but the CPU is used: %s", choice, reason)

    @property
    def on_cpu(self) -> bool:
        """Whether there is no other device, so that all work runs on the CPU."""
        return self._gpu is None

    def run(self, work: Callable[[str | None], T]) -> T:
        """Run `work` on the GPU; on fallback, restart it on the CPU.

        Args:
            work: called with the GPU's name in torch, or None for the CPU.

        Raises:
            DeviceMemoryError: too little GPU memory, and no fallback is allowed.
            DeviceLostError: the GPU failed, and no fallback is allowed.
        """
        return self._tried(
            lambda gpu: work(gpu.name), lambda: work(None), what="the work"
        )

    def run_on(self, index: SoarIndex, work: Callable[[SoarIndex], T]) -> T:
        """Like `run`, for work that searches all of `index`."""
        return self._tried(
            lambda gpu: work(index.served_by(gpu.engine(index.data))),
            lambda: work(index),
            what=repr(index),
        )

    def place(self, index: SoarIndex) -> SoarIndex:
        """The index on the device that serves it; on the CPU, `index` itself.

        The CPU serves codes of projected rows.

        Raises:
            DeviceMemoryError: it does not fit the GPU, and no fallback is allowed.
            DeviceLostError: the GPU failed, and no fallback is allowed.
        """
        if index.params.projection is not None:
            return index
        return self._tried(
            lambda gpu: index.served_by(self._placed(gpu, index)),
            lambda: index,
            what=repr(index),
        )

    @contextmanager
    def replacing(self, old: SoarIndex | None, new: SoarIndex) -> Iterator[SoarIndex]:
        """Place `new` as the replacement of `old`.

        When the block ends, `old` has left the GPU, and the CPU serves its remaining
        users; if the block raises, `new` leaves instead.

        Raises:
            as `place`; `old` is then served as before, or from now on by the CPU if
                it left the GPU and cannot be loaded again.
        """
        seat = None if old is None else _seat_of(old)
        cleared = seat is not None and self._clear_for(new, seat)
        try:
            placed = self.place(new)
            try:
                yield placed
            except BaseException:
                _vacate(_seat_of(placed))
                raise
        except BaseException as error:
            if cleared and old is not None and seat is not None:
                _let_go(error)
                self._put_back(old, seat)
            raise
        _vacate(seat)

    @contextmanager
    def removing(self, old: SoarIndex | None) -> Iterator[None]:
        """When the block ends without an exception, `old` has left the GPU."""
        yield
        if old is not None:
            _vacate(_seat_of(old))

    def _clear_for(self, new: SoarIndex, seat: PlacedEngine) -> bool:
        """Free the device of `seat` if `new` does not fit too; return if it did."""
        try:
            if self._gpu is None or self._gpu.has_room(new.data):
                return False
        except DeviceLostError:
            return False  # `place` meets the same error and handles it
        _log.info("the CPU answers for a version until %r is placed", new)
        seat.leave()
        return True

    def _put_back(self, old: SoarIndex, seat: PlacedEngine) -> None:
        assert self._gpu is not None
        try:
            seat.come_back(self._gpu.engine(old.data))
        except (DeviceMemoryError, DeviceLostError) as error:
            _log.error("%r stays with the CPU: %s", old, error)

    def _placed(self, gpu: Gpu, index: SoarIndex) -> PlacedEngine:
        return PlacedEngine(
            gpu.engine(index.data),
            spare=index.engine,
            relieved=self._choice == "auto",
        )

    def _tried(
        self, there: Callable[[Gpu], T], here: Callable[[], T], *, what: str
    ) -> T:
        if self._gpu is None:
            return here()
        try:
            return there(self._gpu)
        except (DeviceMemoryError, DeviceLostError) as error:
            if not self._may_fall_back(error):
                raise
            _log.warning("the CPU takes over %s: %s", what, error)
        return here()

    def _may_fall_back(self, error: DeviceMemoryError | DeviceLostError) -> bool:
        if isinstance(error, DeviceLostError):
            return self._choice == "auto"
        return self._choice != "require-cuda"


def _seat_of(index: SoarIndex) -> PlacedEngine | None:
    return index.engine if isinstance(index.engine, PlacedEngine) else None


def _vacate(seat: PlacedEngine | None) -> None:
    if seat is not None:
        seat.leave()


def _let_go(error: BaseException) -> None:
    """Clear the traceback frames of `error`: they may refer to half an engine."""
    said: BaseException | None = error
    while said is not None:
        traceback.clear_frames(said.__traceback__)
        said = said.__cause__ or said.__context__
