"""Near-duplicates beside a brute-force join in faiss and beside SemHash.

Planted copies are added to a data set; its index is given, and its build told. Both
joins run on the same threads, in turn. The one in faiss compares some rows, drawn by
the seed, with all, and its time is that times n over their number; the pairs of these
rows, measured in float64, are the truth.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.curation.part import Measured, Part, is_wanted
from bench.curation.semhash import semhash_result
from bench.datasets import QUICK_ROWS, load_dataset
from bench.say import say
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Rows, Vectors
from gleann.index.metric import pair_distances
from gleann.selection.curation.duplicates import Duplicates, near_duplicates

DATA = ("glove-100", "wordnet-384")
SIMILARITIES = (0.98, 0.95, 0.9)
PLANTED = 5000
LEAST_COSINE = 0.98
"""Of a planted copy and its row."""

COMPARED = 8192
"""Rows that faiss compares with all."""

ROUNDS = 3
SLACK = 1e-3
"""Distance beyond the radius up to which faiss lists pairs, to be measured again."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of a piece of work, and of all processors on it."""

    seconds: float
    cpu: float


def timed(work: Callable[[], Any]) -> tuple[Any, Taken]:
    """Its answer, and what it took."""
    begun = time.perf_counter(), time.process_time()
    answer = work()
    return answer, Taken(time.perf_counter() - begun[0], time.process_time() - begun[1])


def run(arguments: argparse.Namespace) -> Iterator[Measured]:
    """Measure every data set."""
    for name in (one for one in DATA if is_wanted(one, arguments)):
        yield Measured(name=name, values=measure(arguments.data / name, arguments))


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One data set, at every similarity."""
    data = load_dataset(folder, quick=arguments.quick)
    base = data.base[:QUICK_ROWS] if arguments.quick else data.base
    rows = with_copies(base, seed=arguments.seed)
    params = BuildParams(metric="cosine", seed=arguments.seed)
    index, built = timed(
        lambda: SoarIndex.build(rows, params, threads=arguments.threads)
    )
    rng = np.random.default_rng([arguments.seed, 2])
    asked = np.sort(rng.choice(len(rows), min(COMPARED, len(rows)), replace=False))
    similarities = []
    for similarity in SIMILARITIES:
        say(f"{folder.name}, similarity {similarity}")
        similarities.append(beside_faiss(index, asked, similarity, arguments))
    return {
        "n": len(rows),
        "dim": rows.shape[1],
        "metric": "cosine",
        "planted": PLANTED,
        "compared_by_faiss": len(asked),
        "build_seconds": built.seconds,
        "build_cpu": built.cpu,
        "similarities": similarities,
        "semhash": semhash_result(rows, SIMILARITIES[0], threads=arguments.threads),
    }


def with_copies(base: Vectors, *, seed: int) -> Vectors:
    """Unit rows, and behind them copies whose cosine is `LEAST_COSINE` at least."""
    rng = np.random.default_rng([seed, 1])
    count = min(PLANTED, len(base) // 2)
    copied = base[rng.choice(len(base), count, replace=False)].astype(np.float64)
    noise = rng.normal(size=copied.shape)
    noise -= (noise * copied).sum(axis=1, keepdims=True) * copied
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    cosines = rng.uniform(LEAST_COSINE, 1, size=(count, 1))
    moved = cosines * copied + np.sqrt(1 - cosines**2) * noise
    return np.concatenate([base, moved.astype(np.float32)])


def beside_faiss(
    index: SoarIndex, asked: Rows, similarity: float, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Both joins in turn, and the recall of ours."""
    flat = faiss_flat(index.vectors, threads=arguments.threads)
    ours, theirs = [], []
    rounds = 1 if arguments.quick else ROUNDS
    pieces = np.array_split(asked, rounds)
    truth: set[tuple[int, int]] = set()
    for piece in pieces:
        found, taken = timed(
            lambda: near_duplicates(
                index, similarity=similarity, threads=arguments.threads
            )
        )
        ours.append(taken)
        listed, taken = timed(
            lambda piece=piece: faiss_pairs(flat, index.vectors, piece, similarity)
        )
        theirs.append(taken)
        truth |= true_pairs(index.vectors, listed, similarity)
    scale = len(index) / (len(asked) / rounds)
    return (
        {"similarity": similarity}
        | figures(ours, theirs, scale)
        | against_truth(found, asked, truth)
        | facts(found, len(index))
    )


def figures(ours: list[Taken], theirs: list[Taken], scale: float) -> dict[str, Any]:
    """Medians, and the ratios of each turn."""
    seconds = [scale * b.seconds / a.seconds for a, b in zip(ours, theirs, strict=True)]
    cpu = [scale * b.cpu / a.cpu for a, b in zip(ours, theirs, strict=True)]
    return {
        "seconds": median(one.seconds for one in ours),
        "cpu": median(one.cpu for one in ours),
        "faiss_seconds": scale * median(one.seconds for one in theirs),
        "faiss_cpu": scale * median(one.cpu for one in theirs),
        "ratio": spread(seconds),
        "cpu_ratio": spread(cpu),
    }


