"""`python -m bench on-disk`: peak anonymous memory of a build out of core.

Pages of mapped files are not counted (RssAnon, not VmHWM): the kernel takes them back
when others need memory.
"""

import argparse
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from bench.provenance import load
from bench.worker import status_bytes
from gleann.index import BuildParams, Progress, SoarIndex

BLOCK_ROWS = 100_000
CLUSTERS = 5000
SAMPLE_SECONDS = 0.01


def add_on_disk(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    command.add_argument("--rows", type=int, default=10_000_000)
    command.add_argument("--dim", type=int, default=100)
    command.add_argument("--nlist", type=int, help="default: the index's own")
    command.add_argument("--metric", default="l2", choices=("ip", "cosine", "l2"))
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--folder", type=Path, help="with room for twice the vectors")
    command.add_argument("--out", type=Path, help="default: print only")
    command.set_defaults(run=run_on_disk)


def run_on_disk(args: argparse.Namespace) -> int:
    """Write seeded clustered vectors to a file, build from it, and print the peaks."""
    with TemporaryDirectory(dir=args.folder) as folder:
        file = Path(folder) / "vectors.npy"
        write_rows(file, (args.rows, args.dim), seed=args.seed)
        params = BuildParams(
            metric=args.metric, nlist=args.nlist or "auto", seed=args.seed
        )
        result = measure(file, Path(folder) / "index", params)
    result |= {"rows": args.rows, "dim": args.dim, "load_at_end": load()}
    text = json.dumps(result, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")
    return 0


def write_rows(file: Path, shape: tuple[int, int], *, seed: int) -> None:
    """Write float32 rows around `CLUSTERS` centres."""
    rows = np.lib.format.open_memmap(file, "w+", np.float32, shape)
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CLUSTERS, shape[1]), np.float32)
    for start in range(0, shape[0], BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        noise = rng.standard_normal(block.shape, np.float32)
        block[:] = centres[rng.integers(CLUSTERS, size=len(block))] + 0.6 * noise
    rows.flush()


def measure(file: Path, path: Path, params: BuildParams) -> dict[str, object]:
    """Build from `file` into `path`: seconds, and the peak of each phase in bytes."""
    phases = ["start"]
    peaks: dict[str, int] = {}
    begun = perf_counter()

    def hear(progress: Progress) -> None:
        phases.append(progress.phase)

    with watching(phases, peaks):
        source = np.load(file, mmap_mode="r")
        built = SoarIndex.build_on_disk(source, path, params, progress=hear)
    return {
        "seconds": perf_counter() - begun,
        "source_bytes": source.nbytes,
        "peak_anonymous_bytes": peaks,
        "nlist": built.nlist,
        "spill": built.params.spill,
        "spilled_share": built.spilled_share,
    }


@contextmanager
def watching(phases: list[str], peaks: dict[str, int]) -> Iterator[None]:
    """Sample RssAnon meanwhile into `peaks`, under the last of `phases`."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            phase = phases[-1]
            peaks[phase] = max(peaks.get(phase, 0), status_bytes("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
