"""The choice of a device and its number kind."""

from dataclasses import replace

import torch

from gleann.index.engines.device.plan.kinds import Kind
from gleann.index.engines.device.plan.planner import choose_kind
from gleann.index.engines.device.plan.roofline import H200, Batch, Ceilings
from gleann.index.errors import EngineUnavailableError

LEAST_CAPABILITY = (8, 0)
"""Minimum compute capability: the first with bf16 matrix instructions."""


def resolve_device(name: str | None) -> torch.device:
    """The named device; without a name, the first CUDA device or else the CPU.

    Raises:
        EngineUnavailableError: the device does not exist.
    """
    if name is None:
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise EngineUnavailableError(
            f"torch knows no device {name!r}: {error}"
        ) from error
    if device.type == "cuda":
        # One name per device: `turns.py` keeps one lock per name.
        device = torch.device("cuda", device.index or 0)
        seen = torch.cuda.device_count()
        if device.index >= seen:
            raise EngineUnavailableError(
                f"device {name!r} was asked for, and torch sees {seen} CUDA devices"
            )
    return device


def default_kinds(device: torch.device, batch: Batch) -> tuple[Kind, ...]:
    """Number kinds for `batch`, best first: float32 on a CPU, bf16 or int8 on CUDA.

    int8 takes half the bytes, for devices that bf16 does not fit, whatever the
    predicted times.
    """
    if device.type != "cuda":
        return ("fp32",)
    best = choose_kind(batch, on=ceilings_of(device))
    return ("int8",) if best == "int8" else ("bf16", "int8")


def ceilings_of(device: torch.device) -> Ceilings:
    """Performance ceilings of `device` for the cost model.

    They are the figures of one GPU model with this device's multiprocessors: choices
    depend on ratios of the ceilings, which differ less between GPUs than the ceilings.
    """
    return replace(H200, programs=programs_on(device))


def require_cuda(device: torch.device) -> None:
    """Refuse a device that cannot run the kernels.

    Raises:
        EngineUnavailableError: it is not a CUDA device, or it is too old.
    """
    if device.type != "cuda":
        raise EngineUnavailableError(
            f"the triton engine needs a CUDA device, and got {str(device)!r}; torch"
            f" sees {torch.cuda.device_count()} CUDA devices"
        )
    capability = torch.cuda.get_device_capability(device)
    if capability < LEAST_CAPABILITY:
        raise EngineUnavailableError(
            f"{torch.cuda.get_device_name(device)} has compute capability"
            f" {capability[0]}.{capability[1]}, and the triton engine needs at least"
            f" {LEAST_CAPABILITY[0]}.{LEAST_CAPABILITY[1]}"
        )


def generation_of(device: torch.device) -> int:
    """The major compute capability of a CUDA device; 9 for a CPU, which interprets."""
    if device.type != "cuda":
        return 9
    return int(torch.cuda.get_device_capability(device)[0])


def programs_on(device: torch.device) -> int:
    """Multiprocessors of a CUDA device, 1 for a CPU."""
    if device.type != "cuda":
        return 1
    return int(torch.cuda.get_device_properties(device).multi_processor_count)
