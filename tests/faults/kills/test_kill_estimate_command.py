"""kill -9 of `gleann estimate --state` at any moment: nothing is lost."""

import csv
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex

RUN = "from gleann.service.cli.main import main; main()"
LABELS_NEEDED = 3
ROWS = np.random.default_rng(3).normal(size=(3000, 8)).astype(np.float32)
HELD = ROWS[:, 0] > 1.2
KINDS = {
    "representatives": ["--index", "i", "--representatives", "20", "--rounds", "4"],
    "several": ["--proxy", "a.npy", "--proxy", "b.npy"],
}


@pytest.fixture
def folder(tmp_path):
    SoarIndex.build(ROWS, BuildParams(nlist=8, tune_queries=0)).save(tmp_path / "i")
    np.save(tmp_path / "a.npy", np.clip(ROWS[:, 0] / 6 + 0.5, 0, 1))
    np.save(tmp_path / "b.npy", np.clip(ROWS[:, 1] / 6 + 0.5, 0, 1))
    return tmp_path


def begin(folder: Path, kind: str, *rest: str) -> "subprocess.Popen[bytes]":
    words = ["estimate", *KINDS[kind], "--oracle-csv", "answers.csv", "--budget", "120",
             "--out", "o.json", "--overwrite", *rest]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def answer(folder: Path) -> list[int]:
    with (folder / "todo.csv").open() as asked:
        rows = [int(line["id"]) for line in csv.DictReader(asked)]
    answers = folder / "answers.csv"
    with answers.open("a") as opened:
        if not opened.tell():
            opened.write("id,positive\n")
        opened.writelines(f"{row},{int(HELD[row])}\n" for row in rows)
    return rows


def label(folder: Path, kind: str, *rest: str, kill: random.Random | None = None):
    """Answer to the end; what was asked, the estimate, and how often it was killed."""
    asked, kills = [], 0
    while True:
        process = begin(folder, kind, *rest)
        if kill is not None and (not kills or kill.random() < 0.7):
            # The first dies while modules load, however quick the machine is.
            time.sleep(kill.uniform(0.3, 1.6) if kills else 0.1)
            process.kill()
        code = process.wait()
        if code == 0:
            made = json.loads((folder / "o.json").read_text())
            return asked, made, kills
        if code == LABELS_NEEDED:
            asked.append(answer(folder))
        else:
            assert code == -9
            kills += 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_command_goes_on_to_the_same_estimate(folder, kind):
    expected, made, _ = label(folder, kind)
    (folder / "answers.csv").unlink()
    asked, again, kills = label(
        folder, kind, "--state", "s.json", kill=random.Random(kind)
    )
    assert kills > 0
    assert asked == expected
    assert again == made
    assert {path.name for path in folder.iterdir() if "part" not in path.name} == {
        *("i", "a.npy", "b.npy", "answers.csv", "todo.csv", "s.json"),
        *("o.json", "o.json.manifest.json"),
        *(("s.json.npz",) if kind == "representatives" else ()),
    }


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["session", "sums", "both"])
def test_a_kill_between_the_two_files_and_the_request_is_made_good(folder, lost):
    """As if killed after one file was replaced, or before either, or before --todo."""
    kind = "representatives"
    expected, made, _ = label(folder, kind)
    (folder / "answers.csv").unlink()
    asked, kept = [], {}
    while (code := begin(folder, kind, "--state", "s.json").wait()) == LABELS_NEEDED:
        asked.append(answer(folder))
        before, kept = (
            kept,
            {
                name: (folder / name).read_bytes()
                for name in ("s.json", "s.json.npz")
                if (folder / name).exists()
            },
        )
        (folder / "todo.csv").unlink()
        for name in {"session": ["s.json"], "sums": ["s.json.npz"]}.get(lost, [*kept]):
            if name in before:
                (folder / name).write_bytes(before[name])
            else:
                (folder / name).unlink(missing_ok=True)
    assert code == 0
    assert asked == expected
    assert json.loads((folder / "o.json").read_text()) == made
