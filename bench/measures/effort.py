"""`python -m bench effort`: searches by effort beside one number of lists for all.

At each target, held-out queries are searched by the effort of each, as the build
planned it, and with the least number of lists for all that finds as much: entries are
interpolated between the two numbers around that recall, and times are taken in turn,
for calls of one query and of many.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.datasets import Dataset, describe, load_dataset
from bench.option_types import natural, positive
from bench.provenance import load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search
from gleann.index.arrays import Distances
from gleann.index.evaluate import cut_at_k
from gleann.index.found import FoundRows, SearchStats

QUERIES = 10_000
"""Held-out queries at most."""

TIMED = 2000
"""Of them in a round of times."""

TARGETS = (0.95, 0.99)
BATCHES = (1, 4, 64)
POOR = 0.8
"""A query with less recall than this is poorly answered."""

STEP = 1.04
SLACK = 0.0002
"""Recall that a number of lists may lack to count as finding as much."""


def add_effort(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--k", type=positive, default=10)
    parser.add_argument("--rounds", type=positive, default=15)
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--batch", type=positive, nargs="+", default=BATCHES)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--out", type=Path, help="default: bench/results/effort-<data>.json"
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_effort)


def run_effort(arguments: argparse.Namespace) -> int:
    """Build an index and compare at each target; print a table and record it."""
    begun = provenance()
    dataset = load_dataset(arguments.data, quick=arguments.quick)
    params = BuildParams(metric=dataset.metric, seed=arguments.seed)
    index = SoarIndex.build(dataset.base, params, threads=arguments.threads)
    say(f"{dataset.name}: {len(index.header.efforts)} settings of the effort")
    bench = Bench(dataset, index, arguments.k)
    result: dict[str, Any] = {
        "mode": "effort",
        "data": describe(dataset),
        "queries": len(bench.queries),
        "settings": len(index.header.efforts),
        "targets": [
            bench.compare(target, arguments.batch, rounds=arguments.rounds)
            for target in TARGETS
        ],
    }
    settings = ("k", "rounds", "threads", "seed", "quick")
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
        dataset: with held-out queries.
        index: built from it.
        k: neighbours.
    """

    def __init__(self, dataset: Dataset, index: SoarIndex, k: int) -> None:
        self.queries = dataset.queries[:QUERIES]
        self._index = index
        self._k = k
        _, exact = exact_search(self.queries, dataset.base, metric=dataset.metric, k=k)
        self._cut = cut_at_k(exact)

    def compare(
        self, target: float, batches: list[int], *, rounds: int
    ) -> dict[str, Any]:
        """What a search for this recall finds, reads and takes, both ways."""
        even = SearchParams(k=self._k, target_recall=target)
        ours = SearchParams(k=self._k, target_recall=target, effort="by_query")
        recalls, stats = self._found(ours)
        found = float(recalls.mean())
        plain = self._least(stats.rerank, found, first=stats.nprobe * 3 // 4)
        other = SearchParams(k=self._k, nprobe=plain["nprobe"], rerank=stats.rerank)
        entries = stats.entries_scanned / len(self.queries)
        return {
            "target": target,
            "lists": stats.nprobe,
            "rerank": stats.rerank,
            "recall": found,
            "recall_low": stats.recall_low,
            "entries": entries,
            "poor": _poor(recalls),
            "even": self._summary(even),
            "plain": plain,
            "fewer_entries": plain["entries_at_recall"] / entries,
            "times": [self._timed(ours, other, batch, rounds) for batch in batches],
        }

    def _summary(self, params: SearchParams) -> dict[str, Any]:
        recalls, stats = self._found(params)
        return {
            "nprobe": stats.nprobe,
            "rerank": stats.rerank,
            "recall": float(recalls.mean()),
            "entries": stats.entries_scanned / len(self.queries),
            "poor": _poor(recalls),
        }

    def _least(self, rerank: int, recall: float, *, first: int) -> dict[str, Any]:
        def found(nprobe: int) -> dict[str, Any]:
            return self._summary(SearchParams(k=self._k, nprobe=nprobe, rerank=rerank))

        return least_lists(found, recall, first=first, nlist=self._index.nlist)

    def _timed(
        self, ours: SearchParams, other: SearchParams, batch: int, rounds: int
    ) -> dict[str, Any]:
        """Seconds of both in turn with calls of `batch` queries, and their ratios."""
        times = paired(
            lambda: self._run(ours, batch),
            lambda: self._run(other, batch),
            rounds=rounds,
        )
        ratios = times[:, 1] / times[:, 0]
        return {
            "batch": batch,
            "seconds": times.tolist(),
            "faster": float(np.median(times[:, 1]) / np.median(times[:, 0])),
            "faster_low": float(np.quantile(ratios, 0.1)),
            "faster_high": float(np.quantile(ratios, 0.9)),
        }

    def _found(self, params: SearchParams) -> tuple[Distances, SearchStats]:
        """Recall of each query, and the statistics."""
        found: FoundRows = self._index.find_rows(self.queries, params)
        return (found.distances <= self._cut).mean(axis=1), found.stats

    def _run(self, params: SearchParams, batch: int) -> None:
        timed = self.queries[:TIMED]
        for at in range(0, len(timed), batch):
            self._index.find_rows(timed[at : at + batch], params)


def least_lists(
    found: Callable[[int], dict[str, Any]], recall: float, *, first: int, nlist: int
) -> dict[str, Any]:
    """The least number of lists that finds as much.

    Args:
        found: "recall" and "entries" of a number of lists.
        recall: to be found, less `SLACK`.
        first: number to begin at.
        nlist: lists that there are.
    """
    nprobe, least = max(1, first), recall - SLACK
    while nprobe > 1 and found(nprobe)["recall"] >= least:
        nprobe //= 2
    before, read = 0.0, 0.0
    while True:
        plain = found(nprobe)
        reached, entries = plain["recall"], plain["entries"]
        if reached >= least or nprobe == nlist:
            share = (recall - before) / max(reached - before, 1e-9)
            between = read + min(share, 1) * (entries - read)
            return plain | {"entries_at_recall": between}
        before, read = reached, entries
        nprobe = min(max(nprobe + 1, round(nprobe * STEP)), nlist)


def _poor(recalls: Distances) -> float:
    return float((recalls < POOR).mean())


def paired(
    ours: Callable[[], object], other: Callable[[], object], *, rounds: int
) -> np.ndarray:
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
    """One line a target."""
    batches = [timed["batch"] for timed in result["targets"][0]["times"]]
    header = [
        "data",
        "asked",
        "found",
        "lists: by effort, all",
        "entries: by effort, all",
        "fewer entries",
        *(f"faster, {batch} a call" for batch in batches),
        f"queries below {POOR}: by effort, all",
    ]
    rows = [
        [
            result["data"]["name"],
            f"{one['target']}",
            f"{one['recall']:.4f}",
            f"{one['lists']}, {one['plain']['nprobe']}",
            f"{one['entries']:,.0f}, {one['plain']['entries_at_recall']:,.0f}",
            f"{one['fewer_entries']:.2f}",
            *(
                f"{timed['faster']:.2f} ({timed['faster_low']:.2f} to"
                f" {timed['faster_high']:.2f})"
                for timed in one["times"]
            ),
            f"{one['poor']:.2%}, {one['plain']['poor']:.2%}",
        ]
        for one in result["targets"]
    ]
    return markdown(header, rows)
