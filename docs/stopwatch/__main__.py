"""Time the tasks: `python -m docs.stopwatch`; writes docs/stopwatch/measured.json."""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
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
        missing = missing or (script == task.ours and not has_programs(task))
        if script and not missing and (not only or script in only):
            yield script, seconds_of(script, folder)


def has_programs(task: Task) -> bool:
    """Whether the programs are there that our script calls."""
    return all(shutil.which(name) for name in task.programs)


def seconds_of(
    script: str, folder: Path, *, replaced: tuple[str, str] = ("", "")
) -> float:
    """Seconds of a script from its start to its end, the imports among them.

    A server that it starts ends with it.

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
            if path != Path(scratch):
                (Path(scratch) / path.name).symlink_to(path)
        command = _command(script, Path(scratch), replaced)
        running = subprocess.Popen(
            command,
            cwd=scratch,
            env=_environment(Path(scratch)),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = running.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    if code:
        raise subprocess.CalledProcessError(code, command)
    return perf_counter() - begun


def _environment(scratch: Path) -> dict[str, str]:
    """That of this process; scripts run the gleann that it has imported."""
    home = Path(gleann.__file__).absolute().parents[1]
    paths = [str(home), os.environ.get("PYTHONPATH", "")]
    programs = [str(scratch / "bin"), os.environ["PATH"]]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PATH": os.pathsep.join(programs),
    }


def _command(script: str, scratch: Path, replaced: tuple[str, str]) -> list[str]:
    if script.endswith(".py"):
        return [sys.executable, str(SCRIPTS / script)]
    (scratch / "bin").mkdir()
    program = scratch / "bin" / "gleann"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{GLEANN}" "$@"\n')
    program.chmod(0o755)
    text = (SCRIPTS / script).read_text("utf-8")
    old, new = replaced
    if old:
        text = re.sub(rf"(?<!\S){re.escape(old)}(?!\S)", new, text)
    return ["/bin/sh", "-euc", text.replace(":50051", f":{_free_port()}")]


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
