"""The command `python -m bench curation`."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.curation.part import Measured, Part
from bench.curation.parts import PARTS
from bench.datasets import DatasetError
from bench.option_types import natural, positive
from bench.provenance import BUSY_LOAD, load, provenance
from bench.records import default_file, write_json
from bench.say import say
from bench.tables import busy

MODE = "curation"


def add_curation(
    parser: argparse.ArgumentParser, parts: Mapping[str, Part] = PARTS
) -> None:
    """Add this command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    width = max(map(len, parts), default=0)
    lines = [f"  {name.ljust(width)}  {part.help}" for name, part in parts.items()]
    example = "  python -m bench curation --parts duplicates --quick"
    parser.epilog = "\n".join(["parts:", *lines, "", "example:", example])
    parser.add_argument(
        "--parts",
        type=lambda text: _parts_of(text, parts),
        default=list(parts),
        metavar="NAME,NAME",
        help="default: all",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("GLEANN_DATA", "../shared/data")),
        help="folder of the data sets (default: GLEANN_DATA)",
    )
    alone = [
        f"{name}: {', '.join(part.sets)}" for name, part in parts.items() if part.sets
    ]
    parser.add_argument(
        "--sets",
        type=lambda text: [name for name in text.split(",") if name],
        default=[],
        metavar="NAME,NAME",
        help=f"only these results (default: all); {'; '.join(alone)}",
    )
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: bench/results)"
    )
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.set_defaults(run=lambda arguments: run_curation(arguments, parts))


def run_curation(
    arguments: argparse.Namespace, parts: Mapping[str, Part] = PARTS
) -> int:
    """Run the parts one after another; each result has a file and a table.

    Raises:
        DatasetError: a set that a part cannot measure alone.
    """
    for name in arguments.parts:
        if unknown := sorted({*arguments.sets} - {*parts[name].sets}):
            known = ", ".join(parts[name].sets) or "none"
            raise DatasetError(
                f"part {name} has no set {unknown[0]} of its own; there are: {known}"
            )
    for name in arguments.parts:
        if load() > BUSY_LOAD:
            say(f"the machine is busy (load {load()}): timings will be noise")
        say(f"part {name}")
        begun = provenance()
        for measured in parts[name].run(arguments):
            result = _result(name, measured, arguments, begun)
            out = _file(name, measured, arguments)
            write_json(result, out)
            print(curation_table(result, parts), flush=True)
            say(f"result: {out}")
    return 0


def curation_table(result: dict[str, Any], parts: Mapping[str, Part] = PARTS) -> str:
    """The table of one result, with its machine."""
    part = parts[result["mode"].removeprefix(f"{MODE}-")]
    shown = [_title(result), part.show(result), "\n".join(busy(result))]
    return "\n\n".join(text for text in shown if text)


def _parts_of(text: str, parts: Mapping[str, Part]) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in parts]:
        known = ", ".join(parts)
        raise argparse.ArgumentTypeError(f"no part {unknown[0]}; there are: {known}")
    return names


def _result(
    part: str, measured: Measured, arguments: argparse.Namespace, begun: dict[str, Any]
) -> dict[str, Any]:
    own = {"mode": f"{MODE}-{part}", "name": measured.name, "seed": arguments.seed}
    own |= {"quick": arguments.quick, "threads": arguments.threads}
    return own | begun | measured.values | {"load_at_end": load()}


def _file(part: str, measured: Measured, arguments: argparse.Namespace) -> Path:
    name = "-".join(word for word in (MODE, part, measured.name) if word)
    file = default_file(name, quick=arguments.quick)
    return file if arguments.out is None else arguments.out / file.name


def _title(result: dict[str, Any]) -> str:
    quick = ", QUICK (not a measurement)" if result["quick"] else ""
    name = f"{result['name']}; " if result["name"] else ""
    threads = f"{result['threads']} thread(s)"
    return f"{name}{result['machine']['cpu']}, {threads}{quick}"
