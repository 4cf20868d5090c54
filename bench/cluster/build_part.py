"""`python -m bench cluster --part build`: builds with 1 and 2 workers, and without Ray.

Each is a command of its own, on as many cores as it has workers; beside it,
`SoarIndex.build_on_disk` of the same file on as many cores. They take turns, round by
round: what else the machine does falls on all of them.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.cluster.processes import DRIVER, OTHERS, WORKER, watching
from bench.cluster.ray_steps import started
from bench.provenance import allowed_cores
from bench.say import say
from bench.scale.manifold import Manifold
from bench.tables import markdown
from gleann.index.nouns import counted

WORKERS = 1, 2
SHARDS, ROWS, QUICK_ROWS, DIM = 5, 3_000_000, 20_000, 96
INTRINSIC = 15
ROUNDS = 3

GLEANN = "from gleann.service.cli.main import main; main()"
ON_DISK = """
import sys, numpy as np
from gleann.index import SoarIndex
rows = np.load(sys.argv[1], mmap_mode="r")
SoarIndex.build_on_disk(rows, sys.argv[2])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The builds with a number of workers.

    Attributes:
        workers: how many.
        seconds: of each round.
        on_disk: of `build_on_disk` in the same round.
        peaks: most bytes of memory of a worker, of the driver and of Ray's services.
        alone: the same of `build_on_disk`.
        hashes: of all files of each round.
    """

    workers: int
    seconds: list[float] = field(default_factory=list)
    on_disk: list[float] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)
    alone: dict[str, int] = field(default_factory=dict)
    hashes: list[str] = field(default_factory=list)

    def values(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "workers": self.workers,
            "seconds": self.seconds,
            "on_disk": self.on_disk,
            "peaks": self.peaks,
            "on_disk_peak": self.alone[DRIVER],
            "hash": sorted(set(self.hashes)),
        }


def run_build(args: argparse.Namespace) -> dict[str, Any]:
    """Build with each number of workers, in turn."""
    n = QUICK_ROWS if args.quick else args.rows or ROWS
    rounds = 1 if args.quick else args.rounds or ROUNDS
    runs = [Runs(workers=workers) for workers in WORKERS]
    with TemporaryDirectory(dir=args.folder) as folder:
        file = Path(folder) / "rows.npy"
        say(f"writing {n:,} x {DIM}")
        write_rows(file, n)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            run_round(file, runs, number)
    return {
        "data": {"n": n, "dim": DIM, "shards": SHARDS},
        "rounds": rounds,
        "ray_start": started()["start"],
        "runs": [one.values() for one in runs],
        "same": len({one for run in runs for one in run.hashes}) == 1,
    }


def run_round(file: Path, runs: Sequence[Runs], number: int) -> None:
    """One build of each; every other round begins at the other end."""
    builds = [(build, one) for one in runs for build in (_in_shards, _on_disk)]
    for build, one in builds if number % 2 == 0 else reversed(builds):
        out = file.parent / "built"
        build(file, out, one)
        shutil.rmtree(out)


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


def _in_shards(file: Path, out: Path, runs: Runs) -> None:
    words = command(file, out, workers=runs.workers)
    runs.seconds.append(timed(words, runs.workers, runs.peaks))
    runs.hashes.append(hash_of(out))
    say(f"{runs.workers} workers: {runs.seconds[-1]:.1f} s")


def _on_disk(file: Path, out: Path, runs: Runs) -> None:
    words = [sys.executable, "-c", ON_DISK, str(file), str(out)]
    runs.on_disk.append(timed(words, runs.workers, runs.alone))
    say(f"without Ray on {runs.workers} cores: {runs.on_disk[-1]:.1f} s")


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
    """Seconds and memory of each number of workers, medians of the rounds."""
    data, rounds = result["data"], result.get("rounds", 1)
    head = (
        f"{data['n']:,} x {data['dim']} into {data['shards']} shards, medians of"
        f" {counted(rounds, 'rounds')} in turn; Ray's start,"
        f" {result['ray_start']:.1f} s, is left out of the share; files"
        f" {'the same' if result['same'] else 'DIFFERENT'} with any number of workers"
    )
    heads = ["workers", "s", "without Ray, s", "more", "a worker, MiB", "driver, MiB"]
    heads += ["a service of Ray, MiB", "without Ray, MiB"]
    rows = []
    for run in result["runs"]:
        seconds, on_disk = (np.atleast_1d(run[name]) for name in ("seconds", "on_disk"))
        more = (seconds - result["ray_start"]) / on_disk - 1
        peaks = [run["peaks"].get(name, 0) for name in (WORKER, DRIVER, OTHERS)]
        rows.append(
            [
                str(run["workers"]),
                _spread(seconds, ".1f"),
                _spread(on_disk, ".1f"),
                _spread(more, "+.0%"),
                *(f"{peak / 2**20:,.0f}" for peak in [*peaks, run["on_disk_peak"]]),
            ]
        )
    return f"{head}\n\n{markdown(heads, rows)}"


def _spread(values: NDArray[Any], form: str) -> str:
    """The median, and the range of several."""
    middle = format(float(np.median(values)), form)
    if len(values) == 1:
        return middle
    least, most = (format(float(one), form) for one in (values.min(), values.max()))
    return f"{middle} ({least} to {most})"
