"""`python -m bench cluster --part build`: builds with 1 and 2 workers, and without Ray.

Each is a command of its own, on as many cores as it has workers; beside it,
`SoarIndex.build_on_disk` of the same file on as many cores.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from bench.cluster.processes import DRIVER, OTHERS, WORKER, watching
from bench.cluster.ray_steps import started
from bench.provenance import allowed_cores
from bench.say import say
from bench.scale.manifold import Manifold
from bench.tables import markdown

WORKERS = 1, 2
SHARDS, ROWS, QUICK_ROWS, DIM = 5, 3_000_000, 20_000, 96
INTRINSIC = 15
AGREED = 0.25
"""More than `build_on_disk` takes, at most: what was to be reached."""

GLEANN = "from gleann.service.cli.main import main; main()"
ON_DISK = """
import sys, numpy as np
from gleann.index import SoarIndex
rows = np.load(sys.argv[1], mmap_mode="r")
SoarIndex.build_on_disk(rows, sys.argv[2])
"""


def run_build(args: argparse.Namespace) -> dict[str, Any]:
    """Build with each number of workers."""
    n = QUICK_ROWS if args.quick else args.rows or ROWS
    with TemporaryDirectory(dir=args.folder) as folder:
        file = Path(folder) / "rows.npy"
        say(f"writing {n:,} x {DIM}")
        write_rows(file, n)
        runs = [_run(file, workers) for workers in WORKERS]
    return {
        "data": {"n": n, "dim": DIM, "shards": SHARDS},
        "ray_start": started()["start"],
        "runs": runs,
        "same": len({run["hash"] for run in runs}) == 1,
    }


def write_rows(file: Path, n: int) -> None:
    """Rows of a manifold, block by block."""
    rows = np.lib.format.open_memmap(file, "w+", np.float32, (n, DIM))
    first = 0
    for block in Manifold(intrinsic=INTRINSIC, dim=DIM).blocks(n):
        rows[first : first + len(block)] = block
        first += len(block)
    rows.flush()


def command(file: Path, out: Path, *, workers: int, shards: int = SHARDS) -> list[str]:
    """The build of a file, as a command."""
    words = ["cluster", "build", file, out, "--shards", shards, "--workers", workers]
    return gleann(*words)


def gleann(*words: object) -> list[str]:
    """A command of gleann, as this Python runs it."""
    return [sys.executable, "-c", GLEANN, *map(str, words)]


def _run(file: Path, workers: int) -> dict[str, Any]:
    out, plain = file.parent / f"shards-{workers}", file.parent / f"plain-{workers}"
    peaks: dict[str, int] = {}
    say(f"{workers} workers")
    seconds = timed(command(file, out, workers=workers), workers, peaks)
    say(f"{workers} workers: {seconds:.1f} s; without Ray")
    alone: dict[str, int] = {}
    without = timed(
        [sys.executable, "-c", ON_DISK, str(file), str(plain)], workers, alone
    )
    say(f"without Ray: {without:.1f} s")
    return {
        "workers": workers,
        "seconds": seconds,
        "on_disk": without,
        "peaks": peaks,
        "on_disk_peak": alone[DRIVER],
        "hash": hash_of(out),
    }


def timed(words: Sequence[str], cores: int, peaks: dict[str, int]) -> float:
    """Seconds of a command on some of the cores.

    Raises:
        CalledProcessError: it failed.
    """
    some = ",".join(map(str, allowed_cores()[:cores]))
    begun = perf_counter()
    with (
        subprocess.Popen(
            ["taskset", "--cpu-list", some, *words], stdout=subprocess.DEVNULL
        ) as process,
        watching(process.pid, peaks),
    ):
        code = process.wait()
    if code:
        raise subprocess.CalledProcessError(code, words)
    return perf_counter() - begun


def hash_of(folder: Path) -> str:
    """The names and bytes of all files of a folder, or the bytes of a file."""
    digest = sha256()
    for file in sorted([folder, *folder.rglob("*")]):
        if file.is_file():
            digest.update(str(file.relative_to(folder)).encode())
            with file.open("rb") as opened:
                while chunk := opened.read(1 << 20):
                    digest.update(chunk)
    return digest.hexdigest()


def build_table(result: dict[str, Any]) -> str:
    """Seconds and memory of each number of workers."""
    data = result["data"]
    head = (
        f"{data['n']:,} x {data['dim']} into {data['shards']} shards; Ray's start,"
        f" {result['ray_start']:.1f} s, is left out of the share; files"
        f" {'the same' if result['same'] else 'DIFFERENT'} with any number of workers"
    )
    heads = ["workers", "s", "without Ray, s", "more", "a worker, MiB", "driver, MiB"]
    heads += ["a service of Ray, MiB", "without Ray, MiB"]
    rows = []
    for run in result["runs"]:
        more = (run["seconds"] - result["ray_start"]) / run["on_disk"] - 1
        peaks = [run["peaks"].get(name, 0) for name in (WORKER, DRIVER, OTHERS)]
        rows.append(
            [
                str(run["workers"]),
                f"{run['seconds']:.1f}",
                f"{run['on_disk']:.1f}",
                f"{more:+.0%}",
                *(f"{peak / 2**20:,.0f}" for peak in [*peaks, run["on_disk_peak"]]),
            ]
        )
    return f"{head}\n\n{markdown(heads, rows)}"
