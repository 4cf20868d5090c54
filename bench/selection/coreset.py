"""Coresets: accuracy of a classifier trained on the subset, and how fast it is chosen.

python -m bench.selection.coreset accuracy --data DIR --shares 0.01 0.05
python -m bench.selection.coreset speed --data DIR --k 2000
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.ending import refusing_data
from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, allowed_cores, load, provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.coreset_accuracy import (
    T_975,
    accuracy_table,
    measure_accuracy,
    plot_accuracy,
)
from bench.selection.coreset_speed import measure_speed, speed_table
from bench.selection.notes import command_of, write_result
from bench.selection.rivals import RIVALS


@refusing_data
def main() -> int:
    """Run one command; the exit status."""
    arguments = make_parser().parse_args()
    if load() > BUSY_LOAD:
        say(f"the machine is busy (load {load()}): wall times will be noise")
    out = arguments.out or _default_out(arguments)
    result = run(arguments, out)
    print(table_of(result))
    plotted = out.with_suffix(".svg")
    if result["mode"] == "accuracy" and plot_accuracy(result, plotted):
        say(f"plot: {plotted}")
    say(f"result: {out}")
    return 0


def run(arguments: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Measure according to `arguments` and write the result as JSON to `out`."""
    origin = provenance()
    result = arguments.measure(arguments, out, origin) | origin
    result |= {"command": command_of("coreset")}
    write_result(result, out)
    return result


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.selection.coreset", description=__doc__
    )
    commands = parser.add_subparsers(required=True)
    accuracy = commands.add_parser("accuracy", help="of a classifier on the subset")
    accuracy.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.05])
    accuracy.add_argument("--rows", type=positive, help="a random part of the rows")
    accuracy.add_argument("--seeds", type=positive, choices=T_975, default=5)
    accuracy.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS))
    accuracy.add_argument("--c", type=float, default=10.0, help="of the classifier")
    accuracy.set_defaults(measure=measure_accuracy)
    speed = commands.add_parser("speed", help="farthest-first beside NumPy")
    speed.add_argument("--k", type=positive, default=2000)
    speed.add_argument("--rows", type=positive, default=300_000)
    speed.add_argument("--checked", type=positive, help="picks checked in float64")
    speed.add_argument("--rounds", type=positive, default=1)
    speed.add_argument("--threads", type=positive, default=len(allowed_cores()))
    speed.add_argument("--seed", type=natural, default=0)
    speed.set_defaults(measure=measure_speed)
    for command in (accuracy, speed):
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--out", type=Path)
        command.add_argument("--quick", action="store_true", help="see that it runs")
    return parser


def _default_out(arguments: argparse.Namespace) -> Path:
    mode = arguments.measure.__name__.removeprefix("measure_")
    meta = arguments.data / "meta.json"
    name = arguments.data.stem
    if meta.is_file():
        name = json.loads(meta.read_text(encoding="utf-8"))["name"]
    return (Path.cwd() if arguments.quick else RESULTS) / f"coreset-{mode}-{name}.json"


def table_of(result: dict[str, Any]) -> str:
    """The result as markdown."""
    shown = {"accuracy": accuracy_table, "speed": speed_table}
    return shown[result["mode"]](result)


if __name__ == "__main__":
    sys.exit(main())
