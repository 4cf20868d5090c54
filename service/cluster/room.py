"""Waits for CPUs of a cluster that other work has, and says so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from gleann.index.errors import UnavailableError
from gleann.index.heartbeat import beat

SAID_SECONDS = 5.0
MOST_SECONDS = 600.0
LOOK_SECONDS = 0.5
"""So often it is looked whether the work is still wanted."""


def say_nothing(_text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long work waits for CPUs.

    Attributes:
        said: seconds until it is told what is waited for.
        most: seconds until it is given up.
        tell: takes a line for whoever waits.
    """

    said: float = SAID_SECONDS
    most: float = MOST_SECONDS
    tell: Callable[[str], None] = say_nothing


def wait_for_workers(ray: Any, started: Sequence[Any], patience: Patience) -> None:
    """Wait until workers have started, each with the CPU that it needs.

    Args:
        ray: the module, of a cluster that was joined.
        started: references of what each answers when it has.
        patience: how long.

    Raises:
        UnavailableError: some have not started in time; says how many CPUs are free.
    """
    begun, told = monotonic(), False
    waiting = list(started)
    while waiting:
        beat()  # whoever asked may have gone
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=LOOK_SECONDS)
        waited = monotonic() - begun
        if waiting and waited > patience.most:
            raise UnavailableError(
                f"{_missing(ray, len(waiting), len(started))}; given up after"
                f" {patience.most:g} seconds"
            )
        if waiting and waited > patience.said and not told:
            told = True
            patience.tell(
                f"{_missing(ray, len(waiting), len(started))}; waiting for up to"
                f" {patience.most:g} seconds"
            )


def _missing(ray: Any, waiting: int, of: int) -> str:
    free = ray.available_resources().get("CPU", 0)
    cpus = ray.cluster_resources().get("CPU", 0)
    return (
        f"{waiting} of {of} workers have not started: {free:g} of {cpus:g} CPUs of the"
        " cluster are free, and each worker needs one; another command may have the"
        " others"
    )
