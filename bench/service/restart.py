"""Scenario `restart`: seconds from the start of a server to its first answer.

The data directory holds one large built collection. Before a cold start its files are
taken out of the page cache. Memory after a thousand queries says what is mapped: rows
in mapped files count to RssFile, not to RssAnon.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.say import say
from bench.service.calls import SEARCH, connect, method
from bench.service.collection import NAME, Shape, searches, write_vectors
from bench.service.latency import spread
from bench.service.serving import Served, announced, begin_serving, end_serving
from bench.tables import markdown
from gleann import Client
from gleann.index import BuildParams, SearchParams

PARAMS = SearchParams(k=10, target_recall=0.95)
BATCH, BATCHES = 100, 10
POLL_SECONDS = 0.005
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartJob:
    """Parameters of the scenario: the rows, and starts of each kind."""

    shape: Shape
    rounds: int = 5


def run_restart(job: RestartJob, folder: Path | None) -> dict[str, Any]:
    """Start a server on the same data again and again, cold and warm in turn."""
    with TemporaryDirectory(dir=folder) as place:
        _, queries = write_vectors(Path(place), job.shape)
        data = Path(place) / "data"
        build_from_file(data, Path(place) / "vectors.npy", job.shape.dim)
        requests = searches(queries, PARAMS, size=BATCH, count=BATCHES)
        starts: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
        for number in range(job.rounds):
            for kind, found in starts.items():
                if kind == "cold":
                    forget_pages(data)
                found.append(one_start(data, requests))
                say(f"start {number}, {kind}: {found[-1]}")
        size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    return {
        "rows": job.shape.rows,
        "dim": job.shape.dim,
        "vector_mib": round(4 * job.shape.rows * job.shape.dim / MIB, 1),
        "directory_mib": round(size / MIB, 1),
        "starts": starts,
    }


def build_from_file(data: Path, file: Path, dim: int) -> None:
    """Import a file into a new data directory, and build."""
    say("importing and building")
    with Client(data) as client:
        client.create_index(NAME, dim=dim, metric="l2")
        client.import_vectors(NAME, file).wait()
        client.build(NAME, BuildParams(metric="l2", tune_queries=200)).wait()


def one_start(data: Path, requests: list[bytes]) -> dict[str, float]:
    """Seconds to each stage of one start, and the memory after some searches."""
    begin = monotonic()
    process = begin_serving(data)
    try:
        served = Served(process, announced(process))
        listening = monotonic() - begin
        with connect(served.address) as channel:
            wait_serving(channel)
            ready = monotonic() - begin
            send = method(channel, SEARCH)
            send(requests[0])
            answered = monotonic() - begin
            for request in requests:
                send(request)
        used = served.usage()
    finally:
        end_serving(process)
    return {
        "listening_seconds": round(listening, 3),
        "serving_seconds": round(ready, 3),
        "answered_seconds": round(answered, 3),
        "anonymous_mib": round(used.anonymous_bytes / MIB, 1),
        "mapped_mib": round(used.mapped_bytes / MIB, 1),
    }


def wait_serving(channel: grpc.Channel, service: str = "") -> None:
    """Return when the health check answers SERVING."""
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    while stub.Check(request).status != health_pb2.HealthCheckResponse.SERVING:
        sleep(POLL_SECONDS)


def forget_pages(data: Path) -> None:
    """Take the files of a directory out of the page cache."""
    for file in data.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def restart_table(result: dict[str, Any]) -> str:
    """Medians of the starts, with their spread."""
    stages = ("listening_seconds", "serving_seconds", "answered_seconds")
    rows = [
        [
            kind,
            *(_cell([one[stage] for one in starts], 2) for stage in stages),
            *(
                _cell([one[f"{m}_mib"] for one in starts], 0)
                for m in ("anonymous", "mapped")
            ),
        ]
        for kind, starts in result["starts"].items()
    ]
    head = ["start", "listening, s", "health SERVING, s", "first answer, s"]
    head += ["RssAnon, MiB", "RssFile, MiB"]
    what = (
        f"{result['rows']:,} x {result['dim']} ({result['vector_mib']:,.0f} MiB of"
        f" float32 rows, {result['directory_mib']:,.0f} MiB in files), seconds since"
        f" the process was started; memory after {BATCH * BATCHES:,} queries:"
    )
    return f"{what}\n\n{markdown(head, rows)}"


def _cell(values: list[float], digits: int) -> str:
    found = spread(values)
    low, high = found["low"], found["high"]
    return f"{found['median']:,.{digits}f} ({low:,.{digits}f}..{high:,.{digits}f})"
