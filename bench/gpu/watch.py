"""Runs units in a separate process, which is killed if one takes too long."""

import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from bench.ann import write_json
from bench.gpu.run import drop_stages, read_result, stale_stages
from bench.gpu.unit import Unit
from bench.gpu.worker import Began, Ended, Setup, work
from bench.provenance import commit
from bench.say import say

GRACE = 10.0
"""Seconds past its limit after which a unit is killed: it may be within a case."""

KILL_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl in Linux."""

START = 90.0
"""Seconds for a process to begin its first unit, or one more."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A worker that is gone.

    Attributes:
        unit: it was at, or None.
        why: empty where it ended by itself, and well.
    """

    unit: Unit | None
    why: str


Target = Callable[[Setup, list[Unit], Connection], None]


def measure(
    setup: Setup, units: list[Unit], *, resume: bool, target: Target = work
) -> bool:
    """Measure the units, in as many processes as it takes.

    Args:
        setup: how.
        units: what, in order.
        resume: go on with the result file where code, device and settings are the
            same, instead of measuring these stages anew.
        target: what the processes run.

    Returns:
        Whether every unit is finished: none was cut, and no case failed.
    """
    now = {"commit": commit(), "quick": setup.quick, "seed": setup.seed}
    asked = {unit.stage for unit in units}
    drop_stages(setup.out, stale_stages(setup.out, now=now) if resume else asked)
    left = [unit for unit in units if not _finished(setup, unit)]
    while left:
        before = len(left)
        stopped = _watched(setup, left, target)
        if stopped.unit is not None:
            left.remove(stopped.unit)
            _write_cut(setup, stopped)
        if len(left) == before:
            say(f"STOPPED: {stopped.why or 'no unit was begun'}")
            return False
    return all(_finished(setup, unit) for unit in units)


def _watched(setup: Setup, left: list[Unit], target: Target) -> Stopped:
    """The run of one process; units that it ended are taken off `left`."""
    with _process(setup, list(left), target) as (process, child):
        unit, deadline = None, monotonic() + START
        while child.poll(max(0.0, deadline - monotonic())):
            try:
                said = child.recv()
            except EOFError:
                process.join()
                why = f"the process ended with status {process.exitcode}"
                return Stopped(unit, why if process.exitcode else "")
            if isinstance(said, Ended):
                left.remove(said.unit)
                unit, deadline = None, monotonic() + START
            elif isinstance(said, Began):
                unit, deadline = said.unit, monotonic() + said.seconds + GRACE
        return Stopped(unit, f"killed {GRACE:.0f} s past its limit")


@contextmanager
def _process(
    setup: Setup, units: list[Unit], target: Target
) -> Iterator[tuple[Any, Connection]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(target, setup, units, theirs))
    process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        ours.close()


def _child(target: Target, setup: Setup, units: list[Unit], parent: Connection) -> None:
    """What the process runs; it is killed when its parent is."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(KILL_WITH_PARENT, signal.SIGKILL)
    target(setup, units, parent)


def _finished(setup: Setup, unit: Unit) -> bool:
    entry = read_result(setup.out).get("stages", {}).get(unit.stage, {})
    return unit.key in entry.get("finished", ())


def _write_cut(setup: Setup, stopped: Stopped) -> None:
    """Keep that a unit was cut off; its rows so far are in the file."""
    unit = stopped.unit
    assert unit is not None
    say(f"CUT OFF {unit.title}: {stopped.why}")
    result = read_result(setup.out)
    result["stages"][unit.stage]["skipped"].append(
        {"what": unit.title, "why": f"CUT OFF: {stopped.why}", "unit": unit.key}
    )
    write_json(result, setup.out)
