"""One write, sync or rename fails, wherever it is: a clear error, and nothing is lost.

A process runs the steps below on a disk whose n-th change fails. It then goes on
reading, and another process opens the directory: it holds what was acknowledged; the
step that failed got through whole, or not at all.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from steps_of_changes import State, rows_of, source_in, state_of, steps

import gleann
from gleann.index import errors

SOURCE = Path(__file__).parents[2] / "support" / "faults" / "failing_disk.c"
HOW = ["ENOSPC", "EIO", "short"]
MOST_CALLS = 4000
READS = "reads "


def text_of(state: State) -> str:
    return json.dumps(state, sort_keys=True)


def run_here(directory: Path) -> None:
    """What the process with the failing disk does: say what came of each step."""
    try:
        with gleann.Client(directory) as client:
            changes = steps(client, out_of(directory), source_in(directory.parent))
            while took_step(changes):
                say("acknowledged")
            say(READS + text_of(state_of(client)))  # it goes on reading
    except errors.GleannError as error:
        say(f"refused at open or close: {type(error).__name__}: {error}")


def took_step(changes: Iterator[None]) -> bool:
    try:
        next(changes)
    except StopIteration:
        return False
    except (errors.GleannError, TimeoutError) as error:
        say(f"refused: {type(error).__name__}: {error}")
        return False
    return True


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("lib") / "failing_disk.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)]
    subprocess.run([*command, "-ldl"], check=True)
    return library


def run_failing(
    library: Path, directory: Path, *, at: int, how: str, stays: bool = False
) -> tuple[int, str]:
    """Run the steps; the number that was acknowledged, and what was said."""
    directory.mkdir()
    out_of(directory).mkdir()
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "FAIL_UNDER": str(directory),
        "FAIL_AT": str(at),
        "FAIL_HOW": how,
        "FAIL_COUNT": str(count_of(directory)),
    }
    if stays:
        environment["FAIL_STAYS"] = "1"
    script = f"import test_failing_disk as t; t.run_here(t.Path({str(directory)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, (at, how, done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    return lines.count("acknowledged"), done.stdout


def out_of(directory: Path) -> Path:
    """Where exports go; its path begins as that of `directory`: they fail too."""
    return directory.parent / f"{directory.name}-out"


def count_of(directory: Path) -> Path:
    return directory.parent / f"{directory.name}-count"


def python_path() -> str:
    return os.pathsep.join([str(Path(__file__).parent), *sys.path])


@pytest.fixture(scope="module")
def calls(library: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many changes of files the steps make, when none fails."""
    directory = tmp_path_factory.mktemp("whole") / "data"
    acknowledged, said = run_failing(library, directory, at=-1, how="EIO")
    assert acknowledged == len(expected_states()) - 1, said
    count = int(count_of(directory).read_text())
    assert 50 < count < MOST_CALLS
    return count


_STATES: list[State] = []


def expected_states() -> list[State]:
    """The state before the first step and after each."""
    if not _STATES:
        with (
            tempfile.TemporaryDirectory() as scratch,
            gleann.Client(Path(scratch) / "data") as client,
        ):
            _STATES.append(state_of(client))
            changes = steps(client, Path(scratch), source_in(Path(scratch)))
            _STATES.extend(state_of(client) for _ in changes)
    return _STATES


def check(library: Path, scratch: Path, *, at: int, how: str, stays: bool) -> bool:
    """Require that nothing is lost; whether the call that fails was reached."""
    directory = scratch / f"{at}-{how}-{stays}"
    acknowledged, said = run_failing(library, directory, at=at, how=how, stays=stays)
    with gleann.Client(directory) as client:
        for operation in client.operations.list():
            try:
                operation.wait(timeout=60)  # what was cut off runs again
            except errors.StorageError:
                assert stays or "refused" in said
        state = state_of(client)
        for file in out_of(directory).iterdir():
            assert file.name == "c.tar"
            client.snapshots.import_from(file).wait(timeout=60)  # it is whole
        # It is as good as new.
        client.indexes.create("after", dim=4, metric="l2")
        client.vectors.upsert("after", [1], rows_of([1], 0))
    states = expected_states()[acknowledged : acknowledged + 2]
    assert state in states, (at, how, stays, said)
    reads = [line for line in said.splitlines() if line.startswith(READS)]
    for line in reads:
        assert line.removeprefix(READS) in map(text_of, states), (at, how, stays, said)
    assert reads or "refused at open or close" in said
    shutil.rmtree(directory)
    shutil.rmtree(out_of(directory))
    return int(count_of(directory).read_text()) > at


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_some_calls_fail(library: Path, calls: int, tmp_path: Path, how: str) -> None:
    rng = np.random.default_rng(HOW.index(how))
    # The last ones may not be there: how often a thread looks is up to the clock.
    for at in rng.choice(calls * 9 // 10, 5, replace=False).tolist():
        stays = bool(rng.integers(2))
        assert check(library, tmp_path, at=at, how=how, stays=stays)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("stays", [False, True])
def test_every_call_fails(
    library: Path, calls: int, tmp_path: Path, how: str, stays: bool
) -> None:
    reached = [
        check(library, tmp_path, at=at, how=how, stays=stays) for at in range(calls)
    ]
    assert all(reached[: calls * 9 // 10])
