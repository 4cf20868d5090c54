"""`python -m bench cluster --part fan-out`: the simulation beside 1 to 4 workers.

An index is cut into 1, 2, 3 and 4 shards, each in an actor with one thread; clients ask
batches in turn. The simulation is given what was measured of one thing at a time: the
CPU seconds of each shard's answers while nothing else ran, those of the coordinator to
rank the lists, to ask and to merge, and the delay of a question. It foretells how they
queue for each other and for the cores of this machine.
"""

import argparse
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.cluster.fan_out import FanOut, in_turn
from bench.cluster.steps import drawn
from bench.provenance import allowed_cores
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import ListNos, Vectors
from gleann.index.engines.contract import ScanRequest
from gleann.index.shards.cut import cut
from gleann.index.shards.manifest import ShardsManifest, read
from gleann.index.shards.merge import merge
from gleann.index.shards.open_shard import OpenShard
from gleann.index.shards.questions import ScanLists
from gleann.service.cluster.session import Cluster, joined

WORKERS = 1, 2, 3, 4
CLIENTS = 1, 4
ROWS, DIM, NLIST, NPROBE, K = 400_000, 96, 2048, 24, 10
QUICK_ROWS = 8000
BATCH = 200
TIMED = "prepare", "ask", "wall", "answers", "merge"
ALONE, ASKED = 40, 200
"""Batches that are measured on their own, and that clients ask."""


class AnsweringShard:
    """An actor that answers, and says how many CPU seconds it took."""

    def __init__(self, path: str, number: int) -> None:
        folder = Path(path)
        self._shard = OpenShard.load(folder, read(folder), number, threads=1)

    def cpu_seconds(self) -> float:
        """Of this process."""
        return process_time()

    def answer(self, question: ScanLists) -> tuple[Any, float]:
        """The answer and its seconds."""
        begun = process_time()
        found = question.answer(self._shard)
        return found, process_time() - begun


def run_fan_out(args: argparse.Namespace) -> dict[str, Any]:
    """Measure and simulate each number of workers."""
    n = QUICK_ROWS if args.quick else ROWS
    rows = []
    spread: list[float] = []
    with TemporaryDirectory(dir=args.folder) as folder:
        index = _index(n)
        with joined(workers=max(WORKERS)) as cluster:
            for workers in WORKERS:
                path = Path(folder) / str(workers)
                cut(index, path, shards=workers)
                with Asking(cluster, path, index) as asking:
                    found, alone = _measured(asking, workers, quick=args.quick)
                rows += found
                spread += (alone / np.median(alone)).tolist()
                say(f"{workers} workers: {found[-1]}")
    return {
        "data": {"n": n, "dim": DIM, "nlist": NLIST, "nprobe": NPROBE},
        "batch": BATCH,
        "cores": len(allowed_cores()),
        "rows": rows,
        "spread": [round(one, 4) for one in sorted(spread)],
    }


