"""`python -m bench imports`: what an import and the build after it cost.

A file goes into an empty index and is built, once through the log of changes (as files
that are small beside their index do) and once straight into a sealed version. Memory is
RssAnon, as in `on-disk`.
"""

import argparse
import os
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from bench.measures.on_disk import watching, write_rows
from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown

WAYS = ("log", "sealed")
NAME = "bench"
QUERIES = 100
K = 10
SETTLE_SECONDS, QUIET_SECONDS = 120.0, 3.0
"""Longest wait until files have the size that stays, and how long it must stay so."""
SMALL_BYTES = 8_000_000
"""Below this, a database holds no vectors worth mentioning."""


def add_imports(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    command.add_argument("--rows", type=positive, default=1_000_000)
    command.add_argument("--dim", type=positive, default=128)
    command.add_argument("--seed", type=natural, default=0)
    command.add_argument("--folder", type=Path, help="with room for 8 times the file")
    command.add_argument("--out", type=Path, help="default: bench/results/imports.json")
    command.add_argument("--quick", action="store_true", help="see that it runs")
    command.set_defaults(run=run_imports)


def run_imports(args: argparse.Namespace) -> int:
    """Write seeded clustered vectors, import them both ways, and record the costs."""
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): the seconds will be noise")
    begun = provenance()
    shape = (20_000, 32) if args.quick else (args.rows, args.dim)
    ways = {}
    with TemporaryDirectory(dir=args.folder) as folder:
        file = Path(folder) / "vectors.npy"
        say(f"writing {shape[0]} x {shape[1]} float32")
        write_rows(file, shape, seed=args.seed)
        for way in WAYS:
            say(f"importing: {way}")
            ways[way] = _in_process(way, file, Path(folder) / way)
        source_bytes = file.stat().st_size
    data = {"n": shape[0], "dim": shape[1], "metric": "l2"}
    result = {"mode": "imports", "data": data, "seed": args.seed}
    result |= {"source_bytes": source_bytes, "ways": ways}
    result |= begun | {"load_at_end": load()}
    out = args.out or default_file("imports", quick=args.quick)
    write_json(result, out)
    print(imports_table(result))
    say(f"result: {out}")
    return 0


def imports_table(result: dict[str, Any]) -> str:
    """Each figure of both ways, beside the size of the file."""
    data, raw = result["data"], result["source_bytes"]
    lines: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("import, s", lambda way: f"{way['import_seconds']:.1f}"),
        ("build after it, s", lambda way: f"{way['build_seconds']:.1f}"),
        (
            "import and build, peak RssAnon / file",
            lambda way: f"{max(way['peak_anonymous_bytes'].values()) / raw:.2f}",
        ),
        (
            "most on disk meanwhile / file",
            lambda way: f"{way['most_disk_bytes'] / raw:.2f}",
        ),
        (
            "disk after the import / file",
            lambda way: f"{way['import_disk_bytes'] / raw:.2f}",
        ),
        ("disk after the build / file", lambda way: f"{way['disk_bytes'] / raw:.2f}"),
        (
            "database after the build, kB",
            lambda way: f"{way['database_bytes'] / 1e3:,.0f}",
        ),
        ("one search after the import, ms", lambda way: f"{way['search_ms']:.1f}"),
        ("recall@10 of it", lambda way: f"{way['recall']:.4f}"),
    ]
    ways = [result["ways"][way] for way in WAYS]
    rows = [[name, *(shown(way) for way in ways)] for name, shown in lines]
    head = f"{data['n']} x {data['dim']} float32 ({raw / 1e6:.0f} MB, {data['metric']})"
    table = markdown(["", "through the log", "straight into a version"], rows)
    return f"{head}\n\n{table}"


def _in_process(way: str, file: Path, folder: Path) -> dict[str, Any]:
    """Measure in a process of its own, whose memory is only that of this way."""
    context = get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_measure_into, args=(way, file, folder, answers))
    process.start()
    measured: dict[str, Any] = answers.get()
    process.join()
    return measured


