"""The choice of an engine, and the reason for it."""

import os
from collections.abc import Callable
from importlib.util import find_spec

from gleann.index.checks import require_threads
from gleann.index.engines import native
from gleann.index.engines.contract import Engine, IndexData
from gleann.index.engines.faiss import FaissEngine
from gleann.index.engines.native import NativeEngine
from gleann.index.engines.projected import ProjectedEngine
from gleann.index.engines.reference import ReferenceEngine
from gleann.index.errors import EngineUnavailableError, InvalidParamsError
from gleann.index.params import BuildParams
from gleann.index.remedies import DEVICE, FAISS

TIER_VARIABLE = "GLEANN_NATIVE_TIER"


def _native(data: IndexData, threads: int) -> Engine:
    return NativeEngine(data, tier=os.environ.get(TIER_VARIABLE), threads=threads)


def make_projected_engine(data: IndexData, *, threads: int) -> ProjectedEngine:
    """The engine over codes of projected rows, which has native kernels only.

    Raises:
        EngineUnavailableError: these are not built.
    """
    tier = os.environ.get(TIER_VARIABLE)
    return ProjectedEngine(data, tier=tier, threads=threads)


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


def _why_no_faiss() -> str:
    return "" if find_spec("faiss") else f"faiss is not installed: {FAISS}"


def _why_no_faiss_gpu() -> str:
    from gleann.index.engines import faiss_gpu
    from gleann.index.engines.faiss import faiss_module

    return _why_no_faiss() or faiss_gpu.unavailable_reason(faiss_module())


def _why_no_torch() -> str:
    from gleann.index.engines import torch

    return _with_remedy(torch.unavailable_reason())


def _why_no_triton() -> str:
    from gleann.index.engines import triton

    return _with_remedy(triton.unavailable_reason()) or triton.device_reason()


def _with_remedy(reason: str) -> str:
    return f"{reason}: {DEVICE}" if reason else ""


PROJECTING = ("native", "reference")
"""Engines that search codes of projected rows."""

REASONS: dict[str, Callable[[], str]] = {
    "native": native.unavailable_reason,
    "faiss": _why_no_faiss,
    "faiss-gpu": _why_no_faiss_gpu,
    "reference": str,
    "torch": _why_no_torch,
    "triton": _why_no_triton,
}
"""Why an engine cannot run here, by name; "" where it can."""


def make_engine(data: IndexData, *, name: str = "auto", threads: int = 0) -> Engine:
    """Make the named engine over `data`, or the fastest one that is installed.

    Args:
        data: the sealed index.
        name: "auto", "native", "faiss", "faiss-gpu", "reference", "torch" or
            "triton".
        threads: worker threads; 0 takes every core this process may use.

    Raises:
        InvalidParamsError: no such engine, or one that does not search projected codes
            where `data` has these; or a number of threads that cannot be.
        EngineUnavailableError: the engine is not installed here.
    """
    require_known(name)
    require_threads(threads)
    if data.encoding.projection is not None:
        name = _projecting(name)
    if name == "auto":
        name = best_engine()[0]
    return ENGINES[name](data, threads)


def is_projecting(name: str) -> bool:
    """Whether an engine, or the one that "auto" takes, searches projected codes."""
    return name == "auto" or name in PROJECTING


def require_projecting(name: str, params: BuildParams) -> None:
    """Refuse an engine that would not search what is built.

    Raises:
        InvalidParamsError: rows are to be projected, and it searches no such codes.
    """
    if params.projection is not None:
        _projecting(name)


def _projecting(name: str) -> str:
    """The engine of this name for codes of projected rows."""
    if name == "auto":
        return "native" if native.available() else "reference"
    if not is_projecting(name):
        raise InvalidParamsError(
            f"engine {name!r} does not search codes of projected rows:"
            f" {' and '.join(PROJECTING)} do"
        )
    return name


def require_known(name: str) -> None:
    """Refuse the name of no engine.

    Raises:
        InvalidParamsError: neither "auto" nor the name of an engine.
    """
    if name != "auto" and name not in ENGINES:
        raise InvalidParamsError(
            f"engine must be one of auto, {', '.join(ENGINES)}; got {name!r}"
        )


def require_usable(name: str) -> None:
    """Refuse an engine that cannot run here, before there is an index to load.

    Raises:
        InvalidParamsError: no such engine.
        EngineUnavailableError: what it needs is not installed or not there.
    """
    require_known(name)
    if name != "auto" and (reason := REASONS[name]()):
        raise EngineUnavailableError(f"engine {name!r} cannot run here: {reason}")


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
