"""A runner that keeps each shard with one worker, which has it open."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from gleann.index.shards.runner import Result, Task
from gleann.service.cluster import engine
from gleann.service.cluster.room import wait_for_workers
from gleann.service.cluster.session import AHEAD, RETRIES, Cluster


class PinnedRunner:
    """A `Runner` on a cluster: the task at place i always goes to the same worker.

    What a worker keeps between tasks (open shards, coverings) is there for the next
    one. A worker that is lost is replaced, and its tasks are run again; what it kept
    is made again, as the tasks see to themselves.

    Its workers have their CPUs until `close`: tasks of `Cluster.run`, or a second
    runner, wait for others that are free, as long as their `patience` lets them.

    Args:
        cluster: that has the workers.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._ray = cluster.ray
        self._patience = cluster.patience
        kind = cluster.ray.remote(
            num_cpus=1, max_restarts=-1, max_task_retries=RETRIES
        )(_Worker)
        self._workers = [kind.remote() for _ in range(cluster.workers)]

    def __call__(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], /
    ) -> Iterator[Result]:
        """Call `function` on each task; results in the order of the tasks.

        Raises:
            UnavailableError: a task lost its worker more often than it is run again.
            GleannError: what a task raised.
        """
        running: deque[Any] = deque()
        taken = 0
        try:
            for number, task in enumerate(tasks):
                worker = self._workers[number % len(self._workers)]
                running.append(worker.call.remote(function, task))
                if len(running) >= len(self._workers) * AHEAD:
                    yield self._first(running, taken)
                    taken += 1
            while running:
                yield self._first(running, taken)
                taken += 1
        finally:
            engine.stop(self._ray, running, force=False)

    def wait(self) -> None:
        """Wait until each worker has its CPU.

        Raises:
            UnavailableError: one has not in time.
        """
        started = [one.process_id.remote() for one in self._workers]
        wait_for_workers(self._ray, started, self._patience)

    def process_ids(self) -> list[int]:
        """The process of each worker, on its machine."""
        with engine.errors_unwrapped("workers do not answer"):
            return self._ray.get([one.process_id.remote() for one in self._workers])

    def close(self) -> None:
        """End the workers."""
        for one in self._workers:
            self._ray.kill(one)

    def _first(self, running: deque[Any], number: int) -> Any:
        # Once it has answered, it must not be stopped; workers end with this runner.
        first = running.popleft()
        with engine.errors_unwrapped(f"task {number} was lost"):
            return self._ray.get(first)


@contextmanager
def pinned(cluster: Cluster) -> Iterator[PinnedRunner]:
    """A runner with workers of its own, which end with the work.

    Raises:
        UnavailableError: they have not all started in time.
    """
    runner = PinnedRunner(cluster)
    try:
        runner.wait()
        yield runner
    finally:
        runner.close()


class _Worker:
    """Runs tasks, one at a time."""

    def call(self, function: Callable[[Task], Result], task: Task) -> Result:
        """A task."""
        return function(task)

    def process_id(self) -> int:
        """Of this worker, on its machine."""
        return os.getpid()
