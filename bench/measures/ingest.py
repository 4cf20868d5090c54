"""`python -m bench ingest`: durable upserts a second, of one writer and of many."""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Event, Thread
from time import perf_counter, sleep
from typing import Any

import numpy as np

from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index.arrays import Vectors
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.service.application import Application
from gleann.service.config import Config

DIM = 384
BATCH = 1000
SCHEMA = Schema.of(
    {
        "split": "string",
        "score": "float64",
        "day": "int64",
        "checked": "bool",
        "tags": "strings",
    }
)
WRITERS = (1, 8, 32)
SYNCS = 100
SYNC_BYTES = 4096


def add_ingest(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each case")
    parser.add_argument(
        "--directory", type=Path, help="on the disk to measure (default: temporary)"
    )
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, help="default: bench/results/ingest.json")
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_ingest)


def run_ingest(arguments: argparse.Namespace) -> int:
    """Measure all cases in turn, some rounds of them; print and record the rates."""
    begun = provenance()
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): timings will be noise")
    rounds = 1 if arguments.quick else arguments.rounds
    seconds = 0.1 if arguments.quick else arguments.seconds
    rng = np.random.default_rng(arguments.seed)
    measured = [
        one_round(number, rng, seconds=seconds, directory=arguments.directory)
        for number in range(rounds)
    ]
    result: dict[str, Any] = {"mode": "ingest", "dim": DIM, "batch": BATCH}
    result |= {"columns": SCHEMA.to_values(), "seconds": seconds}
    result |= {"seed": arguments.seed, "rounds": measured} | begun
    result["load_at_end"] = load()
    out = arguments.out or default_file("ingest", quick=arguments.quick)
    write_json(result, out)
    print(ingest_table(result))
    say(f"result: {out}")
    return 0


def one_round(
    number: int, rng: np.random.Generator, *, seconds: float, directory: Path | None
) -> dict[str, float]:
    """Rows a second of each case, in a new data directory."""
    rates: dict[str, float] = {}
    vectors = rng.normal(size=(BATCH, DIM)).astype(np.float32)
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        rates["sync_ms"] = sync_milliseconds(Path(folder) / "syncs")
        with opened(Path(folder) / "data") as app:
            for name, columns in (("plain", Schema()), ("columns", SCHEMA)):
                app.create_index(name, dim=DIM, metric="l2", schema=columns)
                rate = batch_rate(app, name, vectors, seconds)
                rates[f"batches of {BATCH}, {len(columns)} columns"] = rate
            for writers in WRITERS:
                name = f"writers-{writers}"
                app.create_index(name, dim=DIM, metric="l2", schema=SCHEMA)
                rate = single_rate(app, name, vectors[:1], writers, seconds)
                rates[f"batches of 1, {writers} writers"] = rate
    say(f"round {number}: {rates}")
    return rates


@contextmanager
def opened(data: Path) -> Iterator[Application]:
    """An application on `data`; checks that all it acknowledged is there again."""
    application = Application(Config(data_dir=data))
    try:
        yield application
        counts = _counts(application)
    finally:
        application.close()
    again = Application(Config(data_dir=data))
    try:
        assert _counts(again) == counts
    finally:
        again.close()


def _counts(application: Application) -> dict[str, int]:
    """Vectors of each index, by name."""
    names = application.registry.names()
    return {name: application.get_index(name).count for name in names}


def payload_of(count: int, rng: np.random.Generator) -> Payload:
    """Values of five columns, as users have them."""
    return Payload.of(
        {
            "split": rng.choice(["train", "validation", "test"], count),
            "score": rng.random(count),
            "day": rng.integers(0, 3650, count),
            "checked": rng.random(count) < 0.1,
            "tags": [["news", "long"][: int(n)] for n in rng.integers(0, 3, count)],
        },
        SCHEMA,
    )


def batch_rate(app: Application, name: str, vectors: Vectors, seconds: float) -> float:
    """Rows a second of one writer of new rows, in batches."""
    rng = np.random.default_rng(0)
    payload = None
    if len(app.registry.view(name).schema):
        payload = payload_of(len(vectors), rng)
    rows, begun = 0, perf_counter()
    while (passed := perf_counter() - begun) < seconds or not rows:
        app.upsert(name, np.arange(rows, rows + len(vectors)), vectors, payload)
        rows += len(vectors)
    return round(rows / passed, 1)


def single_rate(
    app: Application, name: str, vector: Vectors, writers: int, seconds: float
) -> float:
    """Rows a second of threads that store one new row after another."""
    payload = payload_of(1, np.random.default_rng(0))
    stored, stop, ready = [0] * writers, Event(), Barrier(writers + 1)

    def write(writer: int) -> None:
        ready.wait()
        while not stop.is_set():
            ids = np.array([1_000_000 * writer + stored[writer]])
            app.upsert(name, ids, vector, payload)
            stored[writer] += 1

    threads = [Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    ready.wait()
    begun = perf_counter()
    sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return round(sum(stored) / (perf_counter() - begun), 1)


def sync_milliseconds(file: Path) -> float:
    """How long the disk takes to write and sync a page, which bounds lone writers."""
    content = bytes(SYNC_BYTES)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    try:
        os.pwrite(descriptor, bytes(SYNC_BYTES * SYNCS), 0)
        os.fsync(descriptor)
        begun = perf_counter()
        for page in range(SYNCS):
            os.pwrite(descriptor, content, SYNC_BYTES * page)
            os.fdatasync(descriptor)
        return round(1000 * (perf_counter() - begun) / SYNCS, 3)
    finally:
        os.close(descriptor)


def ingest_table(result: dict[str, Any]) -> str:
    """Medians of the rounds as markdown, and ratios of rates of the same round."""
    rounds = result["rounds"]
    rows = [
        [name, f"{np.median([one[name] for one in rounds]):,.0f}", ""]
        for name in rounds[0]
        if name != "sync_ms"
    ]
    lone = f"batches of 1, {WRITERS[0]} writers"
    for row in rows:
        if row[0].startswith("batches of 1,"):
            ratios = [one[row[0]] / one[lone] for one in rounds]
            row[2] = f"{np.median(ratios):.1f}"
    sync = np.median([one["sync_ms"] for one in rounds])
    table = markdown(["durable upserts", "rows/s", "of one writer"], rows)
    said = f"{table}\n\nA sync of one page takes {sync:.2f} ms."
    if (busy := result.get("load_at_start", 0)) > BUSY_LOAD:
        said += (
            f" The machine was busy (load {busy}): its rates are noisy, the ratios of"
            " one round less so."
        )
    return said
