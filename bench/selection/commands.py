"""`python -m bench selection FAMILY ...`: each family's own command line; `all` repeats
every recorded table and plot, and goes on where it was killed: stages that
are finished are not repeated until all are, one under way continues from its notes.
"""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from time import monotonic

from bench.ending import refusing_data
from bench.provenance import provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.notes import Notes, notes_of

FAMILIES = (
    "active",
    "defaults",
    "pools",
    "recall",
    "growth",
    "estimate",
    "coverage",
    "estimate_rounds",
    "tasti",
    "widths",
    "proxy_choices",
    "coreset",
    "rounds",
)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("family", choices=(*FAMILIES, "all"))
    parser.add_argument("options", nargs=argparse.REMAINDER, help="of that family")
    parser.set_defaults(run=run_selection)


def run_selection(arguments: argparse.Namespace) -> int:
    """Run one family, or all of them in turn; the exit status."""
    if arguments.family != "all":
        return run_family(arguments.family, arguments.options)
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    return _run_all(root)


def _run_all(root: Path) -> int:
    """Run every stage that this machine and code have not finished yet."""
    out = RESULTS / "selection-all"
    stages = everything(root)
    finished = Notes(out, {"stages": [list(stage) for stage in stages]}, provenance())
    worst = 0
    for family, options in stages:
        key = (family, *options)
        if finished.has(key):
            say(f"selection {family} {' '.join(options)}: finished before")
            continue
        start = monotonic()
        status = run_family(family, options)
        worst = max(worst, status)
        if not status:
            seconds = round(monotonic() - start)
            finished.once(key, lambda taken=seconds: taken)  # type: ignore[misc]
            say(f"selection {family}: {seconds} s")
    if not worst:
        notes_of(out).unlink(missing_ok=True)
    return worst


def everything(root: Path) -> list[tuple[str, list[str]]]:
    """The commands behind `bench/results`."""
    words, intents = str(root / "wordnet-384"), str(root / "intents-384")
    both = ["--data", words, intents]
    rules = ["--strategies", "most_likely_positive", "information_density"]
    accuracy = ["accuracy", "--data"]
    speed = ["speed", "--data", str(root / "glove-100"), "--k", "2000"]
    return [
        ("active", both),
        ("active", [*both, *rules, "--out", str(RESULTS / "selection-rules.json")]),
        ("defaults", ["tune", "--data", words, intents, "digits"]),
        ("defaults", ["confirm", "--data", words, intents, "digits"]),
        ("pools", ["--root", str(root)]),
        ("recall", ["--data", words]),
        ("growth", ["--data", words]),
        ("estimate", ["--data", str(root / "supg-proxies")]),
        ("coverage", ["--data", str(root / "supg-proxies")]),
        ("estimate_rounds", ["--data", "made-200000x128", "made-200000x384", words]),
        ("tasti", both),
        ("proxy_choices", ["--data", str(root / "supg-proxies")]),
        ("widths", ["--data", str(root / "supg-proxies"), words, intents]),
        ("coreset", [*accuracy, intents, "--shares", "0.02", "0.1"]),
        ("coreset", [*accuracy, words, "--rows", "25000", "--shares", "0.02"]),
        ("coreset", [*speed, "--threads", "1", "--rounds", "2"]),
        ("rounds", [*both, "digits"]),
    ]


@refusing_data
def run_family(family: str, options: list[str]) -> int:
    say(f"selection {family} {' '.join(options)}")
    # The families are programs of their own, which read and record `sys.argv`.
    sys.argv = [f"bench.selection.{family}", *options]
    return int(import_module(f"bench.selection.{family}").main())
