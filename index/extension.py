"""Loads the C++ extension `gleann.index._native`, if it was built."""

from collections.abc import Callable
from math import ceil
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gleann.index.parallel.cores import cpu_quota

Number = TypeVar("Number", bound=np.generic)

__all__ = [
    "as_packed",
    "available",
    "compiled",
    "obey_quota",
    "tiers",
    "unavailable_reason",
    "watch",
]

try:
    # Not `from gleann.index import _native`: where it is missing, that blames a circle.
    import gleann.index._native as compiled
except ModuleNotFoundError:
    compiled = None  # type: ignore[assignment]
    _IMPORT_ERROR = "they were not built when gleann was installed"
except ImportError as error:
    compiled = None  # type: ignore[assignment]
    _IMPORT_ERROR = str(error)
else:
    _IMPORT_ERROR = ""


def available() -> bool:
    """Whether the extension was built and can be loaded."""
    return compiled is not None


def unavailable_reason() -> str:
    """Why `available` is False; empty if it is True."""
    return _IMPORT_ERROR


def tiers() -> tuple[str, ...]:
    """The tiers this CPU can run, best first; none without the extension."""
    return tuple(compiled.runnable_tiers()) if available() else ()


def watch(callback: Callable[[], None] | None) -> None:
    """Let long calls from this thread call back now and then; None: no more.

    What it raises stops the call. The caller must keep it until another is set.
    """
    if available():
        compiled.watch(callback)


def obey_quota() -> None:
    """Let the kernels take no more threads than the container's quota has CPUs."""
    quota = cpu_quota()
    if available() and quota is not None:
        compiled.limit_cores(ceil(quota))


def as_packed(values: NDArray[Number], dtype: type[Number]) -> NDArray[Number]:
    """`values` in the layout of the kernels; the same array if it has it already."""
    packed = np.ascontiguousarray(values, dtype)
    return packed if packed.flags.aligned else packed.copy()


obey_quota()
