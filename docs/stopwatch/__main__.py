"""Time the tasks: `python -m docs.stopwatch`; writes docs/stopwatch/measured.json."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import gleann
from bench.provenance import load
from docs.stopwatch.inputs import write_inputs
from docs.stopwatch.tasks import HERE, SCRIPTS, TASKS, Task

MEASURED = HERE / "measured.json"
GLEANN = "import sys; from gleann.service.cli.main import main; sys.exit(main())"


def main() -> int:
    """Run every script whose modules are there, one after another."""
    parser = argparse.ArgumentParser(prog="python -m docs.stopwatch")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--only", nargs="*", default=[], help="scripts to run")
    parser.add_argument("--out", type=Path, default=MEASURED)
    arguments = parser.parse_args()
    old = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    scripts = dict(old.get("scripts", {}))
    result = {
        "command": "python -m docs.stopwatch",
        "rows": arguments.rows,
        "load_before": load(),
        "cores": len(os.sched_getaffinity(0)),
        "scripts": scripts,
    }
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder), rows=arguments.rows)
        for task in TASKS:
            for script, seconds in _timed(task, Path(folder), arguments.only):
                scripts[script] = {"seconds": round(seconds, 1)}
                arguments.out.write_text(json.dumps(result, indent=1) + "\n")
                print(f"{script}: {seconds:.1f} s", file=sys.stderr)
    return 0


def _timed(task: Task, folder: Path, only: list[str]) -> Iterator[tuple[str, float]]:
    theirs = task.theirs if task.timed else ""
    for script, needs in ((task.ours, task.ours_needs), (theirs, task.needs)):
        missing = needs and find_spec(needs) is None
        if script and not missing and (not only or script in only):
            yield script, seconds_of(script, folder)


def seconds_of(
    script: str, folder: Path, *, replaced: tuple[str, str] = ("", "")
) -> float:
    """Seconds of a script from its start to its end, the imports among them.

    Args:
        script: its file name.
        folder: of the inputs.
        replaced: a word of commands and what stands for it, for fewer rows.

    Raises:
        CalledProcessError: a command of it failed.
    """
    begun = perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for path in folder.iterdir():
            if path.is_file():
                (Path(scratch) / path.name).symlink_to(path)
        for command in _commands(script, replaced):
            subprocess.run(
                command,
                cwd=scratch,
                env=_environment(),
                check=True,
                stdout=subprocess.DEVNULL,
            )
    return perf_counter() - begun


def _environment() -> dict[str, str]:
    """That of this process; scripts import the gleann that it has imported."""
    home = Path(gleann.__file__).absolute().parents[1]
    paths = [str(home), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _commands(script: str, replaced: tuple[str, str]) -> list[list[str]]:
    if script.endswith(".py"):
        return [[sys.executable, str(SCRIPTS / script)]]
    lines = (SCRIPTS / script).read_text("utf-8").splitlines()
    old, new = replaced
    lines = [[new if word == old else word for word in line.split()] for line in lines]
    return [[sys.executable, "-c", GLEANN, *words[1:]] for words in lines]


if __name__ == "__main__":
    sys.exit(main())
