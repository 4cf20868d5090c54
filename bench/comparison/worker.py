"""The process of one peer: it builds, searches and times, and nothing else.

Each peer has a process of its own, so that a crash ends one peer and not the run, that
memory is its own, and that thread settings cannot leak. The process is pinned to as
many cores as it may have threads: a library that starts more gains nothing by it. An
exception ends the process; its traceback is in the log that the parent reads.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from types import ModuleType
from typing import Any

import numpy as np

from bench.datasets import Dataset, load_dataset
from bench.peers.contract import Params, PeerUnavailableError
from bench.provenance import allowed_cores

SMALL_BATCH = 100
WARMUP_QUERIES = 200
"""Warm-up queries before each timing, for threads and caches; not timed."""

WARMUP_ROWS = 2000
"""Rows of the warm-up graph."""

LEAST_SECONDS = 0.25
"""Minimum seconds of a timing, which repeats its call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The task of a worker.

    Attributes:
        module: dotted name of the peer.
        data: where the data set is.
        quick: cut it down.
        threads: threads and cores the peer may use.
        log: file that takes what it prints.
    """

    module: str
    data: str
    quick: bool
    threads: int
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One search to time.

    Attributes:
        build: how the index that answers was built.
        search: search parameters.
        mode: "batch", "batch100" or "single".
        k: neighbours.
        queries: how many, from the front; 0 for all.
        repeats: at most so many calls, and no more after `LEAST_SECONDS`.
    """

    build: Params
    search: Params
    mode: str
    k: int
    queries: int = 0
    repeats: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timed:
    """The answer and its cost.

    Attributes:
        rows: int64 (nq, k).
        seconds: mean seconds of one pass over the queries.
        cores: CPU seconds a second of wall time.
        latencies: seconds of each query, in mode "single"; else empty.
    """

    rows: np.ndarray
    seconds: float
    cores: float
    latencies: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GraphAsk:
    """Neighbours of data rows among all rows.

    Attributes:
        build: build parameters of the index.
        search: search parameters.
        k: neighbours.
        own: rows (m,) whose neighbours come back.
        whole: find those of all rows, and time that.
    """

    build: Params
    search: Params
    k: int
    own: np.ndarray
    whole: bool


def serve(pipe: Connection, job: Job) -> None:
    """Answer requests (method, argument) until a stop request."""
    _redirect_output(Path(job.log))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, allowed_cores()[: job.threads])
    worker = Worker(job)
    with suppress(EOFError):
        while True:
            method, argument = pipe.recv()
            pipe.send(getattr(worker, method)(argument))


