"""The stopwatch: our scripts are short, run, and write their answers."""

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from subprocess import CalledProcessError
from time import monotonic, sleep

import pytest
from node_packages import install_packages

from docs.stopwatch import __main__ as stopwatch
from docs.stopwatch.__main__ import MEASURED, has_programs, seconds_of
from docs.stopwatch.inputs import write_inputs
from docs.stopwatch.tasks import SCRIPTS, TASKS, lines_of

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 10
OURS = [task for task in TASKS if task.ours]
ROWS = 6000
FEWER = ("10000", "600")
"""Rows to choose: all that there are would take longest."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder, rows=ROWS)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("task", OURS, ids=lambda task: task.ours)
def test_our_script_runs(task, inputs, tmp_path):
    if task.ours_needs and find_spec(task.ours_needs) is None:
        pytest.skip(f"needs {task.ours_needs}, not in the extra test")
    if task.programs and not has_programs(task):
        pytest.skip(f"needs {', '.join(task.programs)}")
    if "npm" in task.programs and "GLEANN_DIST" not in os.environ:
        pytest.skip("its packages come from the network: make test-wheels runs it")
    if "npm" in task.programs:
        shutil.copy(ROOT / "docs/examples/node/package.json", tmp_path)
        install_packages(tmp_path)  # skips where npm is not reached
    assert seconds_of(task.ours, inputs, replaced=FEWER) > 0


@pytest.mark.slow
def test_a_command_that_fails_is_found_and_its_server_ends(inputs, monkeypatch):
    scripts = inputs / "scripts"
    scripts.mkdir()
    (scripts / "bad.sh").write_text("sleep 500 & echo $! > ../pid\ngleann no-such\n")
    monkeypatch.setattr(stopwatch, "SCRIPTS", scripts)
    with pytest.raises(CalledProcessError):
        seconds_of("bad.sh", inputs)
    server = Path("/proc") / (inputs / "pid").read_text().strip() / "status"
    late = monotonic() + 60
    while is_running(server):
        assert monotonic() < late
        sleep(0.01)


def is_running(status):
    try:
        return "(zombie)" not in status.read_text()
    except OSError:
        return False


@pytest.mark.parametrize("task", OURS, ids=lambda task: task.ours)
def test_our_script_is_short(task):
    assert lines_of(task.ours) <= MOST_LINES


def test_no_script_takes_more_lines_than_that_of_its_peer():
    longer = {
        task.ours
        for task in OURS
        if task.theirs and lines_of(task.ours) > lines_of(task.theirs)
    }
    assert longer == set()


def test_what_was_measured_are_scripts_of_today():
    measured = json.loads(MEASURED.read_text())
    scripts = {task.ours for task in TASKS} | {task.theirs for task in TASKS}
    assert set(measured["scripts"]) <= scripts
    assert {path.name for path in SCRIPTS.iterdir()} == scripts - {""}


def test_lines_are_statements():
    assert lines_of("npy.sh") == 2
    assert lines_of("umap-umap.py") == 3
