"""Exclusive use of a device by one thread at a time, and the errors of its failures."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock

import torch

from gleann.index.errors import DeviceLostError, DeviceMemoryError, GleannError

_FAILED = ("CUDA error", "Triton Error [CUDA]")
"""Prefixes of torch and triton messages about driver errors."""

_SHORT = ("out of memory", "ALLOC_FAILED")
"""Phrases in these messages that mean insufficient memory."""


@contextmanager
def turn_on(device: torch.device) -> Iterator[None]:
    """Exclusive use of `device` among the threads of this process.

    All engines on one device share its memory: memory planned by one must not be
    allocated by another meanwhile.

    Raises:
        DeviceMemoryError: the device ran out of memory nevertheless.
        DeviceLostError: the device failed; CUDA then fails in this process from now on.
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
                # Its traceback refers to this frame and, by its cause, to tensors: a
                # reference from this frame would keep them on the device.
                del failure


def finish(device: torch.device) -> None:
    """Wait until all work on `device` is done, on every stream."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def failure_of(error: RuntimeError, device: torch.device) -> GleannError | None:
    """The device error for `error`; None if it is not about `device`."""
    said = str(error).strip().partition("\n")[0]
    refused = isinstance(error, torch.AcceleratorError) or said.startswith(_FAILED)
    short = refused and any(words in said for words in _SHORT)
    if short or isinstance(error, torch.OutOfMemoryError):
        return DeviceMemoryError(f"{device} is out of memory: {said}")
    if refused:
        return DeviceLostError(f"{device} failed and is lost to this process: {said}")
    return None


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Set torch's current device, which triton launches kernels on."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _plain(device: torch.device) -> AbstractContextManager[object]:
    """Disable the torch modes that the caller's thread has set for its own models.

    Autocast would round products to 16 bits, and tensors created in inference mode,
    such as those of recordings, cannot be written outside of it.
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
