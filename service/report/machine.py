"""What a figure was measured on: the machine and the versions."""

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    """Name the processor, the cores this process may use, the memory and the system."""
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_field("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(page * pages / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Name the version of Python and of every library that is installed."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_flags() -> frozenset[str]:
    """Read which instructions the processor has; empty where the system hides them."""
    return frozenset(_cpu_field("flags").split())


def command_line() -> str:
    """The command that is running, as it can be typed again."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _cpu_field(name: str) -> str:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return ""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
