"""The triton engine: the torch engine, but Triton kernels scan and merge.

An index whose codes are float32 is scanned in plain torch: the kernels multiply, and
what such rows differ by is lost in products.
"""

from typing import TYPE_CHECKING

from gleann.index.engines.contract import Engine, IndexData
from gleann.index.engines.torch import unavailable_reason as torch_reason
from gleann.index.errors import EngineUnavailableError
from gleann.index.remedies import DEVICE

if TYPE_CHECKING:
    from gleann.index.engines.device.plan.kinds import Kind


def unavailable_reason() -> str:
    """Why the kernels cannot be compiled here; empty if they can."""
    if reason := torch_reason():
        return reason
    try:
        import triton
    except ImportError as error:
        return f"triton is not installed ({error})"
    del triton
    return ""


def device_reason(device: str | None = None) -> str:
    """Why the kernels cannot run on `device`, or on the first; empty if they can."""
    if reason := unavailable_reason():
        return reason
    from gleann.index.engines.device.plan.choice import require_cuda, resolve_device

    try:
        require_cuda(resolve_device(device))
    except EngineUnavailableError as error:
        return str(error)
    return ""


def has_room(data: IndexData, *, device: str) -> bool:
    """Whether an engine over `data`, its float32 rows included, fits `device` now.

    Raises:
        EngineUnavailableError: no such device.
    """
    from gleann.index.engines.device.plan.choice import resolve_device
    from gleann.index.engines.device.plan.memory import fits
    from gleann.index.engines.device.turns import turn_on

    there = resolve_device(device)
    with turn_on(there):
        return fits(data, device=there)


def triton_engine(
    data: IndexData,
    *,
    device: str | None = None,
    kind: "Kind | None" = None,
) -> Engine:
    """Make an engine of Triton kernels.

    Args:
        data: the sealed index.
        device: torch's name of a CUDA device; None takes the first.
        kind: number kind of the scan; None takes bf16, or int8 if that does not fit.

    Raises:
        EngineUnavailableError: torch or triton is not installed, or there is no CUDA
            device or it is too old.
        DeviceMemoryError: it has too little memory.
    """
    if reason := unavailable_reason():
        raise EngineUnavailableError(f"{reason}: the triton engine needs {DEVICE}")
    from gleann.index.engines.device.engine import DeviceEngine
    from gleann.index.engines.device.plan.choice import require_cuda, resolve_device
    from gleann.index.engines.device.recording import CudaGraphs
    from gleann.index.engines.device.torch_scanner import TorchScanner
    from gleann.index.engines.triton_kernels.scanner import TritonScanner

    chosen = resolve_device(device)
    require_cuda(chosen)
    if data.encoding.kind == "float32":
        return DeviceEngine(data, scanner=TorchScanner(), device=chosen, kind=kind)
    return DeviceEngine(
        data,
        scanner=TritonScanner(),
        device=chosen,
        kind=kind,
        recorder=CudaGraphs(chosen),
    )
