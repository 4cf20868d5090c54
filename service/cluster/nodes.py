"""The machines of a cluster, and one task on each."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from gleann.index.errors import UnavailableError
from gleann.service.cluster import engine

Result = TypeVar("Result")

SECONDS = 60.0
"""That a machine may take to answer, its first import of gleann among them."""


def machines_for_work(ray: Any) -> list[str]:
    """The ids of the machines with CPUs, ascending; of all, where none has any.

    A head is often started without: it coordinates, and nothing else is to run there.
    Ray places what asks for no CPU on it all the same.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    working = [node for node in alive if node["Resources"].get("CPU")]
    return sorted(node["NodeID"] for node in working or alive)


def on_each_machine(
    ray: Any, function: Callable[..., Result], *arguments: Any, doing: str
) -> Iterator[tuple[str, Result]]:
    """Call `function` on each machine at once; yields their names and answers.

    Args:
        ray: the module, of a cluster that was joined.
        function: what is called.
        *arguments: of it.
        doing: what the machine fails to do where it does not answer, for the message.

    Raises:
        UnavailableError: a machine does not answer within `SECONDS`.
        GleannError: what `function` raised.
    """
    pinned = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    call = ray.remote(num_cpus=0, max_retries=1)(function)
    asked = [
        (
            node["NodeManagerHostname"],
            call.options(
                scheduling_strategy=pinned(node_id=node["NodeID"], soft=False)
            ).remote(*arguments),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    for host, answer in asked:
        failed = f"the machine {host} does not {doing}"
        with engine.errors_unwrapped(failed):
            ready, _ = ray.wait([answer], timeout=SECONDS)
            if not ready:
                engine.stop(ray, [one for _, one in asked], force=True)
                raise UnavailableError(f"{failed} within {SECONDS:g} s")
            there = ray.get(answer)
        yield host, there
