"""`python -m bench memory`: bytes a row and speed of each layout of one index.

One index is built, saved in each layout and loaded. Layouts search in turn, round after
round, with the cheapest settings that reach a recall on held-out queries; what counts
are the ratios to the usual layout within a round. `none` is built without second
entries, and `half` codes rows projected to half of their dimensions, so they have
settings of their own.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from bench.option_types import natural, positive
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search
from gleann.index.arrays import Ids, Rows, Vectors

K = 10
LAYOUTS: dict[str, dict[str, Any]] = {
    "f32": {},
    "f16": {"keep": "f16"},
    "bf16": {"keep": "bf16"},
    "disk": {"keep": "disk"},
    "f32, shared": {"entry_codes": "shared"},
    "f16, shared": {"keep": "f16", "entry_codes": "shared"},
    "disk, shared": {"keep": "disk", "entry_codes": "shared"},
}
HALF: dict[str, dict[str, Any]] = {
    "half, f32": {},
    "half, disk, shared": {"keep": "disk", "entry_codes": "shared"},
}
"""Layouts of rows that are projected."""

USUAL = "f32"
SINGLES = 200
"""Queries that are asked one at a time in a round."""


def add_memory(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--data", type=Path, required=True, help="folder")
    parser.add_argument("--queries", type=positive, default=2000)
    parser.add_argument("--recall", type=float, nargs="+", default=[0.95, 0.99])
    parser.add_argument("--rounds", type=positive, default=7)
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, help="default: memory-<data>.json")
    parser.set_defaults(run=run_memory)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One of the layouts, loaded, and its settings by recall."""

    name: str
    index: SoarIndex
    settings: dict[float, SearchParams]


def run_memory(args: argparse.Namespace) -> int:
    """Measure one data folder; print the table and write it as JSON."""
    begun = provenance()
    metric = json.loads((args.data / "meta.json").read_text())["metric"]
    base = np.ascontiguousarray(np.load(args.data / "base.npy"), np.float32)
    queries = np.load(args.data / "queries.npy")[: args.queries].astype(np.float32)
    truth, _ = exact_search(queries, base, metric=metric, k=K)
    params = BuildParams(metric=metric, seed=args.seed)
    with tempfile.TemporaryDirectory() as folder:
        layouts = make_layouts(base, queries, truth, params, Path(folder), args)
        del base
        rows = measure(layouts, queries, truth, args)
    name = args.data.resolve().name
    head = {"mode": "memory", "data": name, "metric": metric, "seed": args.seed}
    head |= {"k": K, "queries": len(queries), "threads": args.threads}
    result = {**begun, **head, "rounds": args.rounds, "rows": rows}
    out = args.out or default_file(f"memory-{name}")
    write_json(result, out)
    say(memory_table(result))
    return 0


def memory_table(result: dict[str, Any]) -> str:
    """A line for each recall and layout."""
    columns = ["layout", "recall", "found", "bytes_a_row", "of_d", *Times._fields]
    lines = [[str(row[column]) for column in columns] for row in result["rows"]]
    shown = ["layout", "recall asked", "recall", "bytes a row", "of d"]
    shown += ["batch x", "batch, CPU x", "single x", "single, CPU x"]
    return markdown(shown, lines)


