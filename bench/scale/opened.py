"""An engine in a process of its own, with its index opened from files.

The process is pinned to as many cores as it may have threads, as in `bench ann`.
"""

import os
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from bench.comparison.process import PeerFailedError
from bench.comparison.worker import anonymous_bytes
from bench.provenance import allowed_cores
from bench.scale.engines import Job


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """The answer to one batch.

    Attributes:
        ids: (nq, k).
        seconds: of the search.
        cpu_seconds: likewise.
        anonymous_bytes: of the process after it.
    """

    ids: np.ndarray
    seconds: float
    cpu_seconds: float
    anonymous_bytes: int


class OpenedIndex:
    """A context manager: leaving it ends the process.

    Args:
        module: of the engine.
        folder: of its index.
        queries: file of the queries, all of which every search asks.
        job: as it was built.

    Attributes:
        opened_bytes: anonymous memory of the process once the index was open.
        open_seconds: that took.
    """

    def __init__(self, module: str, folder: Path, queries: Path, job: Job) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, module, folder, queries, job)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self.open_seconds, self.opened_bytes = self._answer()

    def __enter__(self) -> "OpenedIndex":
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join()

    def search(self, k: int, params: dict[str, int]) -> Answer:
        """Search all queries.

        Raises:
            PeerFailedError: the process ended.
        """
        self._pipe.send((k, params))
        answer: Answer = self._answer()
        return answer

    def _answer(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError as error:
            self._process.join()
            code = self._process.exitcode
            raise PeerFailedError(f"its process ended with code {code}") from error


def _serve(
    pipe: Connection, module: str, folder: Path, queries: Path, job: Job
) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, allowed_cores()[: job.threads])
    engine = import_module(module)
    asked = np.load(queries)
    begun = perf_counter()
    index = engine.open_index(folder, job)
    pipe.send((perf_counter() - begun, anonymous_bytes()))
    while True:
        try:
            k, params = pipe.recv()
        except EOFError:
            return
        wall, cpu = perf_counter(), process_time()
        ids = engine.search(index, asked, k, params)
        seconds, used = perf_counter() - wall, process_time() - cpu
        answer = Answer(
            ids=np.asarray(ids).astype(np.int64),
            seconds=seconds,
            cpu_seconds=used,
            anonymous_bytes=anonymous_bytes(),
        )
        pipe.send(answer)
