"""`python -m bench on-disk`: peak anonymous memory of a build out of core.

Pages of mapped files are not counted (RssAnon, not VmHWM): the kernel takes them back
when others need memory.
"""

import argparse
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from bench.comparison.worker import status_bytes
from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, Progress, SoarIndex

BLOCK_ROWS = 100_000
CLUSTERS = 5000
NOISE = 0.6
"""Standard deviation around a centre, where that of the centres is 1."""

SAMPLE_SECONDS = 0.01


def add_on_disk(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    command.add_argument("--rows", type=positive, default=10_000_000)
    command.add_argument("--dim", type=positive, default=100)
    command.add_argument("--nlist", type=positive, help="default: the index's own")
    command.add_argument("--metric", default="l2", choices=("ip", "cosine", "l2"))
    command.add_argument("--seed", type=natural, default=0)
    command.add_argument("--folder", type=Path, help="with room for twice the vectors")
    name = "on-disk-<rows>x<dim>-<metric>.json"
    command.add_argument("--out", type=Path, help=f"default: bench/results/{name}")
    command.set_defaults(run=run_on_disk)


def run_on_disk(args: argparse.Namespace) -> int:
    """Write seeded clustered vectors to a file, build from it, and record the peaks."""
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): the seconds will be noise")
    begun = provenance()
    with TemporaryDirectory(dir=args.folder) as folder:
        file = Path(folder) / "vectors.npy"
        say(f"writing {args.rows} x {args.dim} float32")
        write_rows(file, (args.rows, args.dim), seed=args.seed)
        params = BuildParams(
            metric=args.metric, nlist=args.nlist or "auto", seed=args.seed
        )
        say("building")
        measured = measure(file, Path(folder) / "index", params)
    result = {"mode": "on-disk", "data": _data(args), "seed": args.seed}
    result |= measured | begun | {"load_at_end": load()}
    out = args.out or default_file(f"on-disk-{args.rows}x{args.dim}-{args.metric}")
    write_json(result, out)
    print(on_disk_table(result))
    say(f"result: {out}")
    return 0


def on_disk_table(result: dict[str, Any]) -> str:
    """The peak memory of each phase in MiB, and the built index."""
    data, peaks = result["data"], result["peak_anonymous_bytes"]
    built = (
        f"{data['n']} x {data['dim']} float32 ({result['source_bytes'] / 1e9:.2f} GB,"
        f" {data['metric']}), nlist {result['nlist']}, spill {result['spill']}:"
        f" {result['seconds']:.1f} s"
    )
    rows = [[phase, f"{peak / 2**20:,.0f}"] for phase, peak in peaks.items()]
    rows.append(["**most**", f"{max(peaks.values()) / 2**20:,.0f}"])
    return f"{built}\n\n{markdown(['phase', 'peak RssAnon, MiB'], rows)}"


def _data(args: argparse.Namespace) -> dict[str, Any]:
    """The distribution of the vectors: with the seed, it defines them."""
    return {
        "n": args.rows,
        "dim": args.dim,
        "metric": args.metric,
        "clusters": CLUSTERS,
        "noise": NOISE,
    }


def write_rows(file: Path, shape: tuple[int, int], *, seed: int) -> None:
    """Write float32 rows around `CLUSTERS` centres."""
    rows = np.lib.format.open_memmap(file, "w+", np.float32, shape)
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CLUSTERS, shape[1]), np.float32)
    for start in range(0, shape[0], BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        noise = rng.standard_normal(block.shape, np.float32)
        block[:] = centres[rng.integers(CLUSTERS, size=len(block))] + NOISE * noise
    rows.flush()


def measure(file: Path, path: Path, params: BuildParams) -> dict[str, Any]:
    """Build from `file` into `path`: seconds, and the peak of each phase in bytes."""
    phases = ["start"]
    peaks: dict[str, int] = {}
    begun = perf_counter()

    def hear(progress: Progress) -> None:
        phases.append(progress.phase)
        # A phase may end before the next sample.
        peaks.setdefault(progress.phase, status_bytes("RssAnon"))

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