def spread(ratios: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": median(ratios), "low": min(ratios), "high": max(ratios)}


def facts(found: Duplicates, n: int) -> dict[str, Any]:
    """What was found, and what it took."""
    shown = found.summary()
    work = found.work
    return {
        "pairs": shown["pairs"],
        "kept": shown["kept"],
        "largest_group": shown["largest_group"],
        "list_pairs": work.list_pairs,
        "compared": work.compared,
        "compared_share": work.compared / (n * (n - 1) / 2),
        "measured": work.measured,
    }


def faiss_flat(rows: Vectors, *, threads: int) -> Any:
    """All rows in a flat index, whose making is not timed."""
    import faiss

    faiss.omp_set_num_threads(threads)
    flat = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    return flat


def faiss_pairs(
    flat: Any, rows: Vectors, asked: Rows, similarity: float
) -> tuple[Rows, Rows]:
    """Candidates of `asked` rows among all, by inner products in float32."""
    ends, _, others = flat.range_search(rows[asked], similarity - SLACK)
    return np.repeat(asked, np.diff(ends).astype(np.int64)), others


def true_pairs(
    rows: Vectors, listed: tuple[Rows, Rows], similarity: float
) -> set[tuple[int, int]]:
    """Those whose distance in float64, rounded to float32, is within the radius."""
    a, b = listed
    other = a != b
    a, b = a[other], b[other]
    near = pair_distances(rows[a], rows[b][:, None], "cosine")[:, 0]
    within = near <= np.float32(1.0 - similarity)
    low, high = np.minimum(a, b)[within], np.maximum(a, b)[within]
    return set(zip(low.tolist(), high.tolist(), strict=True))


def against_truth(
    found: Duplicates, asked: Rows, truth: set[tuple[int, int]]
) -> dict[str, Any]:
    """Recall of the pairs of `asked` rows, and how many of ours are not true."""
    mine = all_pairs(found, asked)
    return {
        "true_pairs": len(truth),
        "recall": len(mine & truth) / max(len(truth), 1),
        "false_pairs": len(mine - truth),
    }


def all_pairs(found: Duplicates, asked: Rows) -> set[tuple[int, int]]:
    """The pairs of `asked` rows, those of equal rows included."""
    equals: dict[int, list[int]] = {}
    for row, first in enumerate(found.first.tolist()):
        equals.setdefault(first, []).append(row)
    near: dict[int, list[int]] = {}
    listed = zip(found.pairs.rows.tolist(), found.pairs.others.tolist(), strict=True)
    for a, b in listed:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    pairs = set()
    for row in asked.tolist():
        first = int(found.first[row])
        for head in (first, *near.get(first, ())):
            pairs |= {
                (min(row, other), max(row, other))
                for other in equals[head]
                if other != row
            }
    return pairs


def show(result: dict[str, Any]) -> str:
    """A line for each similarity, and one for SemHash."""
    title = (
        f"{result['name']}: {result['n']:,} x {result['dim']} with"
        f" {result['planted']:,} planted copies; build {result['build_seconds']:.1f} s"
        f" ({result['build_cpu']:.1f} CPU s); faiss compared"
        f" {result['compared_by_faiss']:,} rows with all"
    )
    head = ["cosine at least", "pairs", "kept", "recall", "false", "pairs compared"]
    head += ["s", "CPU s", "faiss, s", "ratio", "ratio in CPU s"]
    lines = [
        [
            str(one["similarity"]),
            f"{one['pairs']:,}",
            f"{one['kept']:,}",
            f"{one['recall']:.5f}",
            str(one["false_pairs"]),
            f"{one['compared_share']:.2%}",
            f"{one['seconds']:.2f}",
            f"{one['cpu']:.2f}",
            f"{one['faiss_seconds']:.0f}",
            shown(one["ratio"]),
            shown(one["cpu_ratio"]),
        ]
        for one in result["similarities"]
    ]
    return "\n\n".join([title, markdown(head, lines), semhash_line(result["semhash"])])


def shown(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.1f}x ({ratio['low']:.1f}..{ratio['high']:.1f})"


def semhash_line(found: dict[str, Any]) -> str:
    if "reason" in found:
        return f"- SemHash was not measured: {found['reason']}"
    return (
        f"- SemHash {found['version']} at {found['similarity']} keeps"
        f" {found['kept']:,} rows in {found['seconds']:.1f} s"
        f" ({found['cpu']:.1f} CPU s), its index included; of the pairs of a kept and"
        f" a dropped row that it lists, {found['beyond']:,} are beyond the radius"
    )


PART = Part(
    help="near-duplicates beside brute force in faiss and SemHash",
    run=run,
    show=show,
    sets=DATA,
)
