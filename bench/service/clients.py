"""Scenario `clients`: many clients with one query each, beside one caller.

The ceiling is an empty unary call by the same clients on the same server. All cases
take turns; a ratio is of one round.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.say import say
from bench.service.calls import EMPTY_CALL, SEARCH, Call
from bench.service.closed_loop import run_closed
from bench.service.collection import Shape, make_collection, searches, write_vectors
from bench.service.latency import spread
from bench.service.serving import Served, serving
from bench.service.workers import Workers, workers_of
from bench.tables import markdown
from gleann.index import SearchParams

WARM_SECONDS = 1.0
REQUESTS = 1024
PARAMS = SearchParams(k=10, target_recall=0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsJob:
    """Parameters of the scenario.

    Attributes:
        shape: rows of the collection.
        counts: numbers of clients; the first is the one that others are compared with.
        processes: processes that the clients are divided among.
        seconds: of each case in a round.
        rounds: of all cases.
    """

    shape: Shape
    counts: tuple[int, ...] = (1, 32, 64)
    processes: int = 2
    seconds: float = 4.0
    rounds: int = 5


def run_clients(job: ClientsJob, folder: Path) -> dict[str, Any]:
    """Measure every case in turn; results by round, and the ratios."""
    with TemporaryDirectory(dir=folder) as place:
        rows, queries = write_vectors(Path(place), job.shape)
        make_collection(Path(place) / "data", rows)
        requests = searches(queries, PARAMS, size=1, count=REQUESTS)
        calls = {"search": Call(SEARCH, requests), "empty": EMPTY_CALL}
        with (
            serving(Path(place) / "data") as served,
            workers_of(served.address, job.processes) as workers,
        ):
            rounds = [
                one_round(job, served, workers, calls, number)
                for number in range(job.rounds + 1)
            ]
    measured = rounds[1:]  # the first one warms up
    return {
        "rows": job.shape.rows,
        "dim": job.shape.dim,
        "processes": job.processes,
        "seconds": job.seconds,
        "k": PARAMS.k,
        "target_recall": PARAMS.target_recall,
        "cases": measured,
        "ratios": ratios(measured, job.counts),
    }


def one_round(
    job: ClientsJob,
    served: Served,
    workers: Workers,
    calls: dict[str, Call],
    number: int,
) -> list[dict[str, Any]]:
    """Every call by every number of clients; in reverse order every other round."""
    cases = [(name, count) for count in job.counts for name in calls]
    seconds = job.seconds if number else min(WARM_SECONDS, job.seconds)
    found = []
    for name, count in cases if number % 2 else reversed(cases):
        one = run_closed(served, workers, calls[name], clients=count, seconds=seconds)
        found.append({"call": name} | one)
        say(f"round {number}: {count} clients, {name}: {one['rate']:,.0f}/s")
    return found


def ratios(
    rounds: list[list[dict[str, Any]]], counts: tuple[int, ...]
) -> dict[str, Any]:
    """By number of clients: of one caller's rate, of the ceiling, p99 of p50."""
    found: dict[str, Any] = {}
    for count in counts[1:]:
        pairs = [
            (_case(one, "search", count), _case(one, "search", counts[0]))
            for one in rounds
        ]
        ceilings = [_case(one, "empty", count)["rate"] for one in rounds]
        found[str(count)] = {
            "of_one_caller": spread(
                [many["rate"] / one["rate"] for many, one in pairs]
            ),
            "of_ceiling": spread(
                [
                    many["rate"] / ceiling
                    for (many, _), ceiling in zip(pairs, ceilings, strict=True)
                ]
            ),
            "p99_of_p50": spread(
                [many["p99_ms"] / many["p50_ms"] for many, _ in pairs]
            ),
        }
    return found


def clients_table(result: dict[str, Any]) -> str:
    """Medians of the rounds, and the ratios with their spread."""
    head = ["clients", "call", "calls a second", "p50, ms", "p99, ms"]
    head += ["server CPU, ms a call", "client CPU, ms a call", "errors"]
    first = result["cases"][0]
    keys = sorted({(case["clients"], case["call"]) for case in first})
    rows = [_row(result["cases"], count, name) for count, name in keys]
    lines = [
        f"- {count} clients: {_shown(found['of_one_caller'], 'x')} one caller,"
        f" {_shown(found['of_ceiling'], 'x')} the empty call,"
        f" p99 {_shown(found['p99_of_p50'], 'x')} p50"
        for count, found in result["ratios"].items()
    ]
    what = (
        f"One query a call (k = {result['k']}, target recall"
        f" {result['target_recall']:g}; {result['rows']:,} x {result['dim']}),"
        f" clients in {result['processes']} processes:"
    )
    return "\n\n".join([what, markdown(head, rows), "\n".join(lines)])


def _row(rounds: list[list[dict[str, Any]]], count: int, name: str) -> list[str]:
    cases = [_case(one, name, count) for one in rounds]

    def middle(key: str) -> float:
        return spread([case[key] for case in cases])["median"]

    def cpu(side: str) -> float:
        milliseconds = [
            1e3 * case[f"{side}_cpu_seconds"] / max(case["calls"], 1) for case in cases
        ]
        return spread(milliseconds)["median"]

    errors = sum(sum(case["errors"].values()) for case in cases)
    shown = [f"{middle('rate'):,.0f}", f"{middle('p50_ms'):.2f}"]
    shown += [f"{middle('p99_ms'):.2f}", f"{cpu('server'):.3f}", f"{cpu('client'):.3f}"]
    return [str(count), name, *shown, str(errors)]


def _case(one_round: list[dict[str, Any]], name: str, count: int) -> dict[str, Any]:
    return next(
        case for case in one_round if (case["call"], case["clients"]) == (name, count)
    )


def _shown(ratio: dict[str, float], unit: str) -> str:
    low, high = ratio["low"], ratio["high"]
    return f"{ratio['median']:.2f}{unit} ({low:.2f}..{high:.2f})"
