"""Starts the process that writes a compacted version, follows it and stops it."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import PIPE, Popen
from threading import Thread
from typing import IO, Any

from gleann.index import Progress, errors
from gleann.index.errors import GleannError, LimitError, ServiceError
from gleann.service.optimizer.worker import Inputs, perform

SECONDS_BETWEEN = 0.1
"""Between two looks at whether the work must stop."""

STOPS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""Signals that stop a server, and that some send to all processes of a service. The
process never takes them: the server stops it."""

# Ignored too: what is imported might unblock them.
CODE = (
    "import signal, sys\n"
    f"for stop in {[*map(int, STOPS)]}: signal.signal(stop, signal.SIG_IGN)\n"
    "from gleann.service.optimizer.worker import main; main(sys.argv[1])"
)
LAST_WORDS = 2000
"""Characters of what a process that failed wrote, for the log."""

_log = logging.getLogger(__name__)


def perform_apart(
    inputs: Inputs, progress: Callable[[Progress], None], *, threads: int
) -> None:
    """Do what `inputs` describe in a process of its own.

    Args:
        inputs: the folder, whole.
        progress: called at least ten times a second, also without news; what it raises
            stops the process.
        threads: of the libraries for matrix products.

    Raises:
        GleannError: as the process says; `LimitError` where the kernel ended it, which
            it does for want of memory.
    """
    errors_file = inputs.folder / "errors.txt"
    try:
        with errors_file.open("wb") as words:
            process = _started(inputs.folder, words, threads)
    except (OSError, ValueError) as error:
        _log.warning("a version is written without a process of its own: %s", error)
        perform(inputs, progress)
        return
    with process:
        try:
            _follow(process, progress)
        except BaseException:
            process.kill()
            raise
    _require_done(process, errors_file)


def _started(folder: Path, words: IO[bytes], threads: int) -> "Popen[bytes]":
    """Start the process, with the signals that stop a server blocked from the outset.

    A new process has the mask of the thread that starts it. Without that, a signal ends
    the interpreter until `CODE` runs, which takes some hundredths of a second.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        return Popen(
            [sys.executable, "-P", "-c", CODE, str(folder)],
            stdin=PIPE,
            stdout=PIPE,
            stderr=words,
            env=environment(threads),
            start_new_session=True,  # a Ctrl-C goes to the whole group
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def environment(threads: int) -> dict[str, str]:
    """The variables of the process: with the same modules, and few threads."""
    few = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": paths, **dict.fromkeys(few, str(threads))}


def _follow(process: "Popen[bytes]", progress: Callable[[Progress], None]) -> None:
    """Pass on progress until the process ends; raises what it says went wrong."""
    lines: SimpleQueue[bytes] = SimpleQueue()
    assert process.stdout is not None
    Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    news = Progress(phase="start", done=0, total=0)
    while True:
        progress(news)
        try:
            line = lines.get(timeout=SECONDS_BETWEEN)
        except Empty:
            continue
        if not line:
            return
        said = json.loads(line)
        if "error" in said:
            raise _error(said)
        if "progress" in said:
            news = Progress(**said["progress"])


def _read(stdout: Any, lines: "SimpleQueue[bytes]") -> None:
    """Put each line in the queue, and an empty one at the end."""
    for line in stdout:
        lines.put(line)
    lines.put(b"")


def _error(said: dict[str, str]) -> GleannError:
    kind = getattr(errors, said["error"], ServiceError)
    return kind(said["message"])


def _require_done(process: "Popen[bytes]", errors_file: Path) -> None:
    status = process.returncode
    if status == 0:
        return
    words = errors_file.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:]
    _log.error("the process of a version ended with status %d: %s", status, words)
    if status == -signal.SIGKILL:
        raise LimitError(
            "the process was ended by the system: not enough memory, most likely"
        )
    raise ServiceError(f"the process ended with status {status}")
