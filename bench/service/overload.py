"""Scenario `overload`: five times the load that a server can answer, and recovery.

The peak is found first: the rate is raised until no more calls are answered within
their deadline; before each raise the server comes to rest. The moderate load after the
overload begins at once, so that it shows what the overload left. Calls are batches that
take 20 ms or more alone, since the generator shares the cores. All of it happens twice,
the second time with writes to the same collection beside.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

import grpc

from bench.say import say
from bench.service.calls import SEARCH, UPSERT, Call, connect, method
from bench.service.collection import (
    NAME,
    Shape,
    make_collection,
    searches,
    upserts,
    write_vectors,
)
from bench.service.memory import sampled
from bench.service.open_loop import (
    REFUSED,
    OpenLoop,
    outcome_summary,
    run_open,
)
from bench.service.server_clock import free_address, p99_bound_ms, read_buckets
from bench.service.serving import Served, serving
from bench.service.workers import Workers, workers_of
from bench.tables import markdown
from gleann import Client
from gleann.index import SearchParams
from gleann.index.arrays import Vectors

REQUESTS = 64
SAMPLE_CALLS = 10
FIRST_NPROBE = 16
FIRST_QUERIES, MOST_QUERIES = 64, 2048

FLAT_STEPS = 2
"""The peak is passed when so many raises in a row bring no more answers."""

MOST_STEPS = 16
FIRST_SHARE = 0.7
"""Of the rate of one caller, where the search for the peak begins."""

MODERATE_SHARE = 0.5
"""Of the peak, offered before and after the overload."""

IDLE_SECONDS, IDLE_SHARE, MOST_IDLE_CHECKS = 0.5, 0.1, 120
"""A server that takes less than this share of a core for so long is idle."""

WRITE_ROWS, WRITE_RATE, WRITTEN_BATCHES = 500, 2.0, 40
"""Rows of a write, writes a second, and writes until the same ids are written again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadJob:
    """Parameters of the scenario.

    Attributes:
        shape: rows of the collection.
        factor: offered calls, in peaks.
        seconds: of the overload.
        step_seconds: of each raise of the rate, and of the loads before and after.
        growth: of the rate, a step.
        call_seconds: least duration of one call alone.
        deadline: of a call, in seconds.
        write_rates: of the upserts beside, one case for each; 0 for none.
    """

    shape: Shape
    factor: float = 5.0
    seconds: float = 60.0
    step_seconds: float = 6.0
    growth: float = 1.3
    call_seconds: float = 0.025
    deadline: float = 1.0
    write_rates: tuple[float, ...] = (0.0, WRITE_RATE)


@dataclass(frozen=True, slots=True)
class Heavy:
    """Searches that take long, and how long one takes alone."""

    requests: list[bytes]
    queries: int
    nprobe: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """What offers searches, with writes beside.

    Attributes:
        job: the parameters.
        workers: a process for the searches, and one for the writes.
        search: the calls.
        write: the upserts.
        write_rate: of the upserts, a second; 0 for none.
        metrics: the address of the server's metrics.
    """

    job: OverloadJob
    workers: Workers
    search: Call
    write: Call
    write_rate: float
    metrics: str

    def offer(self, rate: float, seconds: float) -> dict[str, Any]:
        """Offer searches at a rate; what came of them, and of the writes."""
        loads = [
            OpenLoop(call=call, rate=one, seconds=seconds, deadline=self.job.deadline)
            for call, one in ((self.search, rate), (self.write, self.write_rate))
        ]
        outcomes = run_open(self.workers, loads)
        searched, written = (
            outcome_summary(outcome, load)
            for outcome, load in zip(outcomes, loads, strict=True)
        )
        return searched | {"writes": written}


def run_overload(job: OverloadJob, folder: Path | None) -> dict[str, Any]:
    """Find the peak, exceed it, and return to less; without writes and with them."""
    with TemporaryDirectory(dir=folder) as place:
        rows, queries = write_vectors(Path(place), job.shape)
        make_collection(Path(place) / "data", rows)
        write = Call(UPSERT, upserts(rows, size=WRITE_ROWS, count=WRITTEN_BATCHES))
        metrics = free_address()
        with (
            serving(Path(place) / "data", GLEANN_METRICS_LISTEN=metrics) as served,
            workers_of(served.address, 2) as workers,
        ):
            heavy = heavy_call(served, queries, job.call_seconds)
            say(
                f"{heavy.queries} queries, {heavy.nprobe} lists:"
                f" {1e3 * heavy.seconds:.1f} ms alone"
            )
            cases = [
                one_case(
                    Generator(
                        job=job,
                        workers=workers,
                        search=Call(SEARCH, heavy.requests),
                        write=write,
                        write_rate=rate,
                        metrics=metrics,
                    ),
                    served,
                    FIRST_SHARE / heavy.seconds,
                )
                for rate in job.write_rates
            ]
    return {
        "rows": job.shape.rows,
        "dim": job.shape.dim,
        "queries": heavy.queries,
        "nprobe": heavy.nprobe,
        "alone_ms": round(1e3 * heavy.seconds, 2),
        "deadline_ms": 1e3 * job.deadline,
        "factor": job.factor,
        "cases": cases,
    }


