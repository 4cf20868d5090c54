"""`python -m bench.gpu --stage ...`: all benchmarks of the GPU engine.

Each stage runs on each data set within a time limit, in a process that is killed where
it does not keep to it, and writes its part of one result file after every row.
`bench/GPU.md` has the commands for a lent machine.
"""

import argparse
import sys
from pathlib import Path
from time import monotonic

from bench.option_types import natural, positive
from gleann.index.engines.torch import unavailable_reason

if unavailable_reason():
    sys.exit(f"bench.gpu needs torch: {unavailable_reason()}")

from bench.gpu.data import MADE, REAL
from bench.gpu.stages.table import STAGES, units_of
from bench.gpu.unit import BATCHES, KINDS, LEVELS, SEGMENTS, Options
from bench.gpu.watch import measure
from bench.gpu.worker import Setup, command_line, data_folder
from bench.provenance import ROOT
from bench.say import say

BESIDE = "sift-128"


def main(arguments: list[str] | None = None) -> int:
    """Run the requested stages; returns the exit status."""
    given = _parser().parse_args(arguments)
    options = Options(
        levels=tuple(sorted(given.levels)),
        batches=tuple(sorted(given.batches)),
        kinds=tuple(given.kinds),
        segments=tuple(given.segments),
        only=tuple(given.only),
    )
    sets = given.sets or _usual_sets(given.data)
    units = units_of(given.stage, sets, options, patience=given.patience)
    whole = measure(setup_of(given), units, resume=given.resume)
    say(f"result: {given.out}")
    return 0 if whole else 1


def _usual_sets(data: Path | None) -> list[str]:
    """The sets that are made, and the real one beside which they were drawn."""
    if data is not None and (data / BESIDE / "meta.json").exists():
        return [*MADE, BESIDE]
    say(f"SKIPPED {BESIDE}: there is no such folder in {data} (--data, GLEANN_DATA)")
    return [*MADE]


def setup_of(given: argparse.Namespace) -> Setup:
    """The measurement settings from the options of `add_setup`."""
    return Setup(
        device=given.device,
        out=given.out,
        data=given.data,
        quick=given.quick,
        seed=given.seed,
        repeats=given.repeats,
        ends=monotonic() + given.seconds,
        command=command_line(),
    )


def add_setup(parser: argparse.ArgumentParser) -> None:
    """Options of how, not of what."""
    parser.add_argument("--device", help="of torch; default: the first CUDA device")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--out", type=Path, default=ROOT / "bench/results/gpu.json")
    parser.add_argument("--repeats", type=positive, default=20)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="for everything together"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument(
        "--stage", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE"
    )
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=[*MADE, *REAL],
        help="default: all that are made, and sift-128 where it is",
    )
    parser.add_argument("--levels", nargs="+", type=float, default=LEVELS)
    parser.add_argument("--batches", nargs="+", type=positive, default=BATCHES)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--segments", nargs="+", choices=SEGMENTS, default=SEGMENTS)
    parser.add_argument(
        "--only", nargs="+", default=(), metavar="CASE", help="of conformance (core,"
        " rest), exact (torch, ours), select (farthest, graph, gains), peers"
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=float, default=1.0, help="times the stages' time limits"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the result file"
    )
    add_setup(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
