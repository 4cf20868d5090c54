"""Peer indexes on the same data and device, if they are installed.

Each peer is built once and searched with growing effort. Searches are timed twice:
with answers brought to the host, as ours are, and with answers left on the device.
Under cosine, rows are of unit length, and squared L2 orders them the same.
"""

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.gpu.data import Workload, index_of, workload
from bench.gpu.engines import recall_of, tuned_queries
from bench.gpu.run import Run
from bench.gpu.stages.peer_indexes import MAKERS, K, Maker, Peer, efforts_up_to
from bench.gpu.timing import seconds_of, wait
from gleann.index.engines.contract import ScanRequest
from gleann.index.metric import pair_distances

LEAST_BATCH = 100
"""Batch sizes for peers: they are batch engines, so one query is not a fair test."""


def peers(run: Run, name: str) -> None:
    """A row for each peer, level and batch."""
    for module, makers in MAKERS.items():
        ours = (
            {"faiss spilled": partial(faiss_spilled, run)} if module == "faiss" else {}
        )
        for title, maker in {**makers, **ours}.items():
            if not run.options.wants(title):
                continue
            if find_spec(module) is None:
                run.skip(f"{name} {title}", f"{module} is not installed")
                continue
            run.group(title, lambda m=maker: _measure(run, m, name))


def _measure(run: Run, maker: Maker, name: str) -> None:
    found = workload(run, name)
    rows = _rows_on_device(run, found)
    start = perf_counter()
    peer = maker(found, rows)
    wait(run.device)
    built = perf_counter() - start
    for level, effort, recall in _settings(run, found, peer):
        tuned = {"level": level, "effort": effort, "recall": recall}
        for batch in run.batches(there=len(found.queries), least=LEAST_BATCH):
            run.attempt(
                f"{level} batch {batch}",
                lambda t=tuned, b=batch: _row(
                    run, found, peer, b, build=built, tuned=t
                ),
            )


def _rows_on_device(run: Run, found: Workload) -> Tensor:
    key = f"rows {found.name}"
    if key not in run.kept:
        run.kept[key] = torch.from_numpy(found.vectors).to(run.device)
    return run.kept[key]


def _row(
    run: Run,
    found: Workload,
    peer: Peer,
    batch: int,
    *,
    build: float,
    tuned: dict[str, Any],
) -> None:
    asked = torch.from_numpy(found.queries[:batch]).to(run.device)
    effort = tuned["effort"]
    taken = seconds_of(run, lambda: on_host(peer.search(asked, effort)), most=1.0)
    resident = seconds_of(run, lambda: peer.search(asked, effort), most=1.0)
    run.row(
        set=found.name,
        inner_dimension=found.facts.get("inner_dimension"),
        peer=peer.name,
        **tuned,
        batch=len(asked),
        seconds=taken,
        on_device_seconds=resident,
        qps=len(asked) / taken,
        on_device_qps=len(asked) / resident,
        build_seconds=build,
    )


def _settings(
    run: Run, found: Workload, peer: Peer
) -> Iterator[tuple[float, Any, float]]:
    """The least effort for each level, and the recall on the queries not tuned with."""
    first = tuned_queries(found)
    tuning, rest = (
        torch.from_numpy(part).to(run.device)
        for part in (found.queries[:first], found.queries[first:])
    )
    open_levels = list(run.options.levels)
    for effort in peer.efforts:
        if not open_levels:
            return
        got = _recall(found, peer.search(tuning, effort), 0)
        while open_levels and got >= open_levels[0]:
            there = _recall(found, peer.search(rest, effort), first)
            yield open_levels.pop(0), effort, there
    for level in open_levels:
        run.skip(f"{found.name} {peer.name} {level}", "never reached")


def _recall(found: Workload, answers: Any, first: int) -> float:
    """By true distances: what peers return is taken for row numbers only."""
    rows = on_host(answers)[1].astype(np.int64)[:, :K]
    known = np.clip(rows, 0, len(found.vectors) - 1)
    queries = found.queries[first : first + len(rows)]
    near = pair_distances(queries, found.vectors[known], found.metric)
    near[rows != known] = np.inf
    return recall_of(found, near, first=first)


def on_host(answers: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Distances and rows (nq, k), as NumPy, of what torch, cuVS or NumPy answers."""
    distances, rows = (_array(part) for part in answers)
    return distances, rows


def _array(part: Any) -> np.ndarray:
    if isinstance(part, torch.Tensor):
        return part.cpu().numpy()
    if hasattr(part, "copy_to_host"):
        return part.copy_to_host()
    return np.asarray(part)


def faiss_spilled(run: Run, found: Workload, _: Tensor) -> Peer:
    """Our spilled lists in faiss' GPU index: queries come from the host."""
    index = index_of(run, found.name).with_engine("faiss-gpu")
    request = ScanRequest(k=K, rerank=min(4 * K, len(index)))

    def search(queries: Tensor, nprobe: int) -> Any:
        asked = queries.cpu().numpy()
        got = index.engine.search(asked, nprobe=nprobe, request=request)
        return got.distances, got.rows

    efforts = efforts_up_to(index.nlist)
    return Peer(name="gleann faiss-gpu", efforts=efforts, search=search)
