"""`python -m bench selection FAMILY ...`: each family's own command line; `all` repeats
every recorded table and plot.
"""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

from bench.datasets import DatasetError
from bench.say import say

FAMILIES = ("active", "growth", "estimate", "coreset")


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("family", choices=(*FAMILIES, "all"))
    parser.add_argument("options", nargs=argparse.REMAINDER, help="of that family")
    parser.set_defaults(run=run_selection)


def run_selection(arguments: argparse.Namespace) -> int:
    """Run one family, or all of them in turn; the exit status."""
    if arguments.family != "all":
        return _run(arguments.family, arguments.options)
    root = Path(os.environ.get("GLEANN_DATA", "../shared/data"))
    return max(_run(family, options) for family, options in _everything(root))


def _everything(root: Path) -> list[tuple[str, list[str]]]:
    """The commands behind `bench/results`."""
    words, intents = str(root / "wordnet-384"), str(root / "intents-384")
    accuracy = ["accuracy", "--data"]
    speed = ["speed", "--data", str(root / "glove-100"), "--k", "2000"]
    return [
        ("active", ["--data", words, intents]),
        ("growth", ["--data", words]),
        ("estimate", ["--data", str(root / "supg-proxies")]),
        ("coreset", [*accuracy, intents, "--shares", "0.02", "0.1"]),
        ("coreset", [*accuracy, words, "--rows", "25000", "--shares", "0.02"]),
        ("coreset", [*speed, "--threads", "1", "--rounds", "2"]),
    ]


def _run(family: str, options: list[str]) -> int:
    say(f"selection {family} {' '.join(options)}")
    # The families are programs of their own, which read and record `sys.argv`.
    sys.argv = [f"bench.selection.{family}", *options]
    try:
        return int(import_module(f"bench.selection.{family}").main())
    except DatasetError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
