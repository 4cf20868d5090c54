"""The choice of an engine, and the reason for it."""

import os
from collections.abc import Callable
from importlib.util import find_spec

from gleann.index.engines import native
from gleann.index.engines.contract import Engine, IndexData
from gleann.index.engines.faiss import FaissEngine
from gleann.index.engines.native import NativeEngine
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.errors import InvalidParamsError

TIER_VARIABLE = "GLEANN_NATIVE_TIER"


def _native(data: IndexData, threads: int) -> Engine:
    return NativeEngine(data, tier=os.environ.get(TIER_VARIABLE), threads=threads)


def _faiss(data: IndexData, threads: int) -> Engine:
    return FaissEngine(data, threads=threads)


def _faiss_gpu(data: IndexData, threads: int) -> Engine:
    from gleann.index.engines.faiss_gpu import FaissGpuEngine

    return FaissGpuEngine(data)


def _reference(data: IndexData, threads: int) -> Engine:
    return ReferenceEngine(data)


def _torch(data: IndexData, threads: int) -> Engine:
    from gleann.index.engines.torch import torch_engine

    return torch_engine(data, threads=threads)


def _triton(data: IndexData, threads: int) -> Engine:
    from gleann.index.engines.triton import triton_engine

    return triton_engine(data)


ENGINES: dict[str, Callable[[IndexData, int], Engine]] = {
    "native": _native,
    "faiss": _faiss,
    "faiss-gpu": _faiss_gpu,
    "reference": _reference,
    "torch": _torch,
    "triton": _triton,
}


def make_engine(data: IndexData, *, name: str = "auto", threads: int = 0) -> Engine:
    """Make the named engine over `data`, or the fastest one that is installed.

    Args:
        data: the sealed index.
        name: "auto", "native", "faiss", "faiss-gpu", "reference", "torch" or
            "triton".
        threads: worker threads; 0 takes every core this process may use.

    Raises:
        InvalidParamsError: no such engine.
        EngineUnavailableError: the engine is not installed here.
    """
    if name == "auto":
        name = best_engine()[0]
    if name not in ENGINES:
        raise InvalidParamsError(
            f"engine must be one of auto, {', '.join(ENGINES)}; got {name!r}"
        )
    return ENGINES[name](data, threads)


def best_engine() -> tuple[str, str]:
    """The engine that "auto" takes, and the reason in one line.

    Never faiss-gpu, torch or triton: those must be requested by name.
    """
    if native.available():
        return "native", "the native kernels are built"
    reason = native.unavailable_reason()
    if find_spec("faiss"):
        return "faiss", f"the native kernels are not usable: {reason}"
    return "reference", f"neither native kernels ({reason}) nor faiss are installed"
