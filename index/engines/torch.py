"""The torch engine: the GPU algorithm in plain torch, on a CPU or any CUDA device.

It exists to be compared with: it does what the Triton kernels do, list by list, and
returns the same keys. On a CPU the native engine is many times faster.
"""

from typing import TYPE_CHECKING

from gleann.index.engines.contract import Engine, IndexData
from gleann.index.errors import EngineUnavailableError
from gleann.index.remedies import DEVICE

if TYPE_CHECKING:
    from gleann.index.engines.device.plan.kinds import Kind


def unavailable_reason() -> str:
    """Why torch cannot be used; empty if it can."""
    try:
        import torch
    except ImportError as error:
        return f"torch is not installed ({error})"
    del torch
    return ""


def torch_engine(
    data: IndexData,
    *,
    device: str | None = None,
    kind: "Kind | None" = None,
    threads: int = 0,
) -> Engine:
    """Make an engine of plain torch.

    Args:
        data: the sealed index.
        device: torch's name of one, such as "cpu" or "cuda:1"; None takes the first
            CUDA device, or the CPU.
        kind: number kind of the scan; None takes bf16, or int8 if that does not fit, on
            CUDA and float32 on a CPU.
        threads: of torch on a CPU, which are the process's; 0 leaves them as they are.

    Raises:
        EngineUnavailableError: torch is not installed, or sees no such device.
        DeviceMemoryError: the device has too little memory.
    """
    if reason := unavailable_reason():
        raise EngineUnavailableError(f"{reason}: the torch engine needs {DEVICE}")
    from gleann.index.engines.device.engine import DeviceEngine
    from gleann.index.engines.device.plan.choice import resolve_device
    from gleann.index.engines.device.torch_scanner import TorchScanner

    return DeviceEngine(
        data,
        scanner=TorchScanner(),
        device=resolve_device(device),
        kind=kind,
        threads=threads,
    )
