"""`python -m bench plans`: what long work takes beside its plan.

Each work is planned and then done, by one core in this process, after the same work on
a few rows. Seconds are of CPU, and memory is RssAnon. The rows are in clusters, and a
twentieth of them are near earlier ones.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from threadpoolctl import threadpool_limits

from bench.datasets import DatasetError
from bench.option_types import positive
from bench.plans.works import of_builds, of_curations
from bench.provenance import provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import markdown

PARTS = {"builds": of_builds, "curations": of_curations}
NAMES = {"builds": "plans-builds", "curations": "plans"}
"""Of result files, by the part."""

MB = 1e6
LEAST_ROWS = 1000
"""Fewer have too few lists for some of the work."""


def add_plans(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    command.add_argument("--rows", type=positive, default=60_000)
    command.add_argument("--dim", type=positive, default=64)
    command.add_argument("--part", choices=tuple(PARTS), default="curations")
    command.add_argument("--folder", type=Path, help="with room for 10 times the rows")
    command.add_argument(
        "--out", type=Path, help="default: bench/results/plans[-builds].json"
    )
    command.set_defaults(run=run_plans)


def run_plans(args: argparse.Namespace) -> int:
    """Measure, and print a table.

    Raises:
        DatasetError: fewer than `LEAST_ROWS` rows.
    """
    if args.rows < LEAST_ROWS:
        raise DatasetError(f"--rows is {args.rows}: {LEAST_ROWS} at least are needed")
    # Threads of BLAS that wait for work would count as CPU time.
    with TemporaryDirectory(dir=args.folder) as folder, threadpool_limits(1):
        found = PARTS[args.part](Path(folder), n=args.rows, dim=args.dim)
    result = {
        "mode": "plans",
        "part": args.part,
        "data": {"n": args.rows, "dim": args.dim},
        "works": found,
    } | provenance()
    out = args.out or default_file(NAMES[args.part])
    write_json(result, out)
    print(plans_table(result))
    say(f"result: {out}")
    return 0


def plans_table(result: dict[str, Any]) -> str:
    """What each work was planned at, and what it took."""
    data, machine = result["data"], result["machine"]
    told = (
        f"{result['part']} of {data['n']:,} x {data['dim']} ({machine['cpu']}, one core"
        f" of {machine['cores']}, load {result['load_at_start']:.1f}): plan / used"
    )
    return f"{told}\n\n{_table(result['works'])}"


def _table(found: dict[str, dict[str, Any]]) -> str:
    heads = ["work", "seconds", "memory, MB", "disk at most, MB", "afterwards, MB"]
    return markdown(heads, [[what, *_cells(one)] for what, one in found.items()])


def _cells(one: dict[str, Any]) -> list[str]:
    planned, used = one["planned"], one["used"]
    amounts = ("memory_bytes", "disk_bytes", "disk_bytes_after")
    return [
        f"{planned['seconds']:.2f} / {used['seconds']:.2f}",
        *(f"{planned[key] / MB:.1f} / {used[key] / MB:.1f}" for key in amounts),
    ]
