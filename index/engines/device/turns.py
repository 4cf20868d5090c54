"""Exclusive use of a device by one thread at a time, and the errors of its failures."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock

import torch

from gleann.index.errors import DeviceLostError, DeviceMemoryError, GleannError

_FAILED = ("CUDA error", "Triton Error [CUDA]")
"""What torch and triton begin with where the driver refused."""

_SHORT = ("out of memory", "ALLOC_FAILED")
"""What they say there if it was for want of memory."""


@contextmanager
def turn_on(device: torch.device) -> Iterator[None]:
    """Use `device` alone, among the threads of this process.

    All engines on one device share its memory, and what one has planned to take the
    next must not have taken meanwhile.

    Raises:
        DeviceMemoryError: it ran out of memory all the same.
        DeviceLostError: it failed. CUDA then refuses all further work in this process.
    """
    with turn_lock(str(device)), _current(device), _plain(device):
        try:
            yield
        except RuntimeError as error:
            if (failure := failure_of(error, device)) is None:
                raise
            try:
                raise failure from error
            finally:
                # Its traceback holds this frame, and by its cause the tensors of the
                # work: a frame that held it too would keep them on the device.
                del failure


def finish(device: torch.device) -> None:
    """Wait until all work on `device` is done, on whatever stream."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def failure_of(error: RuntimeError, device: torch.device) -> GleannError | None:
    """What `error` says of `device`; None if it is about something else."""
    said = str(error).strip().partition("\n")[0]
    refused = isinstance(error, torch.AcceleratorError) or said.startswith(_FAILED)
    short = refused and any(words in said for words in _SHORT)
    if short or isinstance(error, torch.OutOfMemoryError):
        return DeviceMemoryError(f"{device} is out of memory: {said}")
    if refused:
        return DeviceLostError(f"{device} failed and is lost to this process: {said}")
    return None


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Make `device` the one that kernels are launched on: triton asks torch for it."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _plain(device: torch.device) -> AbstractContextManager[object]:
    """Leave the modes that the caller's thread has set for its own models.

    Autocast would round products to 16 bits, and tensors that are made in inference
    mode cannot be written to outside of it, such as those of recordings.
    """
    on = torch.is_inference_mode_enabled() or torch.is_autocast_enabled(device.type)
    return _without_modes(device) if on else nullcontext()


@contextmanager
def _without_modes(device: torch.device) -> Iterator[None]:
    with torch.inference_mode(mode=False), torch.autocast(device.type, enabled=False):
        yield


_GUARD = Lock()
_TURNS: dict[str, Lock] = {}


def turn_lock(device: str) -> Lock:
    """The lock that a turn on `device` holds."""
    with _GUARD:
        return _TURNS.setdefault(device, Lock())
