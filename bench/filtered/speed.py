"""Filtered searches timed: every contender at the recall that is asked, in turn."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.filtered.contenders import (
    CONTENDERS,
    Data,
    K,
    Ready,
    data_of,
)
from bench.filtered.masks import Filter, filters_of
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import exact_search
from gleann.index.arrays import Mask, Rows, Vectors

SINGLES = 100
"""Queries that are timed one by one."""

TUNED = 200
"""Queries that recall is measured with while a contender is tuned."""

TUNING_SECONDS = 8.0
"""A contender that has not reached the recall by then is left out at this filter."""

PASS_SECONDS = 1.0
"""A batch is cut so that one pass of a slow contender takes no longer than this."""


@dataclass(slots=True, eq=False)
class Entrant:
    """A contender at one filter.

    Attributes:
        name: of the contender.
        ready: with the filter.
        effort: that reaches the recall.
        recall: at that effort.
        single, batch: seconds a query, one a round; of single ones the median.
        queries: in its batches.
    """

    name: str
    ready: Ready
    effort: int
    recall: float
    queries: int
    single: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)


def run_speed(args: argparse.Namespace) -> int:
    """Time all contenders on one data folder."""
    begun = provenance()
    rng = np.random.default_rng(args.seed)
    metric = json.loads((args.data / "meta.json").read_text())["metric"]
    base = np.load(args.data / "base.npy", mmap_mode="r")
    drawn = np.sort(rng.choice(len(base), min(args.rows, len(base)), replace=False))
    queries = np.load(args.data / "queries.npy")[: args.queries].astype(np.float32)
    recall = args.recall[0]
    rows = base[drawn].astype(np.float32)
    data = data_of(rows, metric, recall=recall, seed=args.seed)
    if metric == "cosine":
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    made, absent = built(args.peers, data)
    measured = [
        row
        for one in filters_of(data.rows, queries, args.shares, args.kinds, rng)
        for row in measure(one, made, data, rounds=args.rounds)
    ]
    name = args.data.resolve().name
    result: dict[str, Any] = {"mode": "filter-speed", "data": name, "metric": metric}
    result |= {"n": len(rows), "k": K, "asked": recall, "seed": args.seed}
    result |= {"rounds": args.rounds, "absent": absent, "rows": measured} | begun
    print(speed_table(result))
    out = args.out or default_file(f"filter-speed-{name}")
    write_json(result, out)
    say(f"result: {out}")
    return 0


def built(
    names: list[str], data: Data
) -> tuple[dict[str, Callable[[Mask], Ready]], dict[str, str]]:
    """The contenders that can run here, and why the others cannot."""
    made, absent = {}, {}
    for name in names:
        begun = time.perf_counter()
        try:
            made[name] = CONTENDERS[name](data)
        except ImportError as error:
            absent[name] = str(error)
            continue
        say(f"{name}: built in {time.perf_counter() - begun:.1f} s")
    return made, absent


def measure(
    one: Filter,
    made: dict[str, Callable[[Mask], Ready]],
    data: Data,
    *,
    rounds: int,
) -> list[dict[str, Any]]:
    """Tune all contenders at one filter, then time them in turn."""
    near, _ = exact_search(
        one.queries[:TUNED],
        data.rows,
        metric=data.index.metric,
        k=K,
        allowed=one.mask,
    )
    entrants = []
    for name, make in made.items():
        entrant = tuned(name, make(one.mask), one.queries, near, data.recall)
        say(
            f"{one.kind} {one.share:.1%} {name}: "
            + (f"effort {entrant.effort}" if entrant else "recall not reached")
        )
        if entrant is not None:
            entrants.append(entrant)
    for number in range(rounds):
        order = entrants if number % 2 else entrants[::-1]
        for entrant in order:
            time_round(entrant, one.queries)
    return [as_row(one, entrant, entrants) for entrant in entrants]


def tuned(
    name: str, ready: Ready, queries: Vectors, near: Rows, recall: float
) -> Entrant | None:
    """The contender at the least effort that reaches the recall; None for none.

    One without a choice of effort is taken as it is.
    """
    some = queries[: len(near)]
    deadline = time.perf_counter() + TUNING_SECONDS
    for effort in ready.efforts:
        begun = time.perf_counter()
        found = ready.search(some, effort)
        seconds = max(time.perf_counter() - begun, 1e-9) / len(some)
        got = recall_of(found, near)
        if got >= recall or len(ready.efforts) == 1:
            most = int(np.clip(PASS_SECONDS / seconds, 1, len(queries)))
            return Entrant(name, ready, effort, got, most)
        if time.perf_counter() > deadline:
            return None
    return None


def recall_of(found: Rows, near: Rows) -> float:
    """Share of the true rows that were found."""
    hits = sum(
        len(set(row.tolist()) & set(true[true >= 0].tolist()))
        for row, true in zip(found, near, strict=True)
    )
    return hits / max(1, int((near >= 0).sum()))


def time_round(entrant: Entrant, queries: Vectors) -> None:
    """Time queries one by one, and one batch."""
    search, effort = entrant.ready.search, entrant.effort
    seconds = []
    for q in range(min(SINGLES, entrant.queries)):
        begun = time.perf_counter()
        search(queries[q : q + 1], effort)
        seconds.append(time.perf_counter() - begun)
    entrant.single.append(float(np.median(seconds)))
    some = queries[: entrant.queries]
    begun = time.perf_counter()
    search(some, effort)
    entrant.batch.append((time.perf_counter() - begun) / len(some))


def as_row(one: Filter, entrant: Entrant, entrants: list[Entrant]) -> dict[str, Any]:
    """A contender's figures, with its times over gleann's, round by round."""
    row: dict[str, Any] = {
        "filter": one.kind,
        "share": one.share,
        "name": entrant.name,
        "effort": entrant.effort,
        "recall": round(entrant.recall, 4),
        "queries": entrant.queries,
        "single_us": round(float(np.median(entrant.single)) * 1e6, 1),
        "batch_us": round(float(np.median(entrant.batch)) * 1e6, 2),
    }
    ours = next((one for one in entrants if one.name == "gleann"), None)
    if ours is not None:
        for way in ("single", "batch"):
            ratios = np.array(getattr(entrant, way)) / np.array(getattr(ours, way))
            low, middle, high = np.quantile(ratios, [0, 0.5, 1]).round(2).tolist()
            row[f"{way}_ratio"] = [low, middle, high]
    return row


def speed_table(result: dict[str, Any]) -> str:
    """A recorded result as markdown."""
    head = ["filter", "rows allowed", "way", "recall", "one query, us"]
    head += ["a query of a batch, us", "one query, times gleann", "batch, times gleann"]
    body = [
        [
            row["filter"],
            f"{row['share']:.1%}",
            row["name"],
            f"{row['recall']:.3f}",
            f"{row['single_us']:,.0f}",
            f"{row['batch_us']:,.1f}",
            _spread(row.get("single_ratio")),
            _spread(row.get("batch_ratio")),
        ]
        for row in result["rows"]
    ]
    return markdown(head, body)


def _spread(ratio: list[float] | None) -> str:
    return "" if ratio is None else f"{ratio[1]:.2f} ({ratio[0]:.2f} to {ratio[2]:.2f})"
