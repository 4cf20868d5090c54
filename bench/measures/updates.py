"""`python -m bench updates`: searches while newer rows are a share of the collection.

A part of the rows is sealed. Newer rows arrive in batches of 1,000, each assigned as it
comes, as in a service; "in place" replaces as many sealed rows. Searches of the sealed
rows alone and of each state take turns, so that what else the machine does slows all
alike: what counts is the ratio of their medians.
"""

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.datasets import Dataset, load_dataset
from bench.option_types import natural, positive
from bench.provenance import allowed_cores, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k
from gleann.index.arrays import Mask, Vectors
from gleann.index.ids.live_rows import LiveRows
from gleann.index.newer.rows import NewerRows

SHARES = (0.01, 0.05, 0.2)
IN_PLACE = (0.01, 0.2)
ARRIVING = 1000
K = 10
JUDGED = 300
"""Queries whose exact answers are computed."""

SINGLES = 100
"""Queries one by one in a turn."""


class Seconds(NamedTuple):
    """Of one query."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A state of the collection.

    Attributes:
        name: of its line in the table.
        share: newer rows as a share of all live rows.
        newer: what a search reads besides the index; None for the sealed rows alone.
        parts: parts of the newer rows, those that every query scans included.
        assign_seconds: for all newer rows, on one thread.
    """

    name: str
    share: float
    newer: NewerRows | None
    parts: int = 0
    assign_seconds: float = 0.0
    seconds: dict[int, list[Seconds]] = field(default_factory=dict)


