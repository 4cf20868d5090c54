"""The loop of `gleann estimate --help`: run, answer what it asks, run again."""

import csv
from pathlib import Path

import numpy as np
import pytest

from gleann.service.cli.main import run as command

ANSWERS, TODO = Path("answers.csv"), Path("todo.csv")
ROWS = np.random.default_rng(24).standard_normal((400, 4)).astype(np.float32)
HELD = ROWS[:, 0] > 0.8
FAR = ROWS.copy()
FAR[[5, 33]] = [[1e18] * 4, [-9e17] * 4]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("near.npy", ROWS)
    np.save("far.npy", FAR)
    np.save("proxy.npy", np.clip(ROWS[:, 0] / 4 + 0.5, 0, 1))
    return tmp_path


def run(*arguments):
    return command([str(argument) for argument in arguments])


def estimate(*rest, budget=60):
    return run("estimate", "--oracle-csv", "answers.csv", "--budget", budget, "--out",
               "o.json", *rest)  # fmt: skip


def answer(*, values=False):
    """Add what todo.csv asks for to answers.csv."""
    with TODO.open() as asked:
        ids = [int(line["id"]) for line in csv.DictReader(asked)]
    with ANSWERS.open("a") as answers:
        if not answers.tell():
            answers.write("id,positive,value\n" if values else "id,positive\n")
        for row in ids:
            value = f",{ROWS[row, 1]:.3f}" if HELD[row] else ","
            answers.write(f"{row},{int(HELD[row])}{value if values else ''}\n")
    return len(ids)


def loop(*arguments, values=False):
    """Answer until the command ends otherwise; how often it asked, and how it ended."""
    for turn in range(20):
        if (code := estimate(*arguments)) != 3:
            return turn, code
        answer(values=values)
    raise AssertionError("it asks for ever")


@pytest.mark.parametrize("target", ["count", "avg"])
@pytest.mark.parametrize("data", ["near", "far"])
@pytest.mark.parametrize("begun", [None, "", "heading"])
def test_representatives_and_rounds_are_asked_for_to_the_end(data, target, begun):
    values = target == "avg"
    heading = "id,positive,value\n" if values else "id,positive\n"
    if begun is not None:
        ANSWERS.write_text(heading if begun else "")
    assert run("build", f"{data}.npy", "i.gleann", "--metric", "l2") == 0
    asked = ("--index", "i.gleann", "--representatives", 12, "--target", target)
    assert loop(*asked, values=values) == (3, 0)


@pytest.mark.parametrize("target", ["count", "avg"])
def test_labels_without_a_row_are_refused_in_a_line(target, capsys):
    assert run("build", "near.npy", "i.gleann", "--metric", "l2") == 0
    Path("none.csv").write_text("id,positive\n")
    capsys.readouterr()
    assert estimate("--index", "i.gleann", "--labelled", "none.csv", "--target",
                    target) == 1  # fmt: skip
    assert capsys.readouterr().err == (
        "gleann: error: none.csv has 0 labelled items: --index needs some to make the"
        " proxy from\n"
    )


@pytest.mark.parametrize("option", [("--labelled", "l.csv"), ("--representatives", 3)])
def test_what_only_an_index_reads_is_not_ignored(option, capsys):
    assert estimate("--proxy", "proxy.npy", *option) == 1
    assert f"{option[0]} makes a proxy from --index" in capsys.readouterr().err


def test_the_answers_are_never_written_over(capsys):
    arguments = ("--proxy", "proxy.npy", "--todo", "answers.csv")
    ANSWERS.write_text("id,positive\n1,0\n")
    assert estimate(*arguments) == 1
    assert (
        "--todo answers.csv is also an input: give another path"
        in capsys.readouterr().err
    )
    assert ANSWERS.read_text() == "id,positive\n1,0\n"
