"""`python -m bench compaction`: what keeping an index in form costs, and what it saves.

Three measurements: folding newer rows in beside a full build of the same rows, with the
recall of both for equal work; searches during a compaction beside searches at rest; and
searches while batches of rows arrive, one after another, with nobody asking for a
build.
"""

import argparse
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

import numpy as np

from bench.datasets import Dataset, describe, load_dataset, true_distances
from bench.measures.on_disk import write_rows
from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, allowed_cores, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown
from gleann import Client
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.arrays import Distances, Vectors
from gleann.index.errors import CancelledError
from gleann.index.evaluate import cut_at_k
from gleann.index.fold import fold_on_disk

NAME = "bench"
NEWER_SHARE = 0.05
PROBES = (4, 8, 16, 32, 64, 128)
K = 10
QUERIES = 1000
"""Beside rows that are made here."""

STREAM = (100_000, 256)
BATCH = 1000
REST_SECONDS = 5.0
"""Searches at rest are measured for so long, and those at the end of the batches."""

MOST_SECONDS = 60.0
"""Of a compaction beside which searches are measured; then it is cancelled."""

QUICK_STREAM, QUICK_BATCHES, QUICK_SECONDS = (20_000, 32), 5, 1.0


def add_compaction(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--data", type=Path, help="folder or HDF5 file; default: seeded clustered rows"
    )
    parser.add_argument(
        "--rows", type=positive, default=1_000_000, help="without --data"
    )
    parser.add_argument("--dim", type=positive, default=128, help="without --data")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--batches", type=positive, default=60, help="of 1,000 rows each"
    )
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--folder", type=Path, help="with room for three times the data"
    )
    parser.add_argument(
        "--out", type=Path, help="default: bench/results/compaction-<name>.json"
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_compaction)


def run_compaction(arguments: argparse.Namespace) -> int:
    """Measure, write the result and print its table."""
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): timings will be noise")
    begun = provenance()
    with TemporaryDirectory(dir=arguments.folder) as folder:
        if arguments.data is None:
            dataset = clustered(Path(folder), arguments)
        else:
            dataset = load_dataset(arguments.data, quick=arguments.quick)
        result: dict[str, Any] = {"mode": "compaction", "data": describe(dataset)}
        result |= {"seed": arguments.seed, "quick": arguments.quick, "k": K}
        result |= begun | {"threads": len(allowed_cores())}
        for part in arguments.parts:
            result[part] = PARTS[part](dataset, Path(folder), arguments)
    name = f"compaction-{dataset.name}"
    out = arguments.out or default_file(name, quick=arguments.quick)
    write_json(result | {"load_at_end": load()}, out)
    print(compaction_table(result))
    say(f"result: {out}")
    return 0


def clustered(folder: Path, arguments: argparse.Namespace) -> Dataset:
    """Seeded rows and queries around common centres, in a file."""
    shape = (arguments.rows + QUERIES, arguments.dim)
    file = folder / "rows.npy"
    write_rows(file, shape, seed=arguments.seed)
    rows = np.load(file, mmap_mode="r")
    return Dataset(
        name=f"clustered-{arguments.rows}x{arguments.dim}",
        metric="l2",
        base=rows[:-QUERIES],
        queries=np.array(rows[-QUERIES:]),
        truth=None,
        file=file,
    )


