"""Exit codes: each that the help text and the README list, shown by a command."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.service.cli.exit_codes import (
    BROKEN_PIPE,
    FAILED,
    INTERRUPTED,
    LABELS_NEEDED,
    MEANINGS,
    USAGE,
)
from gleann.service.cli.main import run

MAIN = "from gleann.service.cli.main import main; main()"
README = (Path(__file__).parents[4] / "README.md").read_text()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype("f4")
    SoarIndex.build(rows, BuildParams(nlist=4, tune_queries=0)).save(tmp_path / "i")
    np.save(tmp_path / "proxy.npy", np.linspace(0, 1, 60))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def damage(folder: Path) -> None:
    largest = max(
        (path for path in (folder / "i").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    held = bytearray(largest.read_bytes())
    held[-5] ^= 255
    largest.unlink()
    largest.write_bytes(bytes(held))


ASKING = ["--oracle-csv", "a.csv", "--budget", "20", "--out"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--version"], 0),
        (["verify", "i"], 0),
        (["build", "none.npy", "o"], FAILED),
        (["health", "--server", "grpc://127.0.0.1:1", "--seconds", "0.1"], FAILED),
        (["curate", "join", "i", "--out", "o.csv"], FAILED),
        (["nonsense"], USAGE),
        (["search", "i"], USAGE),
        (["build", "a", "b", "--metric", "hamming"], USAGE),
        (
            ["curate", "promise", "--proxy", "proxy.npy", *ASKING, "k.csv"],
            LABELS_NEEDED,
        ),
        (["estimate", "--proxy", "proxy.npy", *ASKING, "s.json"], LABELS_NEEDED),
    ],
)
def test_the_code_of_a_command(folder, words, code, capsys):
    assert run(words) == code
    assert capsys.readouterr().err.count("\n") == (0 if code == 0 else 1)


def test_damage_is_an_error(folder):
    damage(folder)
    assert run(["verify", "i"]) == FAILED


def test_ctrl_c_ends_a_command(folder):
    asking = [
        *(sys.executable, "-c"),
        "import os, signal;"
        # A shell lets its background jobs, and what they start, ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "import gleann.service.cli.main as m;"
        "from gleann.service.cli.files import inputs;"
        "inputs.read_vectors = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT);"
        "m.sys.argv = ['gleann', 'build', 'v.npy', 'o']; m.main()",
    ]
    done = subprocess.run(
        asking,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == INTERRUPTED == 128 + signal.SIGINT
    assert done.stderr == "gleann: interrupted\n"


def test_a_reader_that_left_is_no_error_in_words(folder):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, "doctor"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == BROKEN_PIPE == 128 + signal.SIGPIPE
    assert done.stderr == b""


def test_the_help_text_has_them_all(capsys):
    assert run(["--help"]) == 0
    text = capsys.readouterr().out.partition("Exit codes:")[2]
    assert [int(code) for code in re.findall(r"^ +(\d+) ", text, flags=re.M)] == (
        list(MEANINGS)
    )


def test_the_readme_has_them_all():
    table = README.partition("| exit code | means |")[2].partition("\n\n")[0]
    listed = dict(re.findall(r"^\| (\d+) \| (.+) \|$", table, flags=re.M))
    assert {int(code): words for code, words in listed.items()} == MEANINGS
