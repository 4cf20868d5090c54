"""`python -m bench effort`: lists a query by its effort beside one number for all.

The settings of the effort are those that the build fitted to its own sample; what they
find and read is measured on held-out queries. At each level the cheapest of them that
reaches it is compared with the number of lists for all that finds as much: entries from
the two numbers around that recall, times of the least number that finds as much, in
turn with the effort.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.datasets import Dataset, describe, load_dataset
from bench.provenance import load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Distances
from gleann.index.effort import POOR, EffortPoint
from gleann.index.engines.contract import Scanned, ScanRequest
from gleann.index.engines.native import NativeEngine
from gleann.index.evaluate import cut_at_k
from gleann.index.metric import pair_distances

LEVELS = (0.95, 0.99)
STEP = 1.08
SLACK = 0.0002
"""Recall that a number of lists may lack to count as finding as much."""

Search = Callable[[], Scanned]


def add_effort(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, help="queries a call; default: all")
    parser.add_argument("--tune-queries", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, help="default: bench/results/effort-<data>.json"
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_effort)


def run_effort(arguments: argparse.Namespace) -> int:
    """Build an index and compare at each level; print a table and record it."""
    begun = provenance()
    dataset = load_dataset(arguments.data, quick=arguments.quick)
    assert dataset.truth is not None
    params = BuildParams(
        metric=dataset.metric,
        tune_queries=arguments.tune_queries,
        seed=arguments.seed,
    )
    index = SoarIndex.build(dataset.base, params, threads=arguments.threads)
    say(f"{dataset.name}: {len(index.efforts)} settings of the effort")
    bench = Bench(dataset, index, arguments.k, arguments.threads, arguments.batch)
    result: dict[str, Any] = {
        "mode": "effort",
        "data": describe(dataset),
        "queries": len(bench.queries),
        "settings": len(index.efforts),
        "levels": bench.levels(arguments.rounds),
    }
    settings = ("k", "rounds", "threads", "batch", "tune_queries", "seed", "quick")
    result |= {name: getattr(arguments, name) for name in settings} | begun
    name = f"effort-{arguments.data.resolve().stem}"
    out = arguments.out or default_file(name, quick=arguments.quick)
    write_json(result | {"load_at_end": load()}, out)
    print(effort_table(result))
    say(f"result: {out}")
    return 0


class Bench:
    """Searches of held-out queries by effort and by one number of lists.

    Args:
        dataset: with a ground truth.
        index: built from it.
        k: neighbours.
        threads: of the engine.
        batch: queries a call; None for all at once.
    """

    def __init__(
        self,
        dataset: Dataset,
        index: SoarIndex,
        k: int,
        threads: int,
        batch: int | None,
    ) -> None:
        assert dataset.truth is not None
        self.queries = dataset.queries[: len(dataset.truth)]
        self._batch = batch or len(self.queries)
        self._k = k
        near = dataset.base[dataset.truth[:, :k]]
        self._cut = cut_at_k(
            np.sort(pair_distances(self.queries, near, dataset.metric), axis=1)
        )
        self._engine = NativeEngine(index.data, threads=threads)
        self._efforts = [point for point in index.efforts if point.k == k]

    def levels(self, rounds: int) -> list[dict[str, Any]]:
        """Compare at each level that the settings of the effort reach."""
        measured = [(point, *self._found(self._by(point))) for point in self._efforts]
        compared = []
        for level in LEVELS:
            reaching = [m for m in measured if m[1].mean() >= level]
            if reaching:
                best = min(reaching, key=lambda m: m[2])
                compared.append(self._compare(level, *best, rounds=rounds))
        return compared

    def _compare(
        self,
        level: float,
        point: EffortPoint,
        recalls: Distances,
        entries: float,
        *,
        rounds: int,
    ) -> dict[str, Any]:
        plain = self._plain(point.rerank, float(recalls.mean()))
        other = self._with(plain["nprobe"], point.rerank)
        times = paired(self._by(point), other, rounds=rounds)
        ratios = times[:, 1] / times[:, 0]
        return {
            "level": level,
            "first": point.first,
            "most": point.most,
            "lists": point.lists,
            "rerank": point.rerank,
            "recall": float(recalls.mean()),
            "promised": point.recall,
            "entries": entries,
            "poor": float((recalls < POOR).mean()),
            "plain": plain,
            "fewer_entries": plain["entries_at_recall"] / entries,
            "seconds": times.tolist(),
            "faster": float(np.median(times[:, 1]) / np.median(times[:, 0])),
            "faster_low": float(np.quantile(ratios, 0.1)),
            "faster_high": float(np.quantile(ratios, 0.9)),
        }

    def _plain(self, rerank: int, recall: float) -> dict[str, Any]:
        """The least number of lists that finds as much, and what it reads."""
        before, read, nprobe = 0.0, 0.0, 1
        while True:
            recalls, entries = self._found(self._with(nprobe, rerank))
            reached = float(recalls.mean())
            if reached >= recall - SLACK:
                share = (recall - before) / max(reached - before, 1e-9)
                return {
                    "nprobe": nprobe,
                    "recall": reached,
                    "entries": entries,
                    "entries_at_recall": read + min(share, 1) * (entries - read),
                    "poor": float((recalls < POOR).mean()),
                }
            before, read = reached, entries
            nprobe = max(nprobe + 1, round(nprobe * STEP))

    def _found(self, search: Search) -> tuple[Distances, float]:
        """Recall of each query, and entries a query."""
        found = search()
        recalls = (found.distances <= self._cut).mean(axis=1)
        return recalls, found.work.entries_scanned / len(self.queries)

    def _by(self, point: EffortPoint) -> Search:
        grants = point.grants(self._k)
        request = ScanRequest(k=self._k, rerank=point.rerank)
        return lambda: self._all(
            lambda some: self._engine.search_by_effort(some, grants, request)
        )

    def _with(self, nprobe: int, rerank: int) -> Search:
        request = ScanRequest(k=self._k, rerank=rerank)
        return lambda: self._all(
            lambda some: self._engine.search(some, nprobe=nprobe, request=request)
        )

    def _all(self, search: Callable[[Distances], Scanned]) -> Scanned:
        """All queries, in batches."""
        if self._batch >= len(self.queries):
            return search(self.queries)
        starts = range(0, len(self.queries), self._batch)
        parts = [search(self.queries[at : at + self._batch]) for at in starts]
        work = np.sum([part.work for part in parts], axis=0).tolist()
        return Scanned(
            rows=np.concatenate([part.rows for part in parts]),
            distances=np.concatenate([part.distances for part in parts]),
            short=sum(part.short for part in parts),
            work=type(parts[0].work)(*work),
        )


def paired(ours: Search, other: Search, *, rounds: int) -> np.ndarray:
    """Seconds (rounds, 2) of both in turn, the first of a round in turn too."""
    times = np.empty((rounds, 2))
    for number in range(-1, rounds):
        order = (0, 1) if number % 2 else (1, 0)
        for side in order:
            begun = perf_counter()
            (ours, other)[side]()
            times[number, side] = perf_counter() - begun
    return times


def effort_table(result: dict[str, Any]) -> str:
    """One line a level."""
    header = [
        "data",
        "recall@k",
        "lists: effort (first, mean, most), all",
        "entries: effort, all",
        "fewer entries",
        "faster",
        f"queries below {POOR}: effort, all",
    ]
    rows = [
        [
            result["data"]["name"],
            f"{level['recall']:.4f}",
            f"{level['first']}, {level['lists']:.0f}, {level['most']};"
            f" {level['plain']['nprobe']}",
            f"{level['entries']:,.0f}, {level['plain']['entries_at_recall']:,.0f}",
            f"{level['fewer_entries']:.2f}",
            f"{level['faster']:.2f} ({level['faster_low']:.2f} to"
            f" {level['faster_high']:.2f})",
            f"{level['poor']:.2%}, {level['plain']['poor']:.2%}",
        ]
        for level in result["levels"]
    ]
    return markdown(header, rows)