def _index(n: int) -> SoarIndex:
    params = BuildParams(nlist=min(NLIST, n // 16), spill="soar", tune_queries=0)
    return SoarIndex.build(drawn(n, DIM), params).with_engine("auto", threads=1)


class Asking:
    """The actors of an index in shards, and the coordinator's part of a search."""

    def __init__(self, cluster: Cluster, path: Path, index: SoarIndex) -> None:
        self._ray = cluster.ray
        self._manifest: ShardsManifest = read(path)
        self._ranker = index.engine
        actor = cluster.ray.remote(num_cpus=0)(AnsweringShard)
        shards = range(len(self._manifest.shards))
        self.actors = [actor.remote(str(path), number) for number in shards]

    def __enter__(self) -> "Asking":
        queries = drawn(BATCH, DIM, stream="queries")
        self.take(self.ask(queries, self.prepared(queries)))
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.actors:
            self._ray.kill(actor)

    def cpu_seconds(self) -> list[float]:
        """Of each actor since it started."""
        asked = [actor.cpu_seconds.remote() for actor in self.actors]
        found: list[float] = self._ray.get(asked)
        return found

    def prepared(self, queries: Vectors) -> ListNos:
        """The lists of each query."""
        found: ListNos = self._ranker.rank_lists(queries, nprobe=NPROBE)
        return found

    def ask(
        self, queries: Vectors, list_nos: ListNos, actors: Sequence[Any] | None = None
    ) -> list[Any]:
        """The questions to all shards, or to some actors."""
        question = self._ray.put(
            ScanLists(
                queries=queries,
                list_nos=list_nos,
                request=ScanRequest(k=K, rerank=50),
            )
        )
        return [
            actor.answer.remote(question)
            for actor in (self.actors if actors is None else actors)
        ]

    def take(self, asked: Sequence[Any]) -> list[tuple[Any, float]]:
        """The answers, when all are there."""
        found: list[tuple[Any, float]] = self._ray.get(list(asked))
        return found

    def merged(self, answers: Sequence[tuple[Any, float]]) -> None:
        """The answer of all."""
        parts = [part for part, _ in answers]
        merge(parts, offsets=self._manifest.offsets[:-1], k=K)


def _measured(
    asking: Asking, workers: int, *, quick: bool
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Each number of clients, measured and simulated; the seconds of answers alone."""
    one = _alone(asking, 4 if quick else ALONE)
    of = FanOut(
        shards=workers,
        machines=1,
        cores=float(len(allowed_cores())),
        answer=one["answers"],
        prepare=one["prepare"] + workers * one["ask"] / 2,
        merge=one["merge"] / workers + one["ask"] / 2,
        delay=one["delay"],
    )
    asked = 8 if quick else ASKED
    alone = {name: float(np.median(value)) for name, value in one.items()}
    rows = []
    for clients in CLIENTS:
        latencies, seconds = _asked(asking, clients, asked)
        simulated = in_turn(of, clients=clients, batches=20 * asked)
        rows.append(
            {
                "workers": workers,
                "clients": clients,
                "alone": alone,
                "measured": _summary(latencies, seconds),
                "simulated": _summary(simulated.latencies, simulated.seconds),
            }
        )
    return rows, one["answers"]


def _alone(asking: Asking, batches: int) -> dict[str, Any]:
    """Seconds of one thing at a time.

    Returns:
        `answers` (batches * shards,): of one core, of an actor for a question, all that
        it does. Medians: `prepare`, to rank the lists; `ask`, of one core, to send a
        question and take its answer; `merge`; `delay`, what is left of a question.
    """
    found: dict[str, list[float]] = {name: [] for name in TIMED}
    asked = list(_batches(batches))
    before = asking.cpu_seconds()
    for queries in asked:
        begun = perf_counter()
        list_nos = asking.prepared(queries)
        found["prepare"].append(perf_counter() - begun)
        parts = []
        for actor in asking.actors:
            begun, begun_cpu = perf_counter(), process_time()
            [answer] = asking.take(asking.ask(queries, list_nos, [actor]))
            found["ask"].append(process_time() - begun_cpu)
            found["wall"].append(perf_counter() - begun)
            found["answers"].append(answer[1])
            parts.append(answer)
        begun = perf_counter()
        asking.merged(parts)
        found["merge"].append(perf_counter() - begun)
    all_of_actors = sum(asking.cpu_seconds()) - sum(before)
    besides = all_of_actors / len(found["answers"]) - np.mean(found["answers"])
    answers = np.array(found["answers"]) + max(0.0, float(besides))
    median = {name: float(np.median(found[name])) for name in TIMED}
    delay = median["wall"] - median["ask"] - float(np.median(answers))
    return {
        "answers": answers,
        "prepare": median["prepare"],
        "ask": median["ask"],
        "merge": median["merge"],
        "delay": max(0.0, delay),
    }


def _asked(asking: Asking, clients: int, batches: int) -> tuple[np.ndarray, float]:
    """Clients that ask in turn: the seconds of each batch, and of all."""
    waiting: deque[tuple[float, list[Any]]] = deque()
    latencies = []
    asked_of = list(_batches(batches))
    begun = perf_counter()
    for queries in asked_of:
        if len(waiting) == clients:
            latencies.append(_next(asking, waiting))
        asked_at = perf_counter()
        waiting.append((asked_at, asking.ask(queries, asking.prepared(queries))))
    while waiting:
        latencies.append(_next(asking, waiting))
    return np.array(latencies), perf_counter() - begun


def _next(asking: Asking, waiting: deque[tuple[float, list[Any]]]) -> float:
    asked_at, asked = waiting.popleft()
    asking.merged(asking.take(asked))
    return perf_counter() - asked_at


def _batches(count: int) -> Iterator[Vectors]:
    """Other queries each time, as far as they last."""
    queries = drawn(16 * BATCH, DIM, stream="queries")
    for number in range(count):
        first = number % 16 * BATCH
        yield queries[first : first + BATCH]


def _summary(latencies: np.ndarray, seconds: float) -> dict[str, float]:
    return {
        "p50": float(np.quantile(latencies, 0.5)),
        "p99": float(np.quantile(latencies, 0.99)),
        "per_second": len(latencies) / seconds,
    }


SHOWN = "answers", "prepare", "ask", "merge", "delay"


def fan_out_table(result: dict[str, Any]) -> str:
    """Measured beside simulated."""
    data = result["data"]
    head = (
        f"{data['n']:,} x {data['dim']}, {data['nprobe']} of {data['nlist']:,} lists,"
        f" batches of {result['batch']} queries, {result['cores']} cores"
    )
    heads = ["workers", "clients", *(f"{name} alone, ms" for name in SHOWN)]
    for what in ("p50, ms", "p99, ms", "batches/s"):
        heads += [what, "simulated"]
    rows = []
    for one in result["rows"]:
        line = [str(one["workers"]), str(one["clients"])]
        line += [f"{1e3 * one['alone'][name]:.1f}" for name in SHOWN]
        for key, unit in (("p50", 1e3), ("p99", 1e3), ("per_second", 1.0)):
            line += [
                f"{unit * one[side][key]:.1f}" for side in ("measured", "simulated")
            ]
        rows.append(line)
    return f"{head}\n\n{markdown(heads, rows)}"