def measure_fold(
    dataset: Dataset, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Fold the last rows into an index of the others, and build from all of them."""
    n = len(dataset.base)
    old_rows = round(n / (1 + NEWER_SHARE))
    params = BuildParams(metric=dataset.metric, seed=arguments.seed)
    say(f"building from {old_rows} rows")
    SoarIndex.build_on_disk(dataset.base[:old_rows], folder / "old", params)
    old = SoarIndex.load(folder / "old")
    newer, ids = dataset.base[old_rows:], np.arange(old_rows, n)

    def fold() -> None:
        fold_on_disk(old, newer, folder / "folded", ids=ids)

    def build() -> None:
        SoarIndex.build_on_disk(dataset.base, folder / "built", params)

    seconds: dict[str, list[float]] = {"fold": [], "build": []}
    for _ in range(arguments.rounds):
        for name, work in (("fold", fold), ("build", build)):
            say(name)
            seconds[name].append(seconds_of(work))
    folded, built = (SoarIndex.load(folder / name) for name in ("folded", "built"))
    training = folded.header.training
    truth = true_distances(dataset, k=K)
    asked, cut = dataset.queries[: len(truth)], cut_at_k(truth)
    curves = {
        "folded": recalls(folded, asked, cut),
        "built": recalls(built, asked, cut),
    }
    return {
        "rows": old_rows,
        "newer": n - old_rows,
        "seconds": seconds,
        "drift": None if training is None else training.drift,
        "curves": curves,
        "difference": largest_loss(curves["folded"], curves["built"]),
        "promise": promised(folded, asked, cut),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """The seconds that `work` takes."""
    begun = perf_counter()
    work()
    return perf_counter() - begun


def recalls(index: SoarIndex, asked: Vectors, cut: Distances) -> list[dict[str, float]]:
    """Recall@10, and entries scanned a query, for each number of probes."""
    found = []
    for nprobe in (p for p in PROBES if p < index.nlist):
        params = SearchParams(k=K, nprobe=nprobe, rerank=10 * K)
        got = index.search(asked, params)
        entries = got.stats.entries_scanned / len(asked)
        recall = recall_of(got.distances, cut)
        found.append({"nprobe": nprobe, "entries": entries, "recall": recall})
    return found


def recall_of(distances: Distances, cut: Distances) -> float:
    """Recall@10 of answers, by the distance of each query's last true neighbour."""
    return float(np.minimum((distances <= cut).sum(axis=1), K).mean() / K)


def largest_loss(
    folded: list[dict[str, float]], built: list[dict[str, float]]
) -> float:
    """The most recall that folding loses for equal entries scanned."""
    work = np.log([point["entries"] for point in built])
    expected = [point["recall"] for point in built]
    losses = [
        float(np.interp(np.log(point["entries"]), work, expected)) - point["recall"]
        for point in folded
        if work[0] <= np.log(point["entries"]) <= work[-1]
    ]
    return max(losses)


def promised(
    index: SoarIndex, asked: Vectors, cut: Distances
) -> list[dict[str, float]]:
    """What the operating points that were kept promise, and what they give."""
    found = []
    for target in (0.9, 0.95, 0.99):
        got = index.search(asked, SearchParams(k=K, target_recall=target))
        found.append({"target": target, "recall": recall_of(got.distances, cut)})
    return found


def measure_beside(
    dataset: Dataset, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Searches at rest and during a compaction: a fold, and lists trained anew."""
    measured: dict[str, Any] = {}
    with Client(folder / "beside") as client:
        say("building in the service")
        fill(client, dataset.base, dataset.metric)
        client.build(NAME, BuildParams(metric=dataset.metric)).wait()
        queries = dataset.queries
        seconds = QUICK_SECONDS if arguments.quick else REST_SECONDS
        measured["rest"] = [latencies(client, queries, seconds=seconds)]
        for kind in ("fold", "rebuild"):
            newer = round(NEWER_SHARE * len(dataset.base))
            for start in range(0, newer, 10_000):
                some = np.arange(start, min(start + 10_000, newer))
                client.upsert(NAME, some, dataset.base[some])
            say(f"searching during a {kind}")
            begun = perf_counter()
            measured[kind] = [latencies_during(client, kind, queries)]
            measured[f"{kind}_seconds"] = perf_counter() - begun
            measured["rest"].append(latencies(client, queries, seconds=seconds))
    return {
        name: value if name.endswith("seconds") else [figures(t) for t in value]
        for name, value in measured.items()
    }


def latencies_during(client: Client, kind: Any, queries: Vectors) -> list[float]:
    """Seconds of each search while a compaction is under way, for a while at most."""
    operation = client.optimize(NAME, kind)
    begun = perf_counter()

    def is_over() -> bool:
        late = perf_counter() - begun > MOST_SECONDS
        return late or client.operations.get(operation.name).done

    times = latencies(client, queries, until=is_over)
    if not client.operations.get(operation.name).done:
        operation.cancel()
    with suppress(CancelledError):
        operation.wait()
    return times


def measure_stream(
    _: Dataset, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Searches while batches arrive, a second apart, and nobody asks for a build."""
    rows, dim = QUICK_STREAM if arguments.quick else STREAM
    batches, size = QUICK_BATCHES if arguments.quick else arguments.batches, BATCH
    file = folder / "stream.npy"
    write_rows(file, (rows + batches * size + 1000, dim), seed=arguments.seed)
    vectors = np.load(file)
    queries, base = vectors[-1000:], vectors[:rows]
    seconds = QUICK_SECONDS if arguments.quick else REST_SECONDS
    with Client(folder / "stream") as client:
        fill(client, base, "l2")
        client.build(NAME, BuildParams(metric="l2")).wait()
        versions = {client.get_index(NAME).version}
        first = latencies(client, queries, seconds=seconds)
        say(f"{batches} batches of {size} rows")
        steps = []
        for step in range(batches):
            begun = perf_counter()
            ids = np.arange(rows + step * size, rows + (step + 1) * size)
            client.upsert(NAME, ids, vectors[ids])
            left = 1.0 - (perf_counter() - begun)
            steps.append(figures(latencies(client, queries, seconds=max(left, 0.1))))
            versions.add(client.get_index(NAME).version)
        pending = client.get_index(NAME).pending
        last = latencies(client, queries, seconds=seconds)
    return {
        "rows": rows,
        "dim": dim,
        "batches": batches,
        "batch": size,
        "versions": len(versions),
        "pending_at_end": pending,
        "first": figures(first),
        "last": figures(last),
        "steps": steps,
    }


def fill(client: Client, rows: Vectors, metric: Any) -> None:
    """An index with these rows, under their numbers."""
    client.create_index(NAME, dim=rows.shape[1], metric=metric)
    for start in range(0, len(rows), 50_000):
        some = np.arange(start, min(start + 50_000, len(rows)))
        client.upsert(NAME, some, rows[some])


def latencies(
    client: Client,
    queries: Vectors,
    *,
    seconds: float | None = None,
    until: Callable[[], bool] | None = None,
) -> list[float]:
    """Seconds of each search, one query after another, for a time or until an end.

    There is one at least, however soon the end comes.
    """
    params, times = SearchParams(k=K, target_recall=0.95), []
    begun = perf_counter()
    with ended(until) as has_ended:
        while True:
            start = perf_counter()
            client.search(NAME, queries[len(times) % len(queries)], params)
            times.append(perf_counter() - start)
            late = seconds is not None and perf_counter() - begun >= seconds
            if late or has_ended.is_set():
                break
    return times


@contextmanager
def ended(until: Callable[[], bool] | None) -> Iterator[threading.Event]:
    """An event that is set when `until` holds, which is looked at in another thread."""
    event, stop = threading.Event(), threading.Event()

    def watch() -> None:
        while until is not None and not stop.is_set():
            if until():
                event.set()
                return
            sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield event
    finally:
        stop.set()
        watcher.join()


def figures(times: list[float]) -> dict[str, float]:
    """Searches a second, and the median and the 99th percentile in milliseconds."""
    return {
        "count": len(times),
        "qps": len(times) / sum(times),
        "p50": 1e3 * median(times),
        "p99": 1e3 * float(np.quantile(times, 0.99)),
    }


PARTS = {"fold": measure_fold, "beside": measure_beside, "stream": measure_stream}


def compaction_table(result: dict[str, Any]) -> str:
    """The three measurements, as tables."""
    tables = {"fold": _fold_table, "beside": _beside_table, "stream": _stream_table}
    return "\n\n".join(make(result) for part, make in tables.items() if part in result)


def _fold_table(result: dict[str, Any]) -> str:
    fold = result["fold"]
    seconds = fold["seconds"]
    share = median(seconds["fold"]) / median(seconds["build"])
    rows = [
        [name, f"{median(times):.1f}", f"{min(times):.1f} - {max(times):.1f}"]
        for name, times in seconds.items()
    ]
    text = (
        f"{fold['newer']:,} rows into {fold['rows']:,} of {result['data']['name']}"
        f" ({result['threads']} threads, load {result['load_at_start']}): folding takes"
        f" {share:.1%} of a full build. For equal entries scanned it loses at most"
        f" {100 * fold['difference']:.2f} points of recall@10; the operating points"
        f" that are kept give "
    )
    text += ", ".join(f"{p['recall']:.3f} for {p['target']}" for p in fold["promise"])
    return f"{text}.\n\n" + markdown(["", "seconds, median", "range"], rows)


def _beside_table(result: dict[str, Any]) -> str:
    beside = result["beside"]
    rest = {
        key: median(run[key] for run in beside["rest"]) for key in ("qps", "p50", "p99")
    }
    rows = [["at rest", *_shown(rest), "", ""]]
    for kind in ("fold", "rebuild"):
        (during,) = beside[kind]
        qps, p99 = during["qps"] / rest["qps"], during["p99"] / rest["p99"]
        name = f"during a {kind} ({beside[f'{kind}_seconds']:.1f} s)"
        rows.append([name, *_shown(during), f"{qps:.0%}", f"{p99:.2f}x"])
    head = ["one query at a time", "QPS", "p50, ms", "p99, ms", "of QPS", "of p99"]
    return markdown(head, rows)


def _stream_table(result: dict[str, Any]) -> str:
    stream = result["stream"]
    first, last = stream["first"], stream["last"]
    text = (
        f"{stream['batches']} batches of {stream['batch']:,} rows into"
        f" {stream['rows']:,} x {stream['dim']}, one every second, with searches:"
        f" {stream['versions'] - 1} compactions; the median at the end is"
        f" {last['p50'] / first['p50']:.2f} times that at the start"
        f" ({stream['pending_at_end']:,} rows newer)."
    )
    rows = [["start", *_shown(first)], ["end", *_shown(last)]]
    return f"{text}\n\n" + markdown(["", "QPS", "p50, ms", "p99, ms"], rows)


def _shown(run: dict[str, float]) -> list[str]:
    return [f"{run['qps']:,.0f}", f"{run['p50']:.2f}", f"{run['p99']:.2f}"]
