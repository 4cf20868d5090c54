"""Description of the device and its clocks."""

from subprocess import DEVNULL, CalledProcessError, check_output
from typing import Any

import torch

CLOCKS = "clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.draw,temperature.gpu"


def device_facts(device: torch.device) -> dict[str, Any]:
    """Name, versions, and for a CUDA device its capability and memory."""
    facts: dict[str, Any] = {"type": device.type, "torch": torch.__version__}
    if device.type != "cuda":
        return facts | {"name": "CPU", "threads": torch.get_num_threads()}
    found = torch.cuda.get_device_properties(device)
    return facts | {
        "name": found.name,
        "capability": f"{found.major}.{found.minor}",
        "multiprocessors": found.multi_processor_count,
        "memory_gib": round(found.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        "devices": torch.cuda.device_count(),
    }


def clocks() -> dict[str, str]:
    """The nvidia-smi report of the first device; empty without one."""
    ask = ["nvidia-smi", f"--query-gpu={CLOCKS}", "--format=csv,noheader", "--id=0"]
    try:
        said = check_output(ask, text=True, stderr=DEVNULL, timeout=10)
    except (OSError, CalledProcessError):
        return {}
    return dict(zip(CLOCKS.split(","), said.strip().split(", "), strict=False))
