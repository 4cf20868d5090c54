"""The process that measures: it works through units, and reports each to its parent."""

import os
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from bench.gpu.run import Run, open_run
from bench.gpu.stages import STAGES
from bench.gpu.unit import Unit
from bench.provenance import ROOT
from bench.say import say
from gleann.index.engines.device.plan.choice import resolve_device


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a worker measures.

    Attributes:
        device: torch's name of one; None for the first CUDA device.
        out: the result file.
        data: the folder with real data sets, or None.
        quick: tiny sizes.
        seed: of everything drawn.
        repeats: timings of which the median is reported.
        ends: when everything must end, by `monotonic()`.
        command: that was typed.
    """

    device: str | None
    out: Path
    data: Path | None
    quick: bool
    seed: int
    repeats: int
    ends: float = float("inf")
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Began:
    """A unit was begun, and may take some seconds more."""

    unit: Unit
    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A unit came to its end."""

    unit: Unit


def work(setup: Setup, units: list[Unit], parent: Connection) -> None:
    """Measure the units; returns early where the device is lost."""
    run = opened(setup)
    for unit in units:
        run.begin(unit)
        parent.send(Began(unit, max(0.0, run.left)))
        run.stage(lambda u=unit: STAGES[u.stage].work(run, u.name))
        run.end()
        parent.send(Ended(unit))
        if _lost(run.device):
            say("the device is lost: another process goes on")
            return


def opened(setup: Setup) -> Run:
    """The run, on a device that is there; ends the process where results lack a source.

    A result of hardware that does not name the code it measured is worth nothing.
    """
    device = resolve_device(setup.device)
    run = open_run(
        Run(
            device=device,
            out=setup.out,
            data=setup.data,
            quick=setup.quick,
            seed=setup.seed,
            repeats=1 if setup.quick else setup.repeats,
            ends=setup.ends,
        )
    )
    run.result["command"] = list(setup.command)
    if reason := no_source(device.type, run.result["commit"]):
        sys.exit(reason)
    return run


def command_line() -> tuple[str, ...]:
    """What was typed to start this process."""
    return ("python", *sys.orig_argv[1:])


def data_folder() -> Path | None:
    """The folder with real data sets, by the environment or beside the checkout."""
    found = Path(os.environ.get("GLEANN_DATA") or ROOT.parent / "shared/data")
    return found if found.is_dir() else None


def no_source(device_type: str, commit: str | None) -> str:
    """Why a result would not name what it measured; empty where it does."""
    if device_type != "cuda" or commit:
        return ""
    return (
        "bench.gpu: the commit is unknown here: set GLEANN_COMMIT, or write it to"
        " .gpu/commit (make gpu-pack does)"
    )


def _lost(device: torch.device) -> bool:
    """Whether a failed kernel left the process unable to use the device."""
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError as error:
        say(f"CUDA: {error}")
        return True
    return False
