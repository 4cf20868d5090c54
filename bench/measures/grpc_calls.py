"""`python -m bench grpc`: speed over gRPC compared with in process.

The same index searched in this process (`SoarIndex.search`), and through a server in
another one by `gleann.Client`, on a TCP port or a socket file: by one caller, one call
at a time, and by several at once, whose calls the server merges. All in turn, on the
same cores, client included.
"""

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from bench.datasets import Dataset, describe, load_dataset
from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, allowed_cores, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import busy, markdown, title
from gleann import Client
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.arrays import Ids, Vectors
from gleann.service.demo.server import running_server

NAME = "bench"
QUERIES = 4096
"""Searched in a round, by calls of each size."""

Search = Callable[[Vectors], Any]


def add_grpc(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--data", type=Path, required=True, help="folder or HDF5 file")
    parser.add_argument("--sizes", type=positive, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--callers", type=positive, nargs="+", default=[1, 2, 4])
    parser.add_argument(
        "--transport",
        choices=("tcp", "unix"),
        default="tcp",
        help="a port of this machine, or a socket file",
    )
    parser.add_argument("--ids", choices=("int64", "string"), default="int64")
    parser.add_argument("--k", type=positive, default=10)
    parser.add_argument("--target-recall", type=float, default=0.95)
    parser.add_argument("--rounds", type=positive, default=9)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--out",
        type=Path,
        help="default: bench/results/grpc-<data>-<ids>-<transport>.json",
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=run_grpc)


def run_grpc(arguments: argparse.Namespace) -> int:
    """Measure every size of call, write the result and print its table."""
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): timings will be noise")
    begun = provenance()
    dataset = load_dataset(arguments.data, quick=arguments.quick)
    names = ("k", "target_recall", "rounds", "seed", "ids", "transport", "quick")
    result = {"mode": "grpc", "data": describe(dataset)}
    result |= {name: getattr(arguments, name) for name in names} | begun
    result |= {"threads": len(allowed_cores())} | measure(dataset, arguments)
    stem = arguments.data.resolve().stem
    name = f"grpc-{stem}-{arguments.ids}-{arguments.transport}"
    out = arguments.out or default_file(name, quick=arguments.quick)
    write_json(result | {"load_at_end": load()}, out)
    print(grpc_table(result))
    say(f"result: {out}")
    return 0


def measure(dataset: Dataset, arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of every round of every way to call, by size."""
    ids = make_ids(len(dataset.base), arguments.ids)
    build = BuildParams(metric=dataset.metric, seed=arguments.seed)
    params = SearchParams(k=arguments.k, target_recall=arguments.target_recall)
    say("building in process")
    index = SoarIndex.build(dataset.base, build, ids=ids)
    with served(dataset, ids, build, transport=arguments.transport) as client:

        def here(queries: Vectors) -> Any:
            return index.search(queries, params)

        def there(queries: Vectors) -> Any:
            return client.search(NAME, queries, params)

        queries = np.resize(dataset.queries, (QUERIES, dataset.base.shape[1]))
        same = bool(np.array_equal(here(queries).ids, there(queries).ids))
        sizes = [size for size in arguments.sizes if size <= QUERIES]
        return {
            "nlist": index.nlist,
            "spill": index.params.spill,
            "queries": QUERIES,
            "same_answers": same,
            "calls": [
                time_size(queries, size, here, there, arguments) for size in sizes
            ],
        }


def make_ids(n: int, kind: str) -> Ids:
    """n ids of a kind; the strings are 5 to 12 characters."""
    rows = np.arange(n)
    return rows if kind == "int64" else np.array([f"item{row}" for row in rows])


@contextmanager
def served(
    dataset: Dataset, ids: Ids, build: BuildParams, *, transport: str
) -> Iterator[Client]:
    """A client of a server that runs in a separate process and holds the data."""
    with TemporaryDirectory(prefix="gleann-bench-") as folder:
        with Client(folder) as client:
            say("building in the service")
            client.create_index(NAME, dim=dataset.base.shape[1], metric=dataset.metric)
            client.upsert(NAME, ids, dataset.base)
            client.build(NAME, build).wait()
        root = Path(folder)
        listen = f"unix:{root / 's'}" if transport == "unix" else "127.0.0.1:0"
        with (
            running_server(root, root, listen=listen) as target,
            Client(target) as client,
        ):
            yield client


def time_size(
    queries: Vectors,
    size: int,
    here: Search,
    there: Search,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Every way to call in turn, `rounds` times, after one round that warms up."""
    blocks = [queries[i : i + size] for i in range(0, len(queries) - size + 1, size)]
    seconds: dict[str, list[float]] = {}
    for number in range(arguments.rounds + 1):
        taken = {"in process": _timed(here, blocks, callers=1)}
        for callers in arguments.callers:
            taken[str(callers)] = _timed(there, blocks, callers=callers)
        for way, one in taken.items() if number else ():
            seconds.setdefault(way, []).append(one)
    local = seconds.pop("in process")
    say(f"{size} queries a call: {np.median(local):.3f} s in process")
    return {
        "size": size,
        "queries": size * len(blocks),
        "local_seconds": local,
        "remote_seconds": seconds,
        "kept": {way: kept(local, taken) for way, taken in seconds.items()},
    }


def kept(local: list[float], remote: list[float]) -> dict[str, float]:
    """The share of the speed in process that is left, by round."""
    ratios = [a / b for a, b in zip(local, remote, strict=True)]
    return {"median": float(np.median(ratios)), "low": min(ratios), "high": max(ratios)}


def grpc_table(result: dict[str, Any]) -> str:
    """Queries per second of each way to call, and the share kept, with its spread."""
    rows = []
    for calls in result["calls"]:
        local = calls["queries"] / np.median(calls["local_seconds"])
        for callers, seconds in calls["remote_seconds"].items():
            share = calls["kept"][callers]
            rows.append(
                [
                    f"{calls['size']:,}",
                    callers,
                    f"{local:,.0f}",
                    f"{calls['queries'] / np.median(seconds):,.0f}",
                    f"{share['median']:.0%} ({share['low']:.0%}..{share['high']:.0%})",
                ]
            )
    head = ["queries a call", "callers", "in process, QPS", "gRPC, QPS", "kept"]
    way = "a socket file" if result.get("transport") == "unix" else "TCP"
    recall = f"target recall {result['target_recall']:g}"
    what = f"{title(result)}: gRPC over {way} at {recall}"
    doubts = busy(result)
    if not result["same_answers"]:
        doubts.append("- the answers in process and through gRPC differ")
    parts = [f"{what}, {result['ids']} ids", markdown(head, rows), "\n".join(doubts)]
    return "\n\n".join(part for part in parts if part)


def _timed(search: Search, blocks: list[Vectors], *, callers: int) -> float:
    """Seconds until all blocks are answered; idle callers take the next one."""
    start = perf_counter()
    if callers == 1:
        for block in blocks:
            search(block)
    else:
        with ThreadPoolExecutor(callers) as pool:
            list(pool.map(search, blocks))
    return perf_counter() - start
