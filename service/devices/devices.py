"""Choice of the compute device, CPU or GPU, from `--device`.

"cpu" does not look for one. With the others:

| | auto | cuda | require-cuda |
|---|---|---|---|
| no usable GPU | CPU | CPU, warns | does not start |
| an index that does not fit | CPU, warns | CPU, warns | DeviceMemoryError |
| a build or selection that does not fit | CPU, warns | CPU, warns | DeviceMemoryError |
| queries that do not fit | CPU, warns | DeviceMemoryError | DeviceMemoryError |
| a GPU that fails | CPU from then on | DeviceLostError | DeviceLostError |

The errors are those of single indexes, calls and jobs: the service goes on. A GPU that
failed stays lost until the process is started again.

A new version of an index takes the old one's place. Where both do not fit at once, the
old one makes room first, and the CPU answers for it until the new one is there: under
"require-cuda" too, since the alternative is no answer. An old version that made room
and cannot come back stays with the CPU: it is not tried again.
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
    """A device that can search, build and pick."""

    @property
    def name(self) -> str:
        """What torch calls it."""

    def reason(self) -> str:
        """Why it cannot be used; empty where it can."""

    def has_room(self, data: IndexData) -> bool:
        """Whether all of `data` fits into the memory that is free now.

        Raises:
            DeviceLostError: it failed.
        """

    def engine(self, data: IndexData) -> Engine:
        """An engine on it.

        Raises:
            DeviceMemoryError: `data` does not fit.
            DeviceLostError: it failed.
        """


class TritonGpu:
    """A CUDA device, by the triton engine.

    Args:
        name: what torch calls it; the first, where nothing else is said.
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
    """Does work where a `--device` says."""

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
            _log.log(level, "device is %r, but the CPU is used: %s", choice, reason)

    def run(self, work: Callable[[str | None], T]) -> T:
        """Do a piece of work, from the beginning on the CPU where the GPU cannot.

        Args:
            work: called with torch's name of the GPU, or with None for the CPU.

        Raises:
            DeviceMemoryError: it must be done on the GPU, which has too little memory.
            DeviceLostError: the GPU failed, and the CPU must not take over.
        """
        return self._tried(
            lambda gpu: work(gpu.name), lambda: work(None), what="the work"
        )

    def run_on(self, index: SoarIndex, work: Callable[[SoarIndex], T]) -> T:
        """As `run`, for work that searches all of `index`."""
        return self._tried(
            lambda gpu: work(index.served_by(gpu.engine(index.data))),
            lambda: work(index),
            what=repr(index),
        )

    def place(self, index: SoarIndex) -> SoarIndex:
        """The index where it is to be searched; on the CPU, it is `index`.

        Raises:
            DeviceMemoryError: it must be on the GPU and does not fit.
            DeviceLostError: the GPU failed, and the CPU must not take over.
        """
        return self._tried(
            lambda gpu: index.served_by(self._placed(gpu, index)),
            lambda: index,
            what=repr(index),
        )

    @contextmanager
    def replacing(self, old: SoarIndex | None, new: SoarIndex) -> Iterator[SoarIndex]:
        """`new` as `place` has it, which is there to take the place of `old`.

        When the block ends `old` has left the GPU, and the CPU answers for whoever
        still holds it; where the block raises, it is `new` that leaves.

        Raises:
            as `place`; `old` is then served as before, or by the CPU from now on where
                it made room and cannot come back.
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

    def _clear_for(self, new: SoarIndex, seat: PlacedEngine) -> bool:
        """Let `seat` leave where `new` does not fit beside it; whether it did."""
        try:
            if self._gpu is None or self._gpu.has_room(new.data):
                return False
        except DeviceLostError:
            return False  # `place` hears of it too, and decides
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
    """Free what the frames that `error` passed hold, such as half of an engine."""
    said: BaseException | None = error
    while said is not None:
        traceback.clear_frames(said.__traceback__)
        said = said.__cause__ or said.__context__
