"""Ray on this machine, or one that runs, for the time of a piece of work."""

import os
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from socket import create_connection
from threading import current_thread, main_thread
from typing import Any, TypeVar

from gleann.index.errors import (
    EngineUnavailableError,
    InvalidParamsError,
    UnavailableError,
)
from gleann.index.parallel.cores import usable_cores
from gleann.service.cluster import engine
from gleann.service.cluster.room import Patience, wait_for_workers
from gleann.service.cluster.versions import require_same_versions

Task = TypeVar("Task")
Result = TypeVar("Result")

RETRIES = 3
"""Times that a task is run again whose worker was lost."""

AHEAD = 2
"""Tasks a worker that are given out before the results of earlier ones are taken: the
answers that wait for an earlier one stay few."""

CONNECT_SECONDS = 10.0
"""That the head of a cluster may take to accept a connection."""

CLIENT = "ray://"
"""Begins the address of a Ray that is joined by Ray's client, from elsewhere."""

AUTH_MODE = "RAY_AUTH_MODE"
"""The variable that says whether a Ray asks for a token, and its client shows it."""

TOKEN_FILE = Path("~/.ray/auth_token")
"""Where Ray keeps the token that it asks for, unless a variable says otherwise."""

TOKEN_VARIABLES = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
"""The variables that have the token, or say in which file it is."""

STORE_BYTES = 1 << 30
"""Of the object store of a Ray that is started here: what tasks are given and answer.
Rows do not travel through it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Ray that this process has joined.

    Attributes:
        ray: the module.
        workers: tasks that run at once.
        address: what was joined; "" for a Ray that was started for this work.
        patience: with other work that has the CPUs.
    """

    ray: Any = field(repr=False)
    workers: int
    address: str = ""
    patience: Patience = field(default_factory=Patience)

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        /,
        *,
        retries: int = RETRIES,
    ) -> Iterator[Result]:
        """Call `function` on each task, on the workers; results in the tasks' order.

        Tasks are taken from `tasks` when there is a worker for them, `AHEAD` a worker
        early. `function` is sent once: arrays that all tasks need belong into it
        (`functools.partial(assign, centroids)`), where workers of a machine share them,
        read-only. It has to be importable on the workers, and gives the same result
        when it is run again: a task whose worker is lost is.

        Raises:
            UnavailableError: a task lost its worker `retries` + 1 times, or no CPU was
                free in time.
            GleannError: what a task raised; tasks that run are stopped then, and where
                the caller takes no more results.
        """
        ray = self.ray
        free = ray.remote(num_cpus=1)(_started_one).remote()
        wait_for_workers(ray, [free], self.patience)
        sent = ray.put(function)
        call = ray.remote(num_cpus=1, max_retries=retries)(_call)
        running: deque[Any] = deque()
        numbers = count()
        try:
            for task in tasks:
                running.append(call.remote(sent, task))
                if len(running) >= self.workers * AHEAD:
                    yield self._first(running, next(numbers))
            while running:
                yield self._first(running, next(numbers))
        finally:
            engine.stop(ray, running, force=True)

    def _first(self, running: deque[Any], number: int) -> Any:
        first = running.popleft()
        try:
            with engine.errors_unwrapped(f"task {number} was lost"):
                return self.ray.get(first)
        except KeyboardInterrupt:
            running.appendleft(first)  # it has not answered, and is stopped
            raise


@contextmanager
def joined(
    address: str | None = None,
    *,
    workers: int | None = None,
    patience: Patience | None = None,
) -> Iterator[Cluster]:
    """Join the Ray at `address`, or start one on this machine; leave or stop it after.

    A process that has joined one already (its own `ray.init`, or a `joined` around this
    one) goes on with that.

    Args:
        address: "auto" or "host:port" for a cluster that runs, "ray://host:port" for
            one by Ray's client; None starts Ray on this machine.
        workers: tasks at once; None takes all CPUs there are.
        patience: with other work that has the CPUs; None waits in silence.

    Raises:
        EngineUnavailableError: the package ray is not installed, or workers have
            another version of gleann, Ray or Python, or other kernels.
        InvalidParamsError: fewer than one worker.
        UnavailableError: there is no Ray at `address`, or it does not start.
    """
    if workers is not None and workers < 1:
        raise InvalidParamsError(f"workers must be at least 1, got {workers}")
    if address is not None and address.startswith(CLIENT):
        show_token()  # before ray is loaded, which reads this once
    ray = engine.loaded()
    with ExitStack() as stack:
        if not ray.is_initialized():
            stack.enter_context(
                _started(ray, workers) if address is None else _member(ray, address)
            )
        if address is not None:
            require_same_versions(ray)
        cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        yield Cluster(
            ray=ray,
            workers=min(workers or cpus, cpus),
            address=address or "",
            patience=patience or Patience(),
        )


@contextmanager
def _started(ray: Any, workers: int | None) -> Iterator[None]:
    """A Ray on this machine, with a folder of its own; both go at the end."""
    with tempfile.TemporaryDirectory(
        prefix="gleann-", ignore_cleanup_errors=True
    ) as folder:
        try:
            _begin(
                ray,
                "Ray does not start on this machine",
                address="local",  # not what RAY_ADDRESS names
                num_cpus=workers or usable_cores(),
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                _temp_dir=str(Path(folder).resolve()),
            )
            yield
        finally:
            ray.shutdown()  # what has started, where not all of it has


@contextmanager
def _member(ray: Any, address: str) -> Iterator[None]:
    failed = f"no Ray can be joined at {address!r}"
    _require_listener(address, failed)
    if address.startswith(CLIENT):
        mode = os.environ.get(AUTH_MODE, "not set")
        failed = f"{failed} ({AUTH_MODE} is {mode}; token for one that asks for it)"
    _begin(ray, failed, address=address)
    try:
        yield
    finally:
        ray.shutdown()


def show_token() -> None:
    """Let Ray's client show the token that there is, where nothing else is set.

    A Ray that asks for one refuses the client without it, which then waits in vain; a
    process that joins otherwise shows it by itself.
    """
    told = any(name in os.environ for name in TOKEN_VARIABLES)
    if told or TOKEN_FILE.expanduser().exists():
        os.environ.setdefault(AUTH_MODE, "token")


def _require_listener(address: str, failed: str) -> None:
    """Refuse a host and port that nobody listens at: Ray tries it for minutes."""
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UnavailableError(f"{failed}: {error}") from error


def _begin(ray: Any, failed: str, **settings: Any) -> None:
    """`ray.init`, without its log lines, and with the signals left as they were.

    Ray puts a handler of SIGTERM in the place of the one there is.
    """
    in_main = current_thread() is main_thread()
    handler = signal.getsignal(signal.SIGTERM) if in_main else None
    try:
        ray.init(logging_level="error", log_to_driver=False, **settings)
    except Exception as error:  # Ray raises it as such where its node is late
        if "version mismatch" in str(error).lower():
            # Ray says both: of the cluster, and of this process.
            raise EngineUnavailableError(" ".join(str(error).split())) from error
        raise UnavailableError(f"{failed}: {error}") from error
    finally:
        if in_main and handler is not None:
            signal.signal(signal.SIGTERM, handler)


def _started_one() -> None:
    """What a worker does that is to start."""


def _call(function: Callable[[Task], Result], task: Task) -> Result:
    """A task, on its worker; Ray hands it the function out of its store."""
    return function(task)