def _measure_into(way: str, file: Path, folder: Path, answers: Any) -> None:
    answers.put(measure(way, file, folder))


def measure(way: str, file: Path, folder: Path) -> dict[str, Any]:
    """Import `file` into an empty index of a data directory, and build it."""
    from gleann import Client
    from gleann.service.jobs import importing
    from gleann.service.optimizer_params import OptimizerParams

    if way == "log":
        importing.is_sealed_at_once = lambda *_: False  # type: ignore[assignment]
    found: dict[str, Any] = {}
    phases, peaks = ["open"], {}
    disk = _Disk(folder)
    with Client(folder) as client, watching(phases, peaks), disk:
        dim = int(np.load(file, mmap_mode="r").shape[1])
        off = OptimizerParams(enabled=False)
        client.create_index(NAME, dim=dim, metric="l2", optimizer=off)
        phases.append("import")
        begun = perf_counter()
        client.import_vectors(NAME, file).wait()
        found["import_seconds"] = perf_counter() - begun
        found["import_disk_bytes"] = _settled(folder)
        phases.append("search")
        found |= _searched(client, file)
        phases.append("build")
        begun = perf_counter()
        client.build(NAME).wait()
        found["build_seconds"] = perf_counter() - begun
        _wait_for_space(folder)
        found["disk_bytes"] = _settled(folder)
        found["most_disk_bytes"] = disk.most
        found["database_bytes"] = database_bytes(folder)
    peaks.pop("search", None)
    return found | {"peak_anonymous_bytes": peaks}


def _searched(client: Any, file: Path) -> dict[str, float]:
    """Milliseconds of a search, and recall, right after the import."""
    from gleann.index import SearchParams

    rows = np.load(file, mmap_mode="r")
    rng = np.random.default_rng(1)
    chosen = np.sort(rng.integers(len(rows), size=QUERIES))
    noise = 0.3 * rng.standard_normal((QUERIES, rows.shape[1]), np.float32)
    queries = rows[chosen] + noise
    exact = client.search(NAME, queries, SearchParams(k=K, exact=True))
    taken, hits = [], 0
    for query, wanted in zip(queries, exact.ids, strict=True):
        begun = perf_counter()
        answer = client.search(NAME, query, SearchParams(k=K))
        taken.append(perf_counter() - begun)
        hits += len(set(answer.ids[0].tolist()) & set(wanted.tolist()))
    return {"search_ms": 1000 * median(taken), "recall": hits / (QUERIES * K)}


class _Disk:
    """Watches the most bytes that a folder takes."""

    def __init__(self, folder: Path) -> None:
        from threading import Event, Thread

        self.most = 0
        self._folder = folder
        self._ended = Event()
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> "_Disk":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            self.most = max(self.most, disk_bytes(self._folder))


def disk_bytes(folder: Path) -> int:
    """Bytes of the files in a folder; of a file with several names once."""
    found: dict[int, int] = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                stat = (Path(directory) / name).stat()
            except FileNotFoundError:
                continue
            found[stat.st_ino] = stat.st_size
    return sum(found.values())


def database_bytes(folder: Path) -> int:
    """Bytes of the database of a data directory, and of its log."""
    return sum(path.stat().st_size for path in folder.glob("gleann.sqlite3*"))


def _wait_for_space(folder: Path) -> None:
    """Wait until the database has given back its space, or for the longest wait."""
    end = time.monotonic() + SETTLE_SECONDS
    while database_bytes(folder) > SMALL_BYTES and time.monotonic() < end:
        time.sleep(0.1)


def _settled(folder: Path) -> int:
    """`disk_bytes` when they no longer fall."""
    end = time.monotonic() + SETTLE_SECONDS
    last, since = disk_bytes(folder), time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < QUIET_SECONDS:
        time.sleep(1.0)
        if (now := disk_bytes(folder)) != last:
            last, since = now, time.monotonic()
    return last
