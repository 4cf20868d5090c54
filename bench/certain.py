"""`python -m bench.certain`: the recall lost by a search without certainty.

Runs the pipeline of the device engines in plain torch, on a CPU: which entries a
selection by buckets drops does not depend on where it runs.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from bench.datasets import load_dataset
from bench.option_types import natural, positive
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search, recall_at_k
from gleann.index.arrays import Distances, Vectors

K = 10
COLUMNS = ("segments", "nprobe", "certain", "recall@10", "answers that differ")


def main() -> int:
    """Print recall with and without certainty, at 0.95 and with all lists probed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=positive, default=200_000)
    parser.add_argument("--queries", type=positive, default=1000)
    parser.add_argument("--nlist", type=positive, default=820)
    parser.add_argument("--target", type=float, default=0.95)
    parser.add_argument("--saturation", type=positive, default=160, help="probes")
    parser.add_argument("--seed", type=natural, default=0)
    given = parser.parse_args()
    dataset = load_dataset(given.data)
    rows, queries = dataset.base[: given.rows], dataset.queries[: given.queries]
    say(f"{dataset.name}: {len(rows)} rows in {given.nlist} lists")
    params = BuildParams(
        metric=dataset.metric,
        nlist=given.nlist,
        spill="soar",
        tune_queries=0,
        seed=given.seed,
    )
    index = SoarIndex.build(rows, params).with_engine("torch")
    exact = exact_search(queries, rows, metric=dataset.metric, k=K)[1]
    lines = []
    for segments in ("both", "primary"):
        asked = SearchParams(k=K, segments=segments)
        reached = probes_for(index, queries, exact, asked, target=given.target)
        for nprobe in (reached, given.saturation):
            lines += compared(index, queries, exact, replace(asked, nprobe=nprobe))
    print(markdown(COLUMNS, lines))
    return 0


def probes_for(
    index: SoarIndex,
    queries: Vectors,
    exact: Distances,
    params: SearchParams,
    *,
    target: float,
) -> int:
    """The fewest probes at which certain answers reach the recall."""
    low, high = 0, 1
    while recall(index, queries, exact, replace(params, nprobe=high)) < target:
        low, high = high, min(2 * high, index.nlist)
    while high - low > 1:
        middle = (low + high) // 2
        enough = recall(index, queries, exact, replace(params, nprobe=middle)) >= target
        low, high = (low, middle) if enough else (middle, high)
    return high


def compared(
    index: SoarIndex, queries: Vectors, exact: Distances, params: SearchParams
) -> list[tuple[str, ...]]:
    """A line for certain answers, and one for the others."""
    found = [
        index.find_rows(queries, replace(params, certain=certain))
        for certain in (True, False)
    ]
    other = (found[0].rows != found[1].rows).any(axis=1).mean()
    return [
        (
            params.segments,
            str(params.nprobe),
            "yes" if certain else "no",
            f"{recall_at_k(answers.distances, exact):.4f}",
            f"{other:.1%}",
        )
        for certain, answers in zip((True, False), found, strict=True)
    ]


def recall(
    index: SoarIndex, queries: Vectors, exact: Distances, params: SearchParams
) -> float:
    """recall@10 of one search."""
    found = index.find_rows(queries, params)
    return recall_at_k(found.distances, exact)


if __name__ == "__main__":
    raise SystemExit(main())
