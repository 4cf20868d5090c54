"""Who carries out the tasks of work on shards: a process, or those of a cluster."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Runner(Protocol):
    """Runs tasks: `map`, or `Cluster.run` of `service/cluster/session.py`."""

    def __call__(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], /
    ) -> Iterable[Result]:
        """Call `function` on each task; results in the order of the tasks.

        Args:
            function: what all tasks need is in it, by `functools.partial`; it may run
                several times for a task, at the same time too.
            tasks: small ones.
        """
