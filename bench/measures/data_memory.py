"""`python -m bench data`: peak memory of `gleann.data` on files larger than it holds.

The same rows as .npy, as a folder of parquet with text ids, and as .fbin are opened,
their ids read, and all batches walked, each in a fresh process. Pages of mapped files
are not counted (RssAnon): the kernel takes them back when others need memory.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from bench.comparison.worker import status_bytes
from bench.measures.on_disk import watching
from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown

BLOCK_ROWS = 500_000
"""Rows of a parquet file, and those that are made at once."""
BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """How one source was read.

    Attributes:
        seconds: of each step: "open", "ids", "batches".
        peak_anonymous_bytes: of each step, above what the process had before.
        rows: that the batches had.
        total: of all numbers of all batches, so that each was looked at.
    """

    seconds: dict[str, float]
    peak_anonymous_bytes: dict[str, int]
    rows: int
    total: float


def add_data(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    command.add_argument("--rows", type=positive, default=10_000_000)
    command.add_argument("--dim", type=positive, default=16)
    command.add_argument("--seed", type=natural, default=0)
    command.add_argument("--folder", type=Path, help="with room for the rows, thrice")
    name = "data-<rows>x<dim>.json"
    command.add_argument("--out", type=Path, help=f"default: bench/results/{name}")
    command.set_defaults(run=run_data)


def run_data(args: argparse.Namespace) -> int:
    """Write the sources, read each in a process of its own, and record the peaks."""
    begun = provenance()
    with TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        say(f"writing {args.rows} x {args.dim} float32, thrice")
        total = write_sources(folder, (args.rows, args.dim), seed=args.seed)
        found = {}
        for kind, source in sources(folder).items():
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found[kind] = pool.submit(read, source).result()
            say(f"{kind}: {found[kind]}")
            require_all(found[kind], rows=args.rows, total=total)
    result = {
        "mode": "data",
        "data": {"n": args.rows, "dim": args.dim},
        "seed": args.seed,
        "source_bytes": args.rows * args.dim * 4,
        "read": {kind: asdict(one) for kind, one in found.items()},
        **begun,
    }
    out = args.out or default_file(f"data-{args.rows}x{args.dim}")
    write_json(result, out)
    print(data_table(result))
    say(f"result: {out}")
    return 0


def data_table(result: dict[str, Any]) -> str:
    """Seconds and peak memory of each step and source."""
    shape = result["data"]
    rows = [
        [
            kind,
            step,
            f"{one['seconds'][step]:.2f}",
            f"{one['peak_anonymous_bytes'][step] / 2**20:,.0f}",
        ]
        for kind, one in result["read"].items()
        for step in one["seconds"]
    ]
    about = (
        f"{shape['n']:,} x {shape['dim']} float32"
        f" ({result['source_bytes'] / 1e6:,.0f} MB)"
    )
    heading = ["source", "step", "s", "peak RssAnon above the start, MiB"]
    return f"{about}\n\n{markdown(heading, rows)}"


def sources(folder: Path) -> dict[str, str]:
    """What is opened, by its kind."""
    return {
        ".npy": str(folder / "rows.npy"),
        "parquet folder": str(folder / "parts"),
        ".fbin": str(folder / "rows.fbin"),
    }


def write_sources(folder: Path, shape: tuple[int, int], *, seed: int) -> float:
    """Write the three sources, a block at a time; the sum of all numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, total = np.random.default_rng(seed), 0.0
    array = np.lib.format.open_memmap(folder / "rows.npy", "w+", np.float32, shape)
    (folder / "parts").mkdir()
    with (folder / "rows.fbin").open("wb") as flat:
        flat.write(np.array(shape, "<u4").tobytes())
        for start in range(0, shape[0], BLOCK_ROWS):
            block = array[start : start + BLOCK_ROWS]
            block[:] = rng.random(block.shape, np.float32)
            total += float(block.sum(dtype=np.float64))
            flat.write(block.astype("<f4").tobytes())
            names = np.char.mod("item-%08d", np.arange(start, start + len(block)))
            values = pa.array(block.ravel())
            table = {
                "id": names,
                "vector": pa.FixedSizeListArray.from_arrays(values, shape[1]),
            }
            file = folder / "parts" / f"part-{start // BLOCK_ROWS}.parquet"
            pq.write_table(pa.table(table), file, row_group_size=100_000)
    array.flush()
    return total


def read(source: str) -> Read:
    """Open a source, read its ids, and walk its batches."""
    from gleann import data

    phases, peaks, seconds = ["start"], {"start": 0}, {}
    before = status_bytes("RssAnon")
    with watching(phases, peaks):
        seconds["open"], opened = _step(phases, "open", lambda: data.open(source))
        seconds["ids"], _ = _step(phases, "ids", lambda: opened.held_ids)
        walk = _step(phases, "batches", lambda: _walked(opened))
        seconds["batches"], (rows, total) = walk
    above = {step: max(0, peaks.get(step, before) - before) for step in seconds}
    return Read(seconds=seconds, peak_anonymous_bytes=above, rows=rows, total=total)


def require_all(found: Read, *, rows: int, total: float) -> None:
    """Fail where a source had other rows than were written."""
    if found.rows != rows or not np.isclose(found.total, total, rtol=1e-9):
        raise AssertionError(
            f"{found.rows} rows of total {found.total}, not {rows} of {total}"
        )


def _step(phases: list[str], name: str, work: Any) -> tuple[float, Any]:
    phases.append(name)
    begun = perf_counter()
    made = work()
    return perf_counter() - begun, made


def _walked(opened: Any) -> tuple[int, float]:
    rows, total = 0, 0.0
    for batch in opened.batches(BATCH_ROWS):
        rows += len(batch)
        total += float(batch.vectors.sum(dtype=np.float64))
    return rows, total
