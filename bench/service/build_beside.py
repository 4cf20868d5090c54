"""Scenario `build-beside`: searches while an index of the same size is built.

Single queries at a moderate rate, open loop, alone and beside the build, in turn. Only
calls that were due while the build ran count as beside it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import numpy as np

from bench.say import say
from bench.service.calls import SEARCH, Call
from bench.service.collection import (
    Shape,
    make_collection,
    searches,
    store,
    write_vectors,
)
from bench.service.latency import spread
from bench.service.open_loop import (
    OK,
    OpenLoop,
    Outcome,
    outcome_summary,
    run_open,
)
from bench.service.serving import serving
from bench.service.workers import Workers, workers_of
from bench.tables import markdown
from gleann import Client
from gleann.index import BuildParams, SearchParams

OTHER = "other"
REQUESTS = 1024
PARAMS = SearchParams(k=10, target_recall=0.95)
WARM_SECONDS = 2.0
SLICES = 5
"""Loads beside a build, in the seconds of one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """Parameters of the scenario.

    Attributes:
        shape: rows of the searched collection, and of the one that is built.
        rate: searches a second.
        seconds: of the searches alone; beside a build they last as long as it does.
        rounds: builds.
        deadline: of a search, in seconds.
    """

    shape: Shape
    rate: float = 100.0
    seconds: float = 10.0
    rounds: int = 3
    deadline: float = 10.0


def run_build_beside(job: BuildJob, folder: Path | None) -> dict[str, Any]:
    """Search alone and beside a build, in turn."""
    with TemporaryDirectory(dir=folder) as place:
        rows, queries = write_vectors(Path(place), job.shape)
        make_collection(Path(place) / "data", rows)
        call = Call(SEARCH, searches(queries, PARAMS, size=1, count=REQUESTS))
        with (
            serving(Path(place) / "data") as served,
            Client(served.target) as client,
            workers_of(served.address, 1) as workers,
        ):
            client.create_index(OTHER, dim=job.shape.dim, metric="l2")
            store(client, OTHER, rows)
            offer(workers, job, call, seed=-1, seconds=WARM_SECONDS)
            rounds = [
                one_round(job, client, workers, call, n) for n in range(job.rounds)
            ]
    return {
        "rows": job.shape.rows,
        "dim": job.shape.dim,
        "rate": job.rate,
        "rounds": rounds,
        "ratios": {
            f"p{percentile}": spread(
                [
                    one["beside"]["answered"][f"p{percentile}_ms"]
                    / one["alone"]["answered"][f"p{percentile}_ms"]
                    for one in rounds
                ]
            )
            for percentile in (50, 99)
        },
    }


def offer(
    workers: Workers, job: BuildJob, call: Call, *, seed: int, seconds: float
) -> tuple[Outcome, OpenLoop]:
    """Searches at the moderate rate."""
    load = OpenLoop(
        call=call, rate=job.rate, seconds=seconds, deadline=job.deadline, seed=seed + 1
    )
    (outcome,) = run_open(workers, [load])
    return outcome, load


def one_round(
    job: BuildJob, client: Client, workers: Workers, call: Call, number: int
) -> dict[str, Any]:
    """Searches alone, then beside a build until it ends."""
    first = 1000 * number
    alone = outcome_summary(*offer(workers, job, call, seed=first, seconds=job.seconds))
    begin, slices = monotonic(), []
    with ThreadPoolExecutor(1) as waiter:
        build = waiter.submit(build_once, client, number)
        while not build.done():
            first += 1
            piece, _ = offer(
                workers, job, call, seed=first, seconds=job.seconds / SLICES
            )
            slices.append(piece)
        ended = build.result()
    beside = outcome_summary(
        due_before(slices, ended),
        OpenLoop(
            call=call, rate=job.rate, seconds=ended - begin, deadline=job.deadline
        ),
    )
    say(
        f"round {number}: p99 {alone['answered']['p99_ms']:.1f} ms alone,"
        f" {beside['answered']['p99_ms']:.1f} ms beside {ended - begin:.1f} s of build"
    )
    return {"alone": alone, "beside": beside, "build_seconds": round(ended - begin, 2)}


def build_once(client: Client, number: int) -> float:
    """Build the other collection; the time of its end."""
    client.build(OTHER, BuildParams(metric="l2", seed=number)).wait()
    return monotonic()


def due_before(slices: list[Outcome], end: float) -> Outcome:
    """The calls that were due before a time."""
    due = np.concatenate([piece.due for piece in slices])
    kept = due < end
    return Outcome(
        due=due[kept],
        sent=np.concatenate([piece.sent for piece in slices])[kept],
        ended=np.concatenate([piece.ended for piece in slices])[kept],
        codes=np.concatenate([piece.codes for piece in slices])[kept],
    )


def build_table(result: dict[str, Any]) -> str:
    """Medians of the rounds, and the ratios with their spread."""
    rows = []
    for name in ("alone", "beside"):
        loads = [one[name] for one in result["rounds"]]
        cells = [
            f"{spread([load['answered'][key] for load in loads])['median']:.2f}"
            for key in ("p50_ms", "p90_ms", "p99_ms", "max_ms")
        ]
        bad = sum(
            count
            for load in loads
            for code, count in load["codes"].items()
            if code != OK
        )
        calls = sum(load["offered"] for load in loads)
        rows.append([name, f"{calls:,}", *cells, str(bad)])
    head = ["searches", "calls", "p50, ms", "p90, ms", "p99, ms", "most, ms", "errors"]
    seconds = spread([one["build_seconds"] for one in result["rounds"]])["median"]
    ratios = ", ".join(
        f"{name} {found['median']:.2f}x ({found['low']:.2f}..{found['high']:.2f})"
        for name, found in result["ratios"].items()
    )
    what = (
        f"{result['rate']:g} single queries a second ({result['rows']:,} x"
        f" {result['dim']}), alone and beside a build of as many rows"
        f" ({seconds:.1f} s); beside against alone: {ratios}"
    )
    return f"{what}\n\n{markdown(head, rows)}"