def heavy_call(served: Served, queries: Vectors, least: float) -> Heavy:
    """The first call that takes `least` seconds or more alone, or the heaviest.

    More lists are probed before more queries are sent: messages stay small, so that
    the generator takes little of the cores that it shares.
    """
    with Client(served.target) as client:
        nlist = client.get_index(NAME).nlist or 1
    with connect(served.address) as channel:
        nprobe, size = min(FIRST_NPROBE, nlist), FIRST_QUERIES
        while True:
            params = SearchParams(k=10, nprobe=nprobe)
            requests = searches(queries, params, size=size, count=REQUESTS)
            heavy = Heavy(requests, size, nprobe, seconds_alone(channel, requests))
            if heavy.seconds >= least or size == MOST_QUERIES:
                return heavy
            if nprobe < nlist:
                nprobe = min(2 * nprobe, nlist)
            else:
                size *= 2


def seconds_alone(channel: grpc.Channel, requests: list[bytes]) -> float:
    """Least seconds of a call that is alone on the server: others only add to it."""
    send, taken = method(channel, SEARCH), []
    for request in requests[: SAMPLE_CALLS + 1]:
        begin = perf_counter()
        send(request)
        taken.append(perf_counter() - begin)
    return min(taken[1:])


def one_case(generator: Generator, served: Served, first: float) -> dict[str, Any]:
    """The peak, a moderate load, the overload with the memory, the moderate load."""
    job = generator.job
    steps = climb(generator, served, first)
    peak = max(step["goodput"] for step in steps)
    say(f"peak: {peak:.1f} calls/s; {job.factor:g} times that for {job.seconds:g} s")
    wait_idle(served)
    before = generator.offer(MODERATE_SHARE * peak, job.step_seconds)
    wait_idle(served)
    known = read_buckets(generator.metrics, REFUSED)
    with sampled(served) as samples:
        overload = generator.offer(job.factor * peak, job.seconds)
    counted = read_buckets(generator.metrics, REFUSED)
    after = generator.offer(MODERATE_SHARE * peak, job.step_seconds)
    kept = overload["goodput"] / peak
    say(f"answered under overload: {kept:.0%} of the peak")
    return {
        "write_rate": generator.write_rate,
        "write_rows": WRITE_ROWS,
        "steps": steps,
        "peak": peak,
        "before": before,
        "overload": overload,
        "after": after,
        "kept": round(kept, 4),
        "refused_by_server_p99_ms": p99_bound_ms(known, counted),
        "memory": samples.slope(settled=0.2),
        "alive": served.process.poll() is None,
    }


def climb(generator: Generator, served: Served, first: float) -> list[dict[str, Any]]:
    """Raise the rate, from rest each time, until it brings no more answers in time."""
    steps: list[dict[str, Any]] = []
    best, flat, rate = 0.0, 0, first
    while flat < FLAT_STEPS and len(steps) < MOST_STEPS:
        wait_idle(served)
        step = generator.offer(rate, generator.job.step_seconds)
        say(f"offered {rate:.1f}/s: {step['goodput']:.1f}/s answered in time")
        steps.append(step)
        flat = 0 if step["goodput"] > 1.02 * best else flat + 1
        best = max(best, step["goodput"])
        rate *= generator.job.growth
    return steps


def wait_idle(served: Served) -> None:
    """Return when the server has worked off what it was sent before."""
    for _ in range(MOST_IDLE_CHECKS):
        before = served.usage().cpu_seconds
        sleep(IDLE_SECONDS)
        if served.usage().cpu_seconds - before < IDLE_SHARE * IDLE_SECONDS:
            return
    say("the server does not come to rest")


def overload_table(result: dict[str, Any]) -> str:
    """Each load of each case, and what the server kept."""
    head = ["writes/s", "load", "offered/s", "answered in time/s", "p50, ms", "p99, ms"]
    head += ["refused/s", "refused p99, ms", "since sent, ms", "generator late p99, ms"]
    rows, notes = [], []
    for case in result["cases"]:
        rows += [
            _row(case, name, case[name]) for name in ("before", "overload", "after")
        ]
        memory = case["memory"]
        notes.append(
            f"- {case['write_rate']:g} writes a second: peak {case['peak']:.1f},"
            f" {case['kept']:.0%} of it kept at {result['factor']:g} times as many;"
            f" {_by_server(case['refused_by_server_p99_ms'])}"
            f" RssAnon {memory['mib_a_minute']:+.1f} MiB a minute"
            f" ({memory['low']:+.1f}..{memory['high']:+.1f}), at most"
            f" {memory['most_mib']:,.0f} MiB"
        )
    what = (
        f"Calls of {result['queries']} queries that probe {result['nprobe']} lists,"
        f" {result['alone_ms']:.0f} ms alone"
        f" ({result['rows']:,} x {result['dim']}), deadline"
        f" {result['deadline_ms']:.0f} ms; a write has"
        f" {result['cases'][0]['write_rows']} rows:"
    )
    return "\n\n".join([what, markdown(head, rows), "\n".join(notes)])


def _row(case: dict[str, Any], name: str, load: dict[str, Any]) -> list[str]:
    refused = load["codes"].get(REFUSED, 0)
    return [
        f"{case['write_rate']:g}",
        name,
        f"{load['offered'] / load['seconds']:.1f}",
        f"{load['goodput']:.1f}",
        _ms(load["answered"], "p50_ms"),
        _ms(load["answered"], "p99_ms"),
        f"{refused / load['seconds']:.1f}",
        _ms(load["refused"], "p99_ms"),
        _ms(load["refused_since_sent"], "p99_ms"),
        _ms(load["late"], "p99_ms"),
    ]


def _by_server(bound: float | None) -> str:
    return "" if bound is None else f"refused within {bound:g} ms (p99) by its clock;"


def _ms(found: dict[str, float], name: str) -> str:
    return f"{found[name]:.1f}" if found else "-"
