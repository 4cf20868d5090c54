"""`python -m bench.gpu.parts A`: one of the three calls that fit fifteen minutes.

A: is it right, and where does the time go? B: the targets. C: the peers. Each writes a
result file of its own, goes on with what an earlier try of the same code on the same
device left there, and ends with what is to be read first. See `bench/GPU.md`.
"""

import argparse
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from bench.gpu.__main__ import add_setup, setup_of
from bench.gpu.reading import first_lines
from bench.gpu.run import read_result
from bench.gpu.unit import Options, Unit
from bench.gpu.watch import measure
from bench.provenance import ROOT
from bench.say import say

BROUGHT_BACK = ROOT / ".gpu" / "results"
"""Where results are put that a call brought back, for the next try to go on with."""

REPEATS = 10
BATCHES = (1, 1000, 10_000)
LARGE = (1000, 10_000)
FLASHLIB = ("flashlib IVF", "flashlib exact", "flashlib CAGRA")
FLASHLIB_MORE = ("flashlib IVF bf16", "flashlib IVF 1024", "flashlib CAGRA 64")


@dataclass(frozen=True, slots=True)
class Part:
    """The measurements of one call.

    Attributes:
        seconds: for all of it; the call's own limit is to be half a minute more.
        units: in order; what matters least comes last.
    """

    seconds: float
    units: tuple[Unit, ...]


def _unit(stage: str, name: str, seconds: float, **options: object) -> Unit:
    chosen = Options(**{"levels": (0.95,), **options})
    return Unit(stage=stage, name=name, seconds=seconds, options=chosen)


PARTS = {
    "A": Part(
        170,
        (
            _unit("machine", "", 15),
            _unit("conformance", "", 80, only=("core",)),
            _unit("ceilings", "", 10),
            _unit("search", "made-1m-128", 45, kinds=("bf16",), batches=BATCHES),
            _unit("kernel", "made-1m-128", 20, batches=(10_000,)),
            _unit("coarse", "made-1m-128", 15, batches=(10_000,)),
        ),
    ),
    "B": Part(
        330,
        (
            _unit("search", "made-1m-128", 60, levels=(0.95, 0.99), batches=BATCHES),
            _unit("latency", "made-1m-128", 15),
            _unit("search", "made-1m-768", 60, batches=LARGE),
            _unit("select", "made-1m-768", 25, only=("farthest",)),
            _unit("search", "made-10m-96", 75, batches=(10_000,)),
            _unit("build", "made-10m-96", 40),
            _unit("search", "sift-128", 30, batches=BATCHES),
            _unit("latency", "sift-128", 10),
            _unit("conformance", "", 60, only=("rest",)),
        ),
    ),
    "C": Part(
        170,
        (
            _unit("search", "made-1m-128", 30, batches=LARGE),
            _unit("exact", "made-1m-128", 15, kinds=("bf16",), batches=LARGE),
            _unit("peers", "made-1m-128", 60, batches=LARGE, only=FLASHLIB),
            _unit("search", "made-1m-768", 35, kinds=("int8",), batches=LARGE),
            _unit("peers", "made-1m-768", 50, batches=LARGE, only=FLASHLIB),
            _unit("peers", "made-1m-128", 35, batches=LARGE, only=FLASHLIB_MORE),
        ),
    ),
}
"""With a minute of starting a machine for each, 850 of 900 seconds."""


def main(arguments: list[str] | None = None) -> int:
    """Measure one part; returns 0 only if every unit finished."""
    given = _parser().parse_args(arguments)
    part = PARTS[given.part]
    given.out = given.out or out_of(given.part)
    given.seconds = min(given.seconds, part.seconds)
    setup = replace(setup_of(given), repeats=min(given.repeats, REPEATS))
    whole = measure(setup, list(part.units), resume=True)
    for line in first_lines(read_result(setup.out), list(part.units)):
        print(line)
    say(f"part {given.part} {'is whole' if whole else 'was cut'}: {setup.out}")
    return 0 if whole else 1


def out_of(part: str) -> Path:
    """The result file under $OUT, begun with what an earlier try brought back."""
    folder = Path(os.environ.get("OUT", ROOT / "bench/results"))
    out, earlier = (of / f"gpu-{part}.json" for of in (folder, BROUGHT_BACK))
    if earlier.exists() and not out.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(earlier, out)
    return out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu.parts", description=__doc__
    )
    parser.add_argument("part", choices=PARTS)
    add_setup(parser)
    parser.set_defaults(out=None)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
