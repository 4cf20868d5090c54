"""Output paths: what cannot be written is one line before any work."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_selecting import label_file

from gleann.index import SoarIndex
from gleann.service.cli.files import inputs, outputs
from gleann.service.cli.main import run

PLACES = {
    "table": ("o.csv", ".parquet, .pq, .csv, .jsonl, .ndjson, .npz"),
    "graph": ("o.npz", ".npz"),
    "estimate": ("o.json", ".json"),
}
"""A path that suits each kind of output, and the suffixes it may have."""
COMMANDS = {
    "search": ("table", ["search", "index", "points.npy", "--out"]),
    "graph": ("graph", ["graph", "index", "--out"]),
    "select": ("table", ["select", "random", "index", "--k", "3", "--out"]),
    "coverage": ("table", ["select", "random", "index", "--k", "3", "--out",
                           "good.csv", "--coverage"]),
    "duplicates": ("table", ["curate", "duplicates", "index", "--radius", "1",
                             "--out"]),
    "leakage": ("table", ["curate", "leakage", "index", "--reference", "index",
                          "--radius", "1", "--out"]),
    "split": ("table", ["curate", "split", "index", "--out"]),
    "active": ("table", ["select", "active", "index", "--labels", "seed.csv", "--state",
                         "s.json", "--out"]),
    "estimate": ("estimate", ["estimate", "--proxy", "costs.npy", "--oracle-csv",
                              "none.csv", "--budget", "50", "--out"]),
    "todo": ("table", ["estimate", "--proxy", "costs.npy", "--oracle-csv", "none.csv",
                       "--budget", "50", "--out", "good.json", "--todo"]),
    "groups": ("estimate", ["estimate-groups", "--group", "a=costs.npy", "--group",
                            "b=costs.npy", "--oracle-csv", "none.csv", "--budget",
                            "50", "--out"]),
}  # fmt: skip
STATES = {
    "active": ["select", "active", "index", "--labels", "seed.csv", "--out", "o.csv",
               "--state"],
    "estimate": ["estimate", "--proxy", "costs.npy", "--oracle-csv", "none.csv",
                 "--budget", "50", "--out", "o.json", "--state"],
}  # fmt: skip


@pytest.fixture
def here(folder, monkeypatch):
    """The folder of inputs, which a test must leave as it is."""
    monkeypatch.chdir(folder)
    (folder / "file").write_text("mine")
    (folder / "full.csv").mkdir(exist_ok=True)
    label_file("seed.csv", {"n000": 0, "n001": 1})
    before = {path.name for path in folder.iterdir()}
    yield folder
    assert {path.name for path in folder.iterdir()} == before
    assert (folder / "file").read_text() == "mine"


@pytest.fixture
def no_work(monkeypatch):
    """Fail a command that begins to read."""

    def read(*_args, **_kwargs):
        raise AssertionError("work was done")

    monkeypatch.setattr(SoarIndex, "load", read)
    monkeypatch.setattr(inputs, "read_vectors", read)
    monkeypatch.setattr(inputs, "array_table", read)


def refused(capsys, words, *says):
    assert run([*words]) in (1, 2), words
    said = capsys.readouterr().err
    assert said.startswith("gleann: error: ")
    assert said.count("\n") == 1
    for word in says:
        assert word in said


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_path_that_cannot_be_written_is_refused_before_work(command, here, capsys):
    kind, words = COMMANDS[command]
    name, suffixes = PLACES[kind]
    flag, suffix = words[-1], name[1:]
    refused(capsys, [*words, ""], flag, "empty")
    refused(capsys, [*words, "o"], f"{flag} o: the suffix decides", suffixes)
    refused(capsys, [*words, "o.txt"], f"{flag} o.txt: the suffix decides")
    refused(capsys, [*words, f"no/{name}"], f"{flag} no/{name}: there is no folder no")
    refused(capsys, [*words, f"file/{name}"], f"{flag} file/{name}: file is not a fol")
    refused(capsys, [*words, "n" * 300 + suffix], flag, "File name too long")
    refused(capsys, [*words, f"/proc/{name}"], f"{flag} /proc/{name} cannot be written")


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("command", STATES)
def test_a_state_that_cannot_be_written_is_refused_before_work(command, here, capsys):
    words = STATES[command]
    refused(capsys, [*words, ""], "--state", "empty")
    refused(capsys, [*words, "no/s.json"], "--state no/s.json: there is no folder no")
    refused(
        capsys, [*words, "file/s.json"], "--state file/s.json: file is not a folder"
    )
    refused(capsys, [*words, "full.csv"], "--state full.csv is a folder, not a file")
    refused(capsys, [*words, words[words.index("--out") + 1]], "is also --out")


@pytest.mark.usefixtures("no_work")
def test_what_is_there_is_not_taken_for_an_output(here, capsys):
    search = ["search", "index", "points.npy", "--overwrite", "--out"]
    refused(capsys, [*search, "full.csv"], "--out full.csv is a folder, not a file")
    os.mkfifo("pipe.csv")
    refused(capsys, [*search, "pipe.csv"], "--out pipe.csv is not a regular file")
    assert (here / "pipe.csv").is_fifo()
    (here / "pipe.csv").unlink()
    pq.write_table(pa.table({"v": [[1.0] * 8]}), "q.parquet")
    words = ["search", "index", "q.parquet", "--overwrite", "--out", "./q.parquet"]
    refused(capsys, words, "--out q.parquet is also an input: give another path")
    (here / "q.parquet").unlink()
    select = ["select", "random", "index", "--k", "3", "--out", "a.csv", "--coverage"]
    refused(capsys, [*select, "a.csv"], "--coverage a.csv is also --out a.csv")


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("out", ["file", "file/sub", "", "/proc/none/o", "n" * 300])
def test_a_folder_for_an_index(out, here, capsys):
    refused(capsys, ["build", "points.npy", out, "--overwrite"], "OUT" if out else "")
    refused(capsys, ["build", "points.npy", "points.npy", "--overwrite"], "an input")


def test_an_index_is_built_with_its_parents(folder, tmp_path):
    out = tmp_path / "new" / "and" / "deep"
    assert run(["build", str(folder / "points.npy"), str(out)]) == 0
    assert (tmp_path / "new" / "and" / "deep.manifest.json").exists()
    assert len(SoarIndex.load(out)) == 500


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_batch_and_its_session_are_written_both_or_neither(
    failing, folder, tmp_path, monkeypatch, capsys
):
    """Without its session, the labels of a batch could not be handed in."""
    label_file(tmp_path / "l.csv", {"n000": 0, "n001": 1})
    calls = []

    def full(_descriptor):
        calls.append(1)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gleann.service.cli.files.outputs.os.fsync", full)
    arguments = ["select", "active", str(folder / "index"), "--labels",
                 str(tmp_path / "l.csv"), "--state", str(tmp_path / "s.json"),
                 "--out", str(tmp_path / "b.csv"), "--batch", "3"]  # fmt: skip
    refused(capsys, arguments, "No space left")
    assert [path.name for path in tmp_path.iterdir()] == ["l.csv"]
    assert run(arguments) == 0


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".npz"])
def test_what_was_chosen_is_read_back(suffix, folder, tmp_path):
    """As --locked, with ids that are texts."""
    first, second = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    random = ["select", "random", str(folder / "index"), "--k"]
    assert run([*random, "480", "--out", str(first)]) == 0
    assert run([*random, "20", "--locked", str(first), "--out", str(second)]) == 0
    index = SoarIndex.load(folder / "index")
    names = [inputs.read_own_ids(path).tolist() for path in (first, second)]
    assert sorted(names[0] + names[1]) == index.ids.tolist()


def test_suffixes_decide_the_format(folder, tmp_path):
    search = ["search", str(folder / "index"), str(folder / "points.npy"), "--k", "3"]
    for suffix in (".csv", ".jsonl", ".parquet", ".npz"):
        assert run([*search, "--out", str(tmp_path / f"f{suffix}")]) == 0
    table = pq.read_table(tmp_path / "f.parquet").to_pydict()
    lines = (tmp_path / "f.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == table["id"]
    near = np.array([json.loads(line)["distance"] for line in lines], np.float32)
    assert near.tolist() == table["distance"]
    assert pa.csv.read_csv(tmp_path / "f.csv").to_pydict()["id"] == table["id"]
    with np.load(tmp_path / "f.npz") as arrays:
        assert arrays["id"].tolist() == table["id"]
        assert arrays["distance"].tolist() == table["distance"]


def test_numbers_that_json_has_not_are_null(tmp_path):
    columns = {"a": np.array([1.5, np.nan, np.inf]), "b": np.array([1, 2, 3])}
    outputs.write_table(tmp_path / "t.jsonl", columns)
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    assert [json.loads(line)["a"] for line in lines] == [1.5, None, None]


@pytest.mark.slow
def test_a_result_that_cannot_be_printed_is_one_line():
    script = "from gleann.service.cli.main import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script, "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the result cannot be printed: [Errno 28] No space left" in done.stderr


def test_a_path_may_have_bytes_that_are_no_utf8(folder, tmp_path, capfd):
    out = os.fsdecode(os.fsencode(tmp_path / "f") + b"\xff.csv")
    words = [str(folder / "index"), str(folder / "points.npy"), "--out", out]
    assert run(["search", *words]) == 0
    assert Path(out).stat().st_size > 0
