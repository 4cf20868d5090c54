"""The parent's side of a worker: start it, call it, detect when it dies or hangs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.comparison.worker import Job, serve
from bench.peers.contract import Peer

OPEN_SECONDS = 300.0
GONE_SECONDS = 10.0
LAST_LINES = 3


class PeerFailedError(Exception):
    """A peer's process died or hung; the message has the last lines it printed."""


class PeerProcess:
    """One worker process. A context manager: leaving it ends the process."""

    def __init__(self, peer: Peer, *, data: Path, quick: bool, threads: int) -> None:
        self._folder = TemporaryDirectory(prefix="gleann-bench-")
        self._log = Path(self._folder.name) / "log"
        self._env = _thread_settings(threads) | dict(peer.env)
        self._job = Job(
            module=peer.module,
            data=str(data),
            quick=quick,
            threads=threads,
            log=str(self._log),
        )
        self._start()

    def __enter__(self) -> "PeerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._end()
        self._folder.cleanup()

    def restart(self) -> None:
        """Restart with a new process that has the data loaded.

        Raises:
            PeerFailedError: it failed to load.
        """
        self._pipe.close()
        self._end()
        self._log.unlink(missing_ok=True)
        self._start()
        self.ask("open", seconds=OPEN_SECONDS)
        self.ask("load", seconds=OPEN_SECONDS)

    def _start(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, self._job), daemon=True
        )
        with _environment(self._env):
            self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid or 0

    def ask(self, method: str, argument: Any = None, *, seconds: float) -> Any:
        """Call a method of the worker and wait for its answer.

        Raises:
            PeerFailedError: it died, or did not answer within `seconds`.
        """
        self.post(method, argument)
        return self.wait(seconds=seconds)

    def post(self, method: str, argument: Any = None) -> None:
        """Call a method without waiting; `wait` returns the answer."""
        try:
            self._pipe.send((method, argument))
        except OSError as error:
            raise self._failure("its process is gone") from error

    def answered(self, seconds: float) -> bool:
        """Whether an answer arrived (or the process died) within `seconds`."""
        return self._pipe.poll(seconds)

    def wait(self, *, seconds: float) -> Any:
        """The answer to `post`.

        Raises:
            PeerFailedError: it died, or did not answer within `seconds`.
        """
        if not self._pipe.poll(max(seconds, 0)):
            self._end()
            raise self._failure(f"no answer within {seconds:.0f} s")
        try:
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(GONE_SECONDS)
            how = f"its process ended with code {self._process.exitcode}"
            raise self._failure(how) from error

    def _end(self) -> None:
        self._process.join(0.2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(GONE_SECONDS)

    def _failure(self, how: str) -> PeerFailedError:
        printed = self._log.read_text(errors="replace") if self._log.exists() else ""
        last = [line.strip() for line in printed.splitlines() if line.strip()]
        return PeerFailedError("; ".join([how, *last[-LAST_LINES:]]))


def _thread_settings(threads: int) -> dict[str, str]:
    """Environment of BLAS and OpenMP; each peer also sets its own."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "2"}


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Set the environment for a child that is started inside."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
