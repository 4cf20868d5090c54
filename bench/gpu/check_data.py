"""`python -m bench.gpu.check_data`: are generated sets as hard as real data?

On a CPU: the probes that recall 0.90, 0.95 and 0.99 take, with second copies and
without, on sift-128 and on made rows of the same number, dimension and lists. The
spread of clusters of the made sets is the one whose probes are those of sift-128.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.ann import write_json
from bench.datasets import Dataset, load_dataset
from bench.gpu.data import CLUSTER_SPREAD, MADE, generate, inner_dimension
from bench.gpu.engines import least_nprobe
from bench.gpu.worker import command_line, data_folder
from bench.option_types import natural, positive
from bench.provenance import ROOT, provenance
from bench.say import say
from gleann.index import (
    BuildParams,
    SearchParams,
    SoarIndex,
    exact_search,
    recall_at_k,
)
from gleann.index.arrays import Vectors
from gleann.index.params import Segments

LEVELS = (0.90, 0.95, 0.99)
K, DEPTH = 10, 100
RERANK = 4 * K
NLIST, QUERIES, ROWS = 1024, 500, 250_000
EASY_SPREAD = 2.0
"""The first setting of the generated sets, to show its effect."""


SEGMENTS: tuple[Segments, ...] = ("both", "primary")


@dataclass(frozen=True, slots=True)
class At:
    """Cases of the probe counts: the scanned copies, and a recall."""

    segments: Segments
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardness:
    """The difficulty of a set for a search by lists.

    Attributes:
        inner_dimension: of the neighbourhoods of the queries.
        spilled: share of the rows with a second copy.
        probes: by segments, the least nprobe for each of `LEVELS`.
        lists_of_ten: that hold the ten nearest as first copies, a mean.
        most_in_one: of the ten nearest in one list, a mean.
    """

    inner_dimension: float
    spilled: float
    probes: dict[str, list[int]]
    lists_of_ten: float
    most_in_one: float

    @property
    def facts(self) -> dict[str, Any]:
        """The entry of the result file."""
        return {
            "inner_dimension": round(self.inner_dimension, 1),
            "spilled": round(self.spilled, 3),
            "levels": LEVELS,
            "probes": self.probes,
            "lists_of_ten": round(self.lists_of_ten, 2),
            "most_in_one": round(self.most_in_one, 2),
        }


def hardness(rows: Vectors, queries: Vectors, *, nlist: int) -> Hardness:
    """Build, and search with increasing probes.

    Args:
        rows: float32 (n, d), under l2.
        queries: float32 (nq, d).
        nlist: lists.
    """
    nearest, distances = exact_search(queries, rows, k=DEPTH, metric="l2")
    params = BuildParams(metric="l2", nlist=nlist, spill="soar", tune_queries=0)
    index = SoarIndex.build(rows, params)
    held = first_lists(index)[nearest[:, :K]]
    counts = [np.unique(lists, return_counts=True)[1] for lists in held]
    return Hardness(
        inner_dimension=inner_dimension(distances),
        spilled=index.spilled_share,
        probes={
            segments: [
                least_probes(index, queries, distances[:, :K], At(segments, level))
                for level in LEVELS
            ]
            for segments in SEGMENTS
        },
        lists_of_ten=float(np.mean([len(of) for of in counts])),
        most_in_one=float(np.mean([of.max() for of in counts])),
    )


def first_lists(index: SoarIndex) -> NDArray[np.int64]:
    """The primary list (n,) of each row."""
    lists = index.data.lists
    list_nos = np.repeat(np.arange(lists.nlist), np.diff(lists.offsets))
    first = np.arange(lists.entries) < lists.mids[list_nos]
    held = np.full(len(index), -1)
    held[lists.rows[first]] = list_nos[first]
    return held


def least_probes(
    index: SoarIndex, queries: Vectors, exact: NDArray[np.float32], at: At
) -> int:
    """The least nprobe that reaches a level, by the engine of the CPU."""

    def recall_at(nprobe: int) -> float:
        params = SearchParams(k=K, nprobe=nprobe, rerank=RERANK, segments=at.segments)
        return float(recall_at_k(index.search(queries, params).distances, exact))

    found = least_nprobe(recall_at, at.level, nlist=index.nlist)
    if found is None:
        raise ValueError(f"no nprobe reaches recall {at.level} of {at.segments}")
    return found


def made_rows(n: int, *, spread: float, seed: int) -> tuple[Vectors, Vectors]:
    """Rows and queries as of `made-1m-128`, but fewer, at a spread of clusters."""
    made = replace(MADE["made-1m-128"], n=n)
    cpu = torch.device("cpu")
    rows, queries = (
        generate(made, count, seed=drawn, device=cpu, spread=spread).numpy()
        for count, drawn in ((n, seed), (QUERIES, seed + 1))
    )
    return rows, queries


def real_rows(found: Dataset, n: int) -> tuple[Vectors, Vectors]:
    """The first rows of a real set, and queries from all over: theirs have an order."""
    step = max(1, len(found.queries) // QUERIES)
    return np.array(found.base[:n]), np.array(found.queries[::step][:QUERIES])


def main(arguments: list[str] | None = None) -> int:
    """Measure the three sets and write the result file; returns the exit status."""
    given = _parser().parse_args(arguments)
    if given.data is None:
        raise SystemExit("check_data: --data or GLEANN_DATA must name a folder")
    result: dict[str, Any] = {"sets": {}, "seed": given.seed, **provenance()}
    result["command"] = command_line()
    real = load_dataset(given.data / "sift-128")
    n = min(given.rows, len(real.base))
    nlist = max(1, NLIST * n // ROWS)
    result |= {"rows": n, "nlist": nlist, "queries": QUERIES, "pool": RERANK}
    sets = {"sift-128": real_rows(real, n)}
    for spread in (CLUSTER_SPREAD, EASY_SPREAD):
        sets[f"made, spread {spread:g}"] = made_rows(n, spread=spread, seed=given.seed)
    for name, (rows, queries) in sets.items():
        facts = hardness(rows, queries, nlist=nlist).facts
        result["sets"][name] = facts
        say(f"{name}: {facts}")
    write_json(result, given.out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu.check_data", description=__doc__
    )
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--rows", type=positive, default=ROWS)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "bench/results/gpu-data.json"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
