"""Scenario `ingest`: durable upserts over gRPC, rows and megabytes a second.

Each way fills a collection on a server of its own for some seconds, in turn.
Every row is acknowledged after its batch is synced to the disk.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.say import say
from bench.service.latency import spread
from bench.service.serving import Served, serving
from bench.tables import markdown
from gleann import Client
from gleann.index.arrays import Vectors

BATCH = 1000
NAME = "filled"
MEGABYTE = 1e6

Fill = Callable[[Client, str, Vectors, float], tuple[int, float]]
"""Stores rows for some seconds; their number, and the seconds that it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestJob:
    """Parameters of the scenario.

    Attributes:
        dim: of the vectors.
        seconds: of each way in a round.
        rounds: of all ways.
        seed: of the vectors.
    """

    dim: int = 384
    seconds: float = 5.0
    rounds: int = 5
    seed: int = 0


def run_ingest(job: IngestJob, folder: Path | None) -> dict[str, Any]:
    """Fill collections by each way in turn; rates by round."""
    rng = np.random.default_rng(job.seed)
    vectors = rng.standard_normal((BATCH, job.dim), np.float32)
    rounds: list[dict[str, float]] = []
    costs: list[dict[str, float]] = []
    for number in range(job.rounds):
        # The other one first in the next round: neither is favoured by its place.
        order = list(WAYS) if number % 2 else list(reversed(WAYS))
        runs = {way: _run(WAYS[way], vectors, job.seconds, folder) for way in order}
        rounds.append({way: runs[way][0] for way in WAYS})
        costs.append({way: runs[way][1] for way in WAYS})
        say(f"round {number}: {rounds[-1]}, CPU ms a thousand rows {costs[-1]}")
    return {
        "dim": job.dim,
        "batch": BATCH,
        "seconds": job.seconds,
        "rates": rounds,
        "cpu_ms": costs,
    }


def _run(
    fill: Fill, vectors: Vectors, seconds: float, folder: Path | None
) -> tuple[float, float]:
    """Rows a second, and milliseconds of CPU time a thousand rows, of one way.

    A server of its own, since the space of a collection that is removed is given back
    while the next one is filled.
    """
    with (
        TemporaryDirectory(dir=folder) as place,
        serving(Path(place) / "data") as served,
        Client(served.target) as client,
    ):
        client.create_index(NAME, dim=vectors.shape[1], metric="l2")
        before = _cpu_seconds(served)
        rows, taken = fill(client, NAME, vectors, seconds)
        used = _cpu_seconds(served) - before
        if (held := client.get_index(NAME).count) != rows:
            raise AssertionError(f"{rows} rows acknowledged, {held} held")
    return round(rows / taken, 1), round(1e6 * used / rows, 2)


def _cpu_seconds(served: Served) -> float:
    """CPU time of the server and of this process so far."""
    return served.usage().cpu_seconds + process_time()


def fill_unary(
    client: Client, name: str, vectors: Vectors, seconds: float
) -> tuple[int, float]:
    """One call a batch, each after the acknowledgement of the one before."""
    begin, rows = perf_counter(), 0
    for ids in batches():
        client.upsert(name, ids, vectors)
        rows += len(ids)
        if perf_counter() - begin >= seconds:
            break
    return rows, perf_counter() - begin


def fill_stream(
    client: Client, name: str, vectors: Vectors, seconds: float
) -> tuple[int, float]:
    """A stream: batches are sent while earlier ones are stored."""
    begin, rows = perf_counter(), 0
    with client.vectors.stream(name) as stream:
        for ids in batches():
            stream.send(ids, vectors)
            rows += len(ids)
            if perf_counter() - begin >= seconds:
                break
        stream.flush()
    return rows, perf_counter() - begin


def batches() -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    """New ids without end, a batch at a time."""
    start = 0
    while True:
        yield np.arange(start, start + BATCH)
        start += BATCH


WAYS: dict[str, Fill] = {
    "unary": fill_unary,
    "stream": fill_stream,
}
"""By name; each is measured beside the first."""


def ingest_table(result: dict[str, Any]) -> str:
    """Medians of the rounds, and ratios to the first way."""
    rounds, (first, *_) = result["rates"], result["rates"][0]
    rows = []
    for way in rounds[0]:
        rate = spread([one[way] for one in rounds])
        ratio = spread([one[way] / one[first] for one in rounds])
        megabytes = rate["median"] * 4 * result["dim"] / MEGABYTE
        rows.append(
            [
                way,
                f"{rate['median']:,.0f} ({rate['low']:,.0f}..{rate['high']:,.0f})",
                f"{megabytes:.1f}",
                f"{ratio['median']:.2f}x ({ratio['low']:.2f}..{ratio['high']:.2f})",
                f"{spread([one[way] for one in result['cpu_ms']])['median']:.1f}",
            ]
        )
    what = f"Batches of {result['batch']:,} rows of {result['dim']} dimensions:"
    head = [
        "way",
        "rows a second",
        "MB a second",
        f"ratio to {first}",
        "CPU ms of both a thousand rows",
    ]
    return f"{what}\n\n{markdown(head, rows)}"
