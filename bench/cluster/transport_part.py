"""`python -m bench cluster --part transport`: what a cluster adds to scanning.

Shards that actors hold are asked twice: by searches, and by questions of the same size
that are answered with as many neighbours without a look at any list. The second is
what messages and the merge take.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.cluster.steps import drawn
from bench.provenance import allowed_cores
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.engines.contract import ScanRequest, Work
from gleann.index.parallel.blocks import block_slices
from gleann.index.shards.asking import numbers_of
from gleann.index.shards.cut import cut
from gleann.index.shards.manifest import read
from gleann.index.shards.merge import Part, merge
from gleann.index.shards.open_shard import OpenShard
from gleann.index.shards.questions import ScanLists
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cluster.search.cluster_shards import ClusterShards, Waiting
from gleann.service.cluster.search.opened import OPENING_SECONDS, held
from gleann.service.cluster.search.replicas import Holding, Replicas
from gleann.service.cluster.session import Cluster, joined

SHARDS, SHARD_ROWS, QUICK_ROWS, DIM = 5, 500_000, 2000, 96
QUERIES, K, TUNED = 1000, 10, 1000
RECALLS = 0.9, 0.95, 0.99
ROUNDS = 7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unscanned:
    """A question as large as that of a search, answered from nothing.

    Attributes:
        asked: the question of the search.
    """

    asked: ScanLists

    def answer(self, shard: OpenShard) -> Part:
        """As many neighbours as were asked for: the first rows."""
        shape = len(self.asked.queries), self.asked.request.k
        rows = np.broadcast_to(np.arange(shape[1]), shape).copy()
        distances = np.sort(np.random.default_rng(0).random(shape, np.float32), axis=1)
        work = Work(0, 0, 0, 0)
        return shard.part_of(rows, distances, work=work, engine="none")


def run_transport(args: argparse.Namespace) -> dict[str, Any]:
    """Search shards in actors and in this process, and ask without a scan."""
    n = SHARDS * (QUICK_ROWS if args.quick else SHARD_ROWS)
    rounds = 2 if args.quick else ROUNDS
    queries = drawn(QUERIES, DIM, stream="queries")
    with TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "shards"
        say(f"building {n:,} rows")
        params = BuildParams(tune_queries=TUNED)
        cut(SoarIndex.build(drawn(n, DIM), params), path, shards=SHARDS)
        scans = _scans(path, queries, rounds)
        with joined() as cluster:
            found = _of_cluster(cluster, path, queries, rounds)
    return {
        "data": {"n": n, "dim": DIM, "shards": SHARDS, "queries": QUERIES, "k": K},
        "cores": len(allowed_cores()),
        "recalls": [
            {"recall": recall, **scan, **there}
            for recall, scan, there in zip(RECALLS, scans, found, strict=True)
        ],
    }


def _scans(path: Path, queries: np.ndarray, rounds: int) -> list[dict[str, float]]:
    """Seconds of one core of all shards, and of this process by itself."""
    index = ShardedIndex.load(path, threads=1)
    return [_scan(index, queries, recall, rounds) for recall in RECALLS]


def _scan(
    index: ShardedIndex, queries: np.ndarray, recall: float, rounds: int
) -> dict[str, float]:
    params = SearchParams(k=K, target_recall=recall)
    stats = index.search(queries, params).stats
    cpu = []
    for _ in range(rounds):
        begun = process_time()
        index.search(queries, params)
        cpu.append(process_time() - begun)
    return {
        "one_core": float(np.median(cpu)),
        "entries": stats.entries_scanned / len(queries),
        "nprobe": stats.nprobe,
        "rerank": stats.rerank,
    }


def _of_cluster(
    cluster: Cluster, path: Path, queries: np.ndarray, rounds: int
) -> list[dict[str, float]]:
    """Seconds of searches in actors, and of questions and answers without a scan."""
    found, probes = [], []
    with held(cluster, path, holding=Holding(threads=1)) as index:
        for recall in RECALLS:
            params = SearchParams(k=K, target_recall=recall)
            seconds = _seconds(partial(index.search, queries, params), rounds)
            found.append({"cluster": seconds})
            probes.append(index.search(queries, params).stats.nprobe)
    asked = _Unscanned(cluster, path, queries)
    try:
        for one, nprobe in zip(found, probes, strict=True):
            one["besides"] = _seconds(partial(asked.ask, nprobe), rounds)
    finally:
        asked.close()
    return found


class _Unscanned:
    """Asks the shards of a cluster `Unscanned` questions, and merges the answers."""

    def __init__(self, cluster: Cluster, path: Path, queries: np.ndarray) -> None:
        self._manifest = read(path)
        self._queries = queries
        self._replicas = Replicas(cluster, path, self._manifest, Holding(threads=1))
        self._replicas.wait(OPENING_SECONDS)
        self._shards = ClusterShards(cluster.ray, self._replicas, Waiting())

    def ask(self, nprobe: int) -> None:
        """All queries with so many lists each, in the blocks of a search."""
        blocks = block_slices(len(self._queries), self._shards.block)
        offsets = self._manifest.offsets[:-1]
        questions = (self._question(block, nprobe) for block in blocks)
        for answers in self._shards.ask_each(questions):
            merge([answers[shard] for shard in sorted(answers)], offsets=offsets, k=K)

    def _question(self, block: slice, nprobe: int) -> dict[int, Unscanned]:
        queries = self._queries[block]
        lists = np.zeros((len(queries), nprobe), np.int32)
        request = ScanRequest(k=K, rerank=50)
        asked = ScanLists(queries=queries, list_nos=lists, request=request)
        return {number: Unscanned(asked=asked) for number in numbers_of(self._manifest)}

    def close(self) -> None:
        """End the actors."""
        self._replicas.close()


def _seconds(work: Callable[[], object], rounds: int) -> float:
    work()
    found = []
    for _ in range(rounds):
        begun = perf_counter()
        work()
        found.append(perf_counter() - begun)
    return float(np.median(found))


def transport_table(result: dict[str, Any]) -> str:
    """Seconds of the scan, of the cluster, and of messages and merge, by recall."""
    data = result["data"]
    cores = min(result["cores"], data["shards"])
    head = (
        f"{data['queries']:,} queries of {data['shards']} shards of"
        f" {data['n'] // data['shards']:,} x {data['dim']}, k = {data['k']};"
        " the scan is that of this process"
    )
    names = ["recall", "lists", "entries a query", "scan, one core, ms"]
    names += [f"on {cores} cores, ms", "search of the cluster, ms"]
    names += ["messages and merge alone, ms", "of the scan"]
    rows = [_row(one, cores) for one in result["recalls"]]
    return f"{head}\n\n{markdown(names, rows)}"


def _row(one: dict[str, float], cores: int) -> list[str]:
    scan = one["one_core"] / cores
    seconds = (one["one_core"], scan, one["cluster"], one["besides"])
    return [
        f"{one['recall']}",
        f"{one['nprobe']}",
        f"{one['entries']:,.0f}",
        *(f"{1e3 * each:.1f}" for each in seconds),
        f"{one['besides'] / scan:.0%}",
    ]
