"""The environment of a measurement: machine and library versions."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gleann.index.parallel.cores import affinity_cores

DISTRIBUTIONS = (
    "gleann",
    "numpy",
    "faiss-cpu",
    "faiss-gpu",
    "scikit-learn",
    "grpcio",
    "protobuf",
    "pyarrow",
    "torch",
    "triton",
)


def machine() -> dict[str, str | int | float]:
    """Processor, usable cores, memory (0.0 if unknown) and operating system."""
    return {
        "cpu": _cpu_field("model name") or platform.processor() or platform.machine(),
        "cores": affinity_cores(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the installed libraries."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_flags() -> frozenset[str]:
    """Instruction sets of the processor; empty if the system does not list them."""
    return frozenset(_cpu_field("flags").split())


def command_line() -> str:
    """The running command, quoted for a shell."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _memory_bytes() -> int:
    """Memory of the machine; 0 on Windows, which does not tell it this way."""
    if not hasattr(os, "sysconf"):
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cpu_field(name: str) -> str:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return ""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
