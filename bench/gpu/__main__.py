"""`python -m bench.gpu --stage ...`: everything about the GPU engine that is measured.

Stages can be run one by one; each keeps to a time limit, says what it left out, and
writes its part of one result file after every row. `bench/GPU.md` has the commands for
a lent machine.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gleann.index.engines.torch import unavailable_reason

if unavailable_reason():
    sys.exit(f"bench.gpu needs torch: {unavailable_reason()}")

from bench.gpu.build import build
from bench.gpu.ceilings import ceilings
from bench.gpu.coarse import coarse
from bench.gpu.conformance import conformance
from bench.gpu.data import MADE, REAL
from bench.gpu.exact import exact
from bench.gpu.kernel import kernel
from bench.gpu.peers import peers
from bench.gpu.run import Run, open_run
from bench.gpu.search import latency, search
from bench.gpu.select import select
from bench.provenance import ROOT
from bench.say import say
from gleann.index.engines.device.choice import resolve_device


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage does, and the seconds it may take."""

    work: Callable[[Run], None]
    seconds: float


STAGES = {
    "conformance": Stage(conformance, 120),
    "ceilings": Stage(ceilings, 20),
    "kernel": Stage(kernel, 30),
    "coarse": Stage(coarse, 10),
    "exact": Stage(exact, 60),
    "search": Stage(search, 140),
    "latency": Stage(latency, 40),
    "build": Stage(build, 40),
    "select": Stage(select, 50),
    "peers": Stage(peers, 80),
}
"""Together 590 seconds, under the ten minutes of one command on a lent machine."""


def main(arguments: list[str] | None = None) -> int:
    """Run the stages asked for; returns the exit status."""
    given = _parser().parse_args(arguments)
    run = open_run(
        Run(
            device=resolve_device(given.device),
            out=given.out,
            data=given.data,
            sets=tuple(given.sets),
            quick=given.quick,
            seed=given.seed,
            repeats=1 if given.quick else given.repeats,
        )
    )
    for name in given.stage:
        run.begin(name, seconds=STAGES[name].seconds * given.patience)
        run.attempt(name, lambda name=name: STAGES[name].work(run))
        run.entry["left"] = round(run.left, 1)
        run.save()
    say(f"result: {given.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument(
        "--stage", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE"
    )
    parser.add_argument("--device", help="of torch; default: the first CUDA device")
    parser.add_argument(
        "--sets", nargs="+", choices=[*MADE, *REAL], default=[*MADE, *REAL]
    )
    parser.add_argument("--data", type=Path, default=_data_folder())
    parser.add_argument("--out", type=Path, default=ROOT / "bench/results/gpu.json")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument(
        "--patience", type=float, default=1.0, help="times the stages' time limits"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    return parser


def _data_folder() -> Path | None:
    said = os.environ.get("GLEANN_DATA")
    return Path(said) if said else None


if __name__ == "__main__":
    raise SystemExit(main())
