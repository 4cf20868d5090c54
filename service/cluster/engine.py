"""The package ray, loaded where work on a cluster begins."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from gleann._needed import needing
from gleann.index.errors import (
    EngineUnavailableError,
    GleannError,
    MissingPackageError,
    UnavailableError,
)

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_prestart_worker_first_driver": "0",
}
"""Settings that Ray reads from the environment: it sends no statistics of its use,
leaves the variables of devices as they are, does not write to stderr how tasks failed
whose results nobody takes, as the first error is raised, and does not wait for workers
while it starts: without end, where one is lost. A setting that a Ray does not know is
ignored here, where `_system_config` would stop it. What a user has set stays."""

CANCELS = 5
"""Of one task, at most."""

END_SECONDS = 2.0
"""For a worker to end whose task is cancelled; it takes some hundredths."""


def loaded() -> Any:
    """The module ray.

    Raises:
        MissingPackageError: it is not installed, or is older than gleann needs it.
        EngineUnavailableError: it cannot be imported for another reason.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        with needing("work on a cluster"):
            import ray
            import ray.exceptions
            import ray.util.scheduling_strategies
    except MissingPackageError:
        raise
    except ImportError as error:
        raise EngineUnavailableError(
            "work on a cluster needs the package ray, which cannot be imported:"
            f" {error}; pip install 'ray[data]'"
        ) from error
    return ray


def stop(ray: Any, tasks: Iterable[Any], *, force: bool) -> None:
    """End tasks whose answers nobody takes; those that have answered are left alone.

    Ray ends this process where it is told to cancel a task whose answer it is putting
    in place just then (github.com/ray-project/ray/pull/54798), as is a task that
    was waited for and has failed. So the caller leaves that one out. Ray may also take
    a worker that ends by `force` for one that was lost, and run its task again, which
    would have a CPU without end: so it is looked, and such a task is cancelled again.

    Args:
        ray: the module.
        tasks: the references of their answers.
        force: whether their workers end with them, which Ray refuses of actors.
    """
    given = list(tasks)
    going = _not_answered(ray, given, seconds=0)
    _cancel(ray, going, force=force)
    for _ in range(CANCELS - 1 if force else 0):
        going = _not_answered(ray, going, seconds=END_SECONDS)
        _cancel(ray, going, force=True)


def _cancel(ray: Any, tasks: list[Any], *, force: bool) -> None:
    for one in tasks:
        ray.cancel(one, force=force)


def _not_answered(ray: Any, tasks: list[Any], *, seconds: float) -> list[Any]:
    """Those of some tasks that go on after so many seconds; less, if none does."""
    if not tasks:
        return []
    going: list[Any]
    _, going = ray.wait(tasks, num_returns=len(tasks), timeout=seconds)
    return going


@contextmanager
def errors_unwrapped(doing: str) -> Iterator[None]:
    """Raise what a task raised as it was; what Ray itself raises as one of ours.

    Args:
        doing: what was asked of the cluster, in words, for the message.

    Raises:
        UnavailableError: Ray could not do it: workers were lost more often than they
            are replaced, or the cluster is gone.
    """
    ray = loaded()
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, GleannError):
            # The frames of the worker are no more than text here.
            raise cause from None
        if isinstance(cause, Exception):
            raise cause from error
        raise
    except ray.exceptions.RayError as error:
        raise UnavailableError(f"{doing}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
