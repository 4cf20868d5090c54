"""Options that the commands of repeated trials share."""

import argparse
from pathlib import Path

from bench.option_types import natural


def add_trial_options(parser: argparse.ArgumentParser) -> None:
    """Give a command the options of its first seed and of its result file."""
    parser.add_argument("--seed", type=natural, default=0, help="of the first trial")
    parser.add_argument("--out", type=Path, help="default: bench/results/")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="see that it runs; goes to a temporary folder unless --out says where",
    )
