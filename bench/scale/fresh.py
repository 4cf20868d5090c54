"""Work in a process of its own, whose memory is then its own.

RssAnon is watched from outside: libraries that keep the interpreter lock would stop a
thread that watches. Pages of mapped files do not count.
"""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from bench.comparison.process import PeerFailedError
from bench.comparison.worker import anonymous_bytes

SAMPLE_SECONDS = 0.02


def in_fresh_process(work: Callable[..., Any], *arguments: Any) -> tuple[Any, int]:
    """What `work` returns, and the peak of the process' anonymous memory in bytes.

    Args:
        work: a function of a module.
        arguments: of `work`; they and its result are pickled.

    Raises:
        PeerFailedError: the process ended without a result.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    peak = 0
    try:
        while not ours.poll(SAMPLE_SECONDS):
            peak = max(peak, anonymous_bytes(process.pid or 0))
        result = ours.recv()
    except EOFError as error:
        process.join()
        what = f"{work.__name__} ended with code {process.exitcode}"
        raise PeerFailedError(what) from error
    finally:
        ours.close()
        process.join()
    return result, peak


def _serve(pipe: Connection, work: Callable[..., Any], arguments: Any) -> None:
    pipe.send(work(*arguments))