def make_layouts(
    base: Vectors,
    queries: Vectors,
    truth: Rows,
    params: BuildParams,
    folder: Path,
    args: argparse.Namespace,
) -> list[Layout]:
    """Build, save and load every layout."""
    soar = replace(params, spill="soar")
    none = replace(params, spill="none", keep="disk")
    half = {"projection": -(-base.shape[1] // 2)}
    builds: list[tuple[BuildParams, dict[str, dict[str, Any]]]] = [
        (soar, LAYOUTS),
        (none, {"disk, none": {}}),
        (replace(soar, **half), HALF),
        (replace(none, **half), {"half, disk, none": {}}),
    ]
    layouts = []
    for number, (chosen, saved) in enumerate(builds):
        built = SoarIndex.build(base, chosen)
        for name, layout in saved.items():
            built.save(folder / f"{number}-{name}", **layout)
        del built
        loaded = {
            name: SoarIndex.load(folder / f"{number}-{name}", threads=args.threads)
            for name in saved
        }
        first = next(iter(loaded.values()))
        settings = {r: cheapest(first, queries, truth, r) for r in args.recall}
        layouts += [Layout(name, index, settings) for name, index in loaded.items()]
    return layouts


def cheapest(
    index: SoarIndex, queries: Vectors, truth: Rows, recall: float
) -> SearchParams:
    """The cheapest measured setting that reaches a recall on these queries."""
    points = [point for point in index.operating_points if point.k == K]
    for point in sorted(points, key=lambda one: (one.entries, one.rerank)):
        if point.recall < recall - 0.01:
            continue
        params = SearchParams(k=K, nprobe=point.nprobe, rerank=point.rerank)
        if found_of(index.search(queries, params).ids, truth) >= recall:
            return params
    raise SystemExit(f"no setting reaches {recall}")


def found_of(ids: Ids, truth: Rows) -> float:
    """Recall by ids, since distances may be of rounded rows."""
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(ids, truth, strict=True))
    return hits / truth.size


def measure(
    layouts: list[Layout], queries: Vectors, truth: Rows, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """A row for each recall and layout."""
    rows = []
    for recall in args.recall:
        taken: dict[str, list[Times]] = {layout.name: [] for layout in layouts}
        for number in range(args.rounds + 1):
            for layout in layouts:
                times = timed(layout, queries, recall, number)
                if number:  # the first round warms up
                    taken[layout.name].append(times)
        for layout in layouts:
            found = layout.index.search(queries, layout.settings[recall])
            rows.append(
                {
                    **described(layout),
                    "recall": recall,
                    "found": round(found_of(found.ids, truth), 4),
                    **compared(taken[USUAL], taken[layout.name], len(queries)),
                }
            )
    return rows


class Times(NamedTuple):
    """Seconds of a batch and of `SINGLES` queries one by one, and their CPU time."""

    batch: float
    batch_cpu: float
    single: float
    single_cpu: float


def timed(layout: Layout, queries: Vectors, recall: float, number: int) -> Times:
    """A round of one layout."""
    params, index = layout.settings[recall], layout.index
    begun = time.perf_counter(), time.process_time()
    index.search(queries, params)
    half = time.perf_counter(), time.process_time()
    first = number * SINGLES % max(1, len(queries) - SINGLES)
    for query in queries[first : first + SINGLES]:
        index.search(query, params)
    end = time.perf_counter(), time.process_time()
    return Times(
        half[0] - begun[0], half[1] - begun[1], end[0] - half[0], end[1] - half[1]
    )


def compared(usual: list[Times], other: list[Times], count: int) -> dict[str, Any]:
    """Speed, and how many times that of the usual layout; CPU time is less noisy."""
    qps = count / median(times.batch for times in other)
    single = 1e6 * median(times.single for times in other) / SINGLES
    ratios = {
        name: spread(
            [getattr(times, name) for times in usual],
            [getattr(times, name) for times in other],
        )
        for name in Times._fields
    }
    return {"batch_qps": round(qps), "single_us": round(single, 1), **ratios}


def spread(usual: list[float], other: list[float]) -> str:
    """How many times the usual speed: the median of the ratios, least and greatest."""
    ratios = [a / b for a, b in zip(usual, other, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"


def described(layout: Layout) -> dict[str, Any]:
    """The bytes of a layout by part."""
    use = layout.index.memory()
    parts = {name: round(size, 1) for name, size in use.bytes_a_row().items() if size}
    total = use.searched / use.rows
    return {
        "layout": layout.name,
        "bytes_a_row": round(total, 1),
        "of_d": round(total / layout.index.dim, 2),
        "parts": parts,
        "cached_a_row": round(use.total.cached / use.rows, 1),
        "settings": {
            str(recall): [params.nprobe, params.rerank]
            for recall, params in layout.settings.items()
        },
    }