def add_updates(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--data", type=Path, required=True, help="folder or HDF5 file")
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--queries", type=positive, default=1000)
    parser.add_argument("--turns", type=positive, help="default: 60, 5 with --quick")
    parser.add_argument("--threads", type=positive, default=len(allowed_cores()))
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.add_argument(
        "--out", type=Path, help="default: bench/results/updates-<data>.json"
    )
    parser.set_defaults(run=run_updates)


def run_updates(arguments: argparse.Namespace) -> int:
    """Measure one data set; print the table and write it as JSON."""
    begun = provenance()
    dataset = load_dataset(arguments.data, quick=arguments.quick)
    queries = dataset.queries[: arguments.queries]
    index, rest = sealed_index(dataset, arguments)
    states = [*arriving(index, rest), *replacing(index, rest, seed=arguments.seed)]
    say(f"{dataset.name}: {len(index)} sealed, {len(rest)} newer rows at most")
    params = SearchParams(k=K, target_recall=arguments.recall)
    rows = [quality(index, queries[:JUDGED], params, state) for state in states]
    turns = arguments.turns or (5 if arguments.quick else 60)
    for size in (len(queries), 64, 1):
        take_turns(index, queries, params, states, size=size, turns=turns)
    for row, state in zip(rows, states, strict=True):
        row["speed"] = {
            str(size): compared(states[0].seconds[size], seconds, size)
            for size, seconds in state.seconds.items()
        }
    result = {
        "mode": "updates",
        "data": dataset.name,
        "metric": dataset.metric,
        "n": len(index),
        "nlist": index.nlist,
        "k": K,
        "recall": arguments.recall,
        "queries": len(queries),
        "turns": turns,
        "threads": arguments.threads,
        "engine": index.engine_name,
        "rows": rows,
    } | begun
    print(updates_table(result))
    name = f"updates-{dataset.name}"
    out = arguments.out or default_file(name, quick=arguments.quick)
    write_json(result, out)
    say(f"result: {out}")
    return 0


def sealed_index(
    dataset: Dataset, arguments: argparse.Namespace
) -> tuple[SoarIndex, Vectors]:
    """An index of four fifths of the rows, drawn at random, and the other rows."""
    order = np.random.default_rng(arguments.seed).permutation(len(dataset.base))
    sealed = int(len(order) * (1 - max(SHARES)))
    params = BuildParams(metric=dataset.metric, seed=arguments.seed)
    index = SoarIndex.build(
        dataset.base[np.sort(order[:sealed])], params, threads=arguments.threads
    )
    return index, np.ascontiguousarray(dataset.base[order[sealed:]])


def arriving(index: SoarIndex, rest: Vectors) -> list[State]:
    """The sealed rows alone, and with each share of newer rows."""
    states = [State("sealed rows alone", 0.0, None)]
    for share in SHARES:
        count = min(round(share * len(index) / (1 - share)), len(rest))
        states.append(_state(index, rest[:count], "newer rows", share))
    return states


def replacing(index: SoarIndex, rest: Vectors, *, seed: int) -> list[State]:
    """The same number of rows, of which a share was replaced."""
    rng = np.random.default_rng([seed, 1])
    states = []
    for share in IN_PLACE:
        count = min(round(share * len(index)), len(rest))
        alive = np.ones(len(index), np.bool_)
        alive[rng.choice(len(index), count, replace=False)] = False
        alive.flags.writeable = False
        states.append(_state(index, rest[:count], "in place", share, alive))
    return states


def _state(
    index: SoarIndex,
    newer: Vectors,
    name: str,
    share: float,
    sealed_alive: Mask | None = None,
) -> State:
    lists = index.newer_lists()
    seconds = 0.0
    for stop in range(ARRIVING, len(newer) + ARRIVING, ARRIVING):
        there = newer[:stop]
        lists.rows(there)
        begun = time.perf_counter()
        while lists.assign_next(there):
            pass
        seconds += time.perf_counter() - begun
    state = lists.rows(
        newer,
        sealed_alive=None if sealed_alive is None else LiveRows.of(sealed_alive),
    )
    return State(name, share, state, len(state.source) + 1, seconds)


def quality(
    index: SoarIndex, queries: Vectors, params: SearchParams, state: State
) -> dict[str, Any]:
    """What a search finds and reads, compared with the exact answer of all rows."""
    found = index.find_rows(queries, params, newer=state.newer)
    exact = index.find_rows(queries, SearchParams(k=K, exact=True), newer=state.newer)
    count = 0 if state.newer is None else len(state.newer)
    return {
        "state": state.name,
        "share": state.share,
        "newer": count,
        "parts": state.parts,
        "assigned_per_second": round(count / state.assign_seconds) if count else None,
        "recall": round(recall_at_k(found.distances, exact.distances), 4),
        "estimate": found.stats.estimated_recall,
        "nprobe": found.stats.nprobe,
        "entries": round(found.stats.entries_scanned / len(queries), 1),
    }


def take_turns(
    index: SoarIndex,
    queries: Vectors,
    params: SearchParams,
    states: list[State],
    *,
    size: int,
    turns: int,
) -> None:
    """Time batches of `size` queries of every state, one state after another."""
    for state in states:
        state.seconds[size] = []
    for turn in range(turns + 1):
        batches = _batches(queries, size, turn)
        # Every other turn backwards, so that none is always first.
        for state in states if turn % 2 else reversed(states):
            taken = _timed(index, batches, params, state)
            if turn:  # the first warms up
                state.seconds[size].append(taken)


def _batches(queries: Vectors, size: int, turn: int) -> list[Vectors]:
    count = 1 if size > 1 else min(SINGLES, len(queries))
    first = turn * size * count % max(1, len(queries) - size * count + 1)
    return [queries[first + i * size : first + (i + 1) * size] for i in range(count)]


def _timed(
    index: SoarIndex, batches: list[Vectors], params: SearchParams, state: State
) -> Seconds:
    count = sum(map(len, batches))
    begun = time.perf_counter(), time.process_time()
    for batch in batches:
        index.find_rows(batch, params, newer=state.newer)
    ended = time.perf_counter(), time.process_time()
    return Seconds((ended[0] - begun[0]) / count, (ended[1] - begun[1]) / count)


def compared(base: list[Seconds], seconds: list[Seconds], size: int) -> dict[str, Any]:
    """Queries a second, and as a share of `base`: of medians; quartiles of turns.

    `cpu_ratio` is the same share in CPU time, which a busy machine distorts less.
    """
    alone, taken = np.array(base), np.array(seconds)  # (turns, 2)
    low, high = np.quantile(alone[:, 0] / taken[:, 0], [0.25, 0.75])
    wall, cpu = np.median(alone, axis=0) / np.median(taken, axis=0)
    return {
        "batch": size,
        "qps": round(1 / float(np.median(taken[:, 0]))),
        "ratio": round(float(wall), 3),
        "quartiles": [round(float(low), 3), round(float(high), 3)],
        "cpu_ratio": round(float(cpu), 3),
    }


def updates_table(result: dict[str, Any]) -> str:
    """A recorded result as markdown."""
    sizes = list(result["rows"][0]["speed"])
    head = ["collection", "recall", "entries a query", "parts"]
    head += [f"QPS in batches of {int(size):,}" for size in sizes[:-1]]
    head += ["QPS singly"]
    body = []
    for row in result["rows"]:
        name = row["state"]
        if row["share"]:
            name = f"{row['share']:.0%} {name}"
        line = [name, f"{row['recall']:.3f}", f"{row['entries']:,.0f}"]
        line.append(str(row["parts"]) if row["share"] else "-")
        body.append(line + [_speed(row["speed"][size], row["share"]) for size in sizes])
    return markdown(head, body)


def _speed(speed: dict[str, Any], share: float) -> str:
    if not share:
        return f"{speed['qps']:,}"
    low, high = speed["quartiles"]
    return f"{speed['ratio']:.2f} ({low:.2f}-{high:.2f}), CPU {speed['cpu_ratio']:.2f}"
