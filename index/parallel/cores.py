"""The number of cores that this process may use: its affinity and its CPU quota.

A container's quota is not in the affinity of its processes: one with 2 CPUs of a
machine with 64 would start 64 threads, which the kernel then stops most of the time.
"""

import math
import os
from functools import cache
from pathlib import Path

from threadpoolctl import threadpool_limits

CONTROL_GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Cores that threads may take, at least 1; a share of one counts as one."""
    quota, cores = cpu_quota(), affinity_cores()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def affinity_cores() -> int:
    """Cores this process may run on; all of them on systems other than Linux."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def cpu_quota() -> float | None:
    """CPUs that the control groups of this process allow; looked up once.

    Returns:
        None where they set no limit.
    """
    return read_quota(CONTROL_GROUPS, MEMBERSHIP)


def read_quota(groups: Path, membership: Path) -> float | None:
    """The least quota of the groups that a process is in, and of those around them.

    Args:
        groups: where the control groups are mounted, of version 1 or 2.
        membership: the file that names those of the process.
    """
    folders: list[Path] = []
    for line in _text(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        names = controllers.split(",")
        if controllers == "":
            folders += _and_parents(groups, path)
        elif "cpu" in names:
            for mounted in ("cpu", "cpu,cpuacct", controllers):
                folders += _and_parents(groups / mounted, path)
    quotas = [quota for folder in folders if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def limit_blas() -> None:
    """Let BLAS take no more threads than cores are usable, from now on.

    It counts the cores it may run on and knows no quota. For programs, not for the
    library: the limit holds for the whole process.
    """
    if cpu_quota() is not None:
        threadpool_limits(usable_cores(), user_api="blas")


def _and_parents(mounted: Path, path: str) -> list[Path]:
    """The folder of a group and of all around it.

    Inside a container the path may be one of the host, which is not mounted here: then
    the mount itself is the container's group.
    """
    own = mounted / path.lstrip("/")
    return [own, *(parent for parent in own.parents if parent.is_relative_to(mounted))]


def _quota_of(folder: Path) -> float | None:
    if text := _text(folder / "cpu.max"):
        quota, period = [*text.split(), "100000"][:2]
    else:
        quota = _text(folder / "cpu.cfs_quota_us").strip() or "-1"
        period = _text(folder / "cpu.cfs_period_us").strip() or "100000"
    try:
        cpus = float(quota) / float(period)
    except (ValueError, ZeroDivisionError):  # "max", for one
        return None
    return cpus if cpus > 0 else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
