"""Seconds of what Ray does: its start, tasks, messages, actors that open a shard."""

import pickle
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from gleann.service.cluster.session import Cluster, joined

TASKS = 200
MESSAGE_BYTES = 1 << 24
ROUNDS = 30


def least(work: Callable[[], object], rounds: int) -> float:
    """The least seconds of some rounds."""
    found = []
    for _ in range(rounds):
        begun = perf_counter()
        work()
        found.append(perf_counter() - begun)
    return min(found)


def started() -> dict[str, float]:
    """Seconds until a Ray of this machine takes tasks, and of its first task."""
    begun = perf_counter()
    with joined(workers=2) as cluster:
        start = perf_counter() - begun
        list(cluster.run(abs, [1]))
        return {"start": start, "first_task": perf_counter() - begun - start}


def messages(cluster: Cluster) -> dict[str, float]:
    """Seconds of a task, of a question to an actor and its answer, and of a byte."""
    ray = cluster.ray
    echo = ray.remote(num_cpus=0)(Echo).remote()
    small, large = np.zeros(1, np.uint8), np.zeros(MESSAGE_BYTES, np.uint8)
    ray.get(echo.back.remote(large))
    list(cluster.run(abs, range(TASKS)))

    def ask(message: Any) -> float:
        return least(lambda: ray.get(echo.back.remote(message)), ROUNDS)

    question = ask(small)
    a_byte = (ask(large) - question) / (2 * MESSAGE_BYTES)  # there and back
    tasks = least(lambda: list(cluster.run(abs, range(TASKS))), 3)
    ray.kill(echo)
    return {"question": question, "byte": max(a_byte, 0.0), "task": tasks / TASKS}


def opened(cluster: Cluster, path: Path) -> float:
    """Seconds until a new actor has opened an index and answers."""
    ray = cluster.ray
    seconds = []
    for _ in range(3):
        begun = perf_counter()
        actor = ray.remote(num_cpus=0)(Opened).remote(str(path))
        assert ray.get(actor.rows.remote()) > 0
        seconds.append(perf_counter() - begun)
        ray.kill(actor)
    return float(np.median(seconds))


class Echo:
    """An actor that gives back what it is given."""

    def back(self, message: Any) -> Any:
        """The message."""
        return message


class Opened:
    """An actor that opens an index."""

    def __init__(self, path: str) -> None:
        from gleann.index import SoarIndex

        self._index = SoarIndex.load(path, threads=1)

    def rows(self) -> int:
        """How many it has."""
        return len(self._index)


def bytes_of(message: object) -> int:
    """Bytes of a message as it is sent."""
    return len(pickle.dumps(message, protocol=5))