class Worker:
    """A peer, its data, and the indexes it has built."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._module: ModuleType
        self._dataset: Dataset
        self._built: dict[str, Any] = {}

    def open(self, _: None) -> tuple[bool, str]:
        """Load the peer: (True, version) or (False, the reason it is not usable)."""
        try:
            self._module = import_module(self._job.module)
            return True, self._module.version()
        except (ImportError, PeerUnavailableError) as error:
            return False, str(error)

    def load(self, _: None) -> int:
        """Load the data; returns the bytes of anonymous memory before."""
        before = anonymous_bytes()
        self._dataset = load_dataset(Path(self._job.data), quick=self._job.quick)
        return before

    def build(self, params: Params) -> tuple[float, float]:
        """Build if not built yet; returns seconds and mean CPU cores used."""
        key = build_key(params)
        if key in self._built:
            return 0.0, 0.0
        dataset = self._dataset
        wall, cpu = perf_counter(), process_time()
        self._built[key] = self._module.build(
            dataset.base, dataset.metric, self._job.threads, dict(params)
        )
        return _since(wall, cpu)

    def keep(self, keys: list[str]) -> None:
        """Drop every index that is not one of `keys`."""
        self._built = {key: self._built[key] for key in keys if key in self._built}
        gc.collect()

    def search(self, ask: Ask) -> Timed:
        """Time a search of an index that has been built."""
        queries = self._dataset.queries[: ask.queries or None]
        self._call(ask, queries[:WARMUP_QUERIES])()
        call = self._call(ask, queries)
        passes, latencies = 0, []
        wall, cpu = perf_counter(), process_time()
        while passes == 0 or (
            passes < ask.repeats and perf_counter() - wall < LEAST_SECONDS
        ):
            parts, took = call()
            latencies.append(took)
            passes += 1
        seconds, cores = _since(wall, cpu)
        return Timed(
            rows=np.concatenate([np.asarray(part) for part in parts]).astype(np.int64),
            seconds=seconds / passes,
            cores=cores,
            latencies=np.concatenate(latencies),
        )

    def warm(self, ask: GraphAsk) -> None:
        """Build a graph of a few rows, to trigger compilation at first use."""
        few = self._dataset.base[:WARMUP_ROWS]
        built = self._module.build(
            few, self._dataset.metric, self._job.threads, dict(ask.build)
        )
        self._module.neighbours(built, None, ask.k, dict(ask.search))

    def neighbours(self, ask: GraphAsk) -> Timed:
        """Time the neighbours of all rows, or of some, by what has been built."""
        built = self._built[build_key(ask.build)]
        own = None if ask.whole else ask.own
        wall, cpu = perf_counter(), process_time()
        rows = self._module.neighbours(built, own, ask.k, dict(ask.search))
        seconds, cores = _since(wall, cpu)
        return Timed(
            rows=rows[ask.own] if ask.whole else rows,
            seconds=seconds,
            cores=cores,
            latencies=np.empty(0),
        )

    def work(self, ask: Ask) -> dict[str, float | str] | None:
        """Work counts of a search, if the peer reports them."""
        count = getattr(self._module, "work", None)
        if count is None:
            return None
        index = self._built[build_key(ask.build)]
        queries = self._dataset.queries[: ask.queries or None]
        return count(index, queries, ask.k, dict(ask.search))

    def normaliser(self, _: None) -> list[float]:
        """Seconds of one fixed matrix product, to detect drift of the machine."""
        rng = np.random.default_rng(0)
        square = rng.normal(size=(1024, 1024)).astype(np.float32)
        seconds = []
        for _ in range(5):
            start = perf_counter()
            np.matmul(square, square)
            seconds.append(perf_counter() - start)
        return seconds

    def serving_bytes(self, _: None) -> int:
        """Anonymous memory after the data are freed, with the indexes kept."""
        del self._dataset
        gc.collect()
        with suppress(OSError, AttributeError):  # only glibc can trim
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        return anonymous_bytes()

    def _call(
        self, ask: Ask, queries: np.ndarray
    ) -> Callable[[], tuple[list[np.ndarray], np.ndarray]]:
        index = self._built[build_key(ask.build)]
        search, params, k = self._module.search, dict(ask.search), ask.k
        step = {"single": 1, "batch100": SMALL_BATCH}.get(ask.mode, len(queries))
        blocks = [queries[i : i + step] for i in range(0, len(queries), step)]

        def untimed() -> tuple[list[np.ndarray], np.ndarray]:
            return [search(index, block, k, params) for block in blocks], np.empty(0)

        def timed() -> tuple[list[np.ndarray], np.ndarray]:
            answers, seconds = [], np.empty(len(blocks))
            for i, block in enumerate(blocks):
                start = perf_counter()
                answers.append(search(index, block, k, params))
                seconds[i] = perf_counter() - start
            return answers, seconds

        return timed if ask.mode == "single" else untimed


def build_key(params: Params) -> str:
    """A name for a set of build parameters."""
    return repr(sorted(params.items()))


def anonymous_bytes(pid: int | str = "self") -> int:
    """Resident anonymous memory of a process; 0 if the system does not report it."""
    return status_bytes("RssAnon", pid)


def status_bytes(field: str, pid: int | str = "self") -> int:
    """A memory field of /proc/<pid>/status in bytes; 0 if absent."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    found = next((line for line in lines if line.startswith(f"{field}:")), "x 0 kB")
    return int(found.split()[1]) * 1024


def _since(wall: float, cpu: float) -> tuple[float, float]:
    seconds = perf_counter() - wall
    return seconds, (process_time() - cpu) / max(seconds, 1e-9)


def _redirect_output(log: Path) -> None:
    """Redirect the output of C++ libraries to the log, away from the tables."""
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    os.close(opened)
