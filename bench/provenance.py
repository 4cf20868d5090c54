"""Provenance of a result: machine, versions, commit, time."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COMMIT_FILE = ROOT / ".gpu" / "commit"
CHANGED = "+changes"
"""Suffix of the recorded commit if the tree had uncommitted changes."""

PACKAGES = (
    "gleann",
    "numpy",
    "scipy",
    "faiss-cpu",
    "faiss-gpu",
    "scann",
    "hnswlib",
    "usearch",
    "pynndescent",
    "numba",
    "ray",
)
CPU_FLAGS = {
    "amx": "amx_int8",
    "vnni": "avx512_vnni",
    "avx512": "avx512f",
    "avx2": "avx2",
}
BUSY_LOAD = 0.5


def provenance() -> dict[str, Any]:
    """Everything about this run but its parameters and its measurements."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["python", "-m", "bench", *sys.argv[1:]],
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "uncommitted": uncommitted(),
        "load_at_start": load(),
    }


def commit() -> str | None:
    """The commit of this tree; of a copy without .git, the one that was sent along."""
    return run_git("rev-parse", "HEAD") or _sent_commit().removesuffix(CHANGED) or None


def uncommitted() -> bool:
    """Whether the tree differs from its commit, results aside."""
    if run_git("rev-parse", "HEAD"):
        # Result files of earlier runs do not change the code.
        return bool(run_git("status", "--porcelain", "--", ".", ":!bench/results"))
    return _sent_commit().endswith(CHANGED)


def _sent_commit() -> str:
    """From `GLEANN_COMMIT` or a file: copies on other machines have no .git."""
    if said := os.environ.get("GLEANN_COMMIT"):
        return said.strip()
    return COMMIT_FILE.read_text().strip() if COMMIT_FILE.exists() else ""


def machine() -> dict[str, Any]:
    """CPU, its flags, cores, memory."""
    described = _cpu_info()
    flags = described.get("flags", "").split()
    return {
        "cpu": described.get("model name", platform.processor() or "unknown"),
        **{name: flag in flags for name, flag in CPU_FLAGS.items()},
        "cores": os.cpu_count(),
        "cores_allowed": len(allowed_cores()),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Python and every library that takes part, where it is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = installed_version(package)
        except PackageNotFoundError:
            continue
    return found


def allowed_cores() -> list[int]:
    """The cores this process may use, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def load() -> float:
    """Runnable processes over the last minute: above 0.5, timings are noise."""
    return round(os.getloadavg()[0], 2)


def _cpu_info() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text().split("\n\n", maxsplit=1)[0]
    pairs = (line.split(":", maxsplit=1) for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def run_git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
