"""`python -m bench knn-graph`: the neighbour graph of all rows, gleann and peers.

Each peer is tuned on a sample of rows with known neighbours, then builds and joins in a
fresh process, in turn with gleann, from the same float32 rows on the same threads.
"""

import argparse
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bench.comparison.process import OPEN_SECONDS, PeerFailedError, PeerProcess
from bench.comparison.tuning import BUILD_SECONDS
from bench.comparison.worker import GraphAsk
from bench.datasets import Dataset, describe, load_dataset
from bench.graphs import GRAPHS, OURS
from bench.graphs.result import Entry, Made, graph_table, times
from bench.option_types import natural, positive
from bench.peers.contract import Params, Setting, Shape
from bench.provenance import BUSY_LOAD, allowed_cores, load, provenance
from bench.quality import Judge
from bench.records import default_file, write_json
from bench.say import say
from gleann.index import exact_search
from gleann.index.arrays import Rows
from gleann.selection.neighbours import without_self

SAMPLE_ROWS = 1000


class GraphRun:
    """One comparison on one data set."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._provenance = provenance()
        self._dataset = load_dataset(arguments.data, quick=arguments.quick)
        self._own = draw_rows(self._dataset, seed=arguments.seed)
        self._judge = Judge(
            sampled(self._dataset, self._own, k=arguments.k), k=arguments.k
        )

    def run(self) -> dict[str, Any]:
        """Tune every peer, then time all in turn."""
        wanted = dict.fromkeys((OURS, *self._arguments.peers))
        entries = [self._tuned(name) for name in wanted]
        for number in range(self._arguments.rounds):
            for entry in entries:
                if entry.build is not None and not entry.failure:
                    self._add_round(entry, number)
        return self._result(entries)

    def _tuned(self, name: str) -> Entry:
        entry = Entry(name=name)
        with self._process(name) as process:
            usable, entry.version = process.ask("open", seconds=OPEN_SECONDS)
            if not usable:
                entry.failure = f"skipped: {entry.version}"
                say(f"{name}: {entry.failure}")
                return entry
            try:
                self._tune(entry, process)
            except PeerFailedError as error:
                entry.failure = f"failed: {error}"
                say(f"{name}: {entry.failure}")
        return entry

    def _tune(self, entry: Entry, process: PeerProcess) -> None:
        """Take the setting that reaches the level in the least estimated time."""
        process.ask("load", seconds=OPEN_SECONDS)
        module = import_module(GRAPHS[entry.name].module)
        sweep = module.sweep(self._shape())
        first = sweep.settings[0]
        warm = self._ask(first.build, {sweep.effort: first.efforts[0]}, whole=True)
        process.ask("warm", warm, seconds=BUILD_SECONDS)
        best = np.inf
        for setting in sweep.settings:
            build = self._build(process, setting.build, best)
            if build is None:
                break  # dearer settings follow
            ask = self._ask(setting.build, {}, whole=not module.SEARCHES)
            found = self._least_effort(process, ask, setting, sweep.effort)
            found["seconds"] += build
            process.ask("keep", [], seconds=OPEN_SECONDS)
            entry.tried.append({"build": setting.build, **found})
            say(f"{entry.name}: {entry.tried[-1]}")
            if found["recall"] >= self._arguments.level and found["seconds"] < best:
                best = found["seconds"]
                entry.build, entry.search = setting.build, found["search"]
        if entry.build is None:
            entry.failure = f"no setting reached recall {self._arguments.level}"

    def _build(self, process: PeerProcess, params: Params, best: float) -> float | None:
        """Seconds of a build; None where it alone took longer than the best graph."""
        seconds, _ = process.ask("build", params, seconds=BUILD_SECONDS)
        return None if seconds >= best else seconds

    def _least_effort(
        self, process: PeerProcess, ask: GraphAsk, setting: Setting, effort: str
    ) -> dict[str, Any]:
        """The first effort that reaches the level, and seconds for all rows."""
        share = 1.0 if ask.whole else len(self._dataset.base) / len(self._own)
        found: dict[str, Any] = {}
        for value in setting.efforts:
            search = {effort: value}
            asked = replace(ask, search=search)
            timed = process.ask("neighbours", asked, seconds=BUILD_SECONDS)
            recall = self._judge.recall(timed.rows)
            seconds = timed.seconds * share
            found = {"search": search, "recall": recall, "seconds": seconds}
            if recall >= self._arguments.level:
                break
        return found

    def _add_round(self, entry: Entry, number: int) -> None:
        assert entry.build is not None
        assert entry.search is not None
        try:
            with self._process(entry.name) as process:
                process.ask("open", seconds=OPEN_SECONDS)
                process.ask("load", seconds=OPEN_SECONDS)
                ask = self._ask(entry.build, entry.search, whole=True)
                process.ask("warm", ask, seconds=BUILD_SECONDS)
                build, used = process.ask("build", entry.build, seconds=BUILD_SECONDS)
                timed = process.ask("neighbours", ask, seconds=BUILD_SECONDS)
        except PeerFailedError as error:
            entry.failure = f"failed: {error}"
            say(f"{entry.name}: {entry.failure}")
            return
        made = Made(
            build=build,
            graph=timed.seconds,
            cores=(used, timed.cores),
            recall=self._judge.recall(timed.rows),
        )
        entry.rounds.append(made)
        say(
            f"round {number + 1}: {entry.name} build {made.build:.2f} s, graph"
            f" {made.graph:.2f} s, recall {made.recall:.4f}"
        )

    def _ask(self, build: Params, search: Params, *, whole: bool) -> GraphAsk:
        return GraphAsk(
            build=build, search=search, k=self._arguments.k, own=self._own, whole=whole
        )

    def _process(self, name: str) -> PeerProcess:
        return PeerProcess(
            GRAPHS[name],
            data=self._arguments.data,
            quick=self._arguments.quick,
            threads=self._arguments.threads,
        )

    def _shape(self) -> Shape:
        n, dim = self._dataset.base.shape
        return Shape(
            n=n,
            dim=dim,
            metric=self._dataset.metric,
            k=self._arguments.k,
            mode="knn-graph",
            seed=self._arguments.seed,
        )

    def _result(self, entries: list[Entry]) -> dict[str, Any]:
        names = ("k", "level", "threads", "rounds", "seed", "quick")
        return (
            {"mode": "knn-graph"}
            | {name: getattr(self._arguments, name) for name in names}
            | {
                "data": describe(self._dataset),
                "sample": len(self._own),
                "peers": [
                    asdict(entry)
                    | {
                        "times_build_and_graph": times(entries[0], entry, "total"),
                        "times_graph_alone": times(entries[0], entry, "graph"),
                        "times_cpu": times(entries[0], entry, "cpu"),
                    }
                    for entry in entries
                ],
            }
            | self._provenance
            | {"load_at_end": load()}
        )


def draw_rows(dataset: Dataset, *, seed: int) -> Rows:
    """The sampled rows, ascending."""
    n = len(dataset.base)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n, min(SAMPLE_ROWS, n), replace=False))


def sampled(dataset: Dataset, own: Rows, *, k: int) -> Dataset:
    """The data with rows `own` as queries, and their true neighbours but themselves."""
    queries = dataset.base[own]
    rows, _ = exact_search(queries, dataset.base, metric=dataset.metric, k=k + 1)
    return Dataset(
        name=dataset.name,
        metric=dataset.metric,
        base=dataset.base,
        queries=queries,
        truth=without_self(rows, own, k=k),
        file=dataset.file,
    )


def add_knn_graph(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--data", type=Path, required=True, help="folder or HDF5 file")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=GRAPHS,
        metavar="PEER",
        default=list(GRAPHS),
        help=f"of {', '.join(GRAPHS)} (default: all)",
    )
    parser.add_argument("--k", type=positive, default=10)
    parser.add_argument("--level", type=float, default=0.95, help="recall to reach")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--threads", type=positive, default=len(allowed_cores()))
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--out",
        type=Path,
        help="default: bench/results/knn-graph-<data>-t<threads>.json",
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_knn_graph)


def run_knn_graph(arguments: argparse.Namespace) -> int:
    """Run the comparison, write its result and print its table."""
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): timings will be noise")
    result = GraphRun(arguments).run()
    name = f"knn-graph-{arguments.data.resolve().stem}-t{arguments.threads}"
    out = arguments.out or default_file(name, quick=arguments.quick)
    write_json(result, out)
    print(graph_table(result))
    say(f"result: {out}")
    return 0
