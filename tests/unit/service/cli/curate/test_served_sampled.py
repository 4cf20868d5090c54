"""`gleann curate promise`, `acceptance` and `means` on an index of a server."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from served_curation import NAMES, N, curate, filled, plain, read, results_of

import gleann

POSITIVE = (np.arange(N) * 7) % N < 80
COMMANDS = {
    "promise": (
        "promise --proxy F/proxy.csv --oracle-csv O/answers.csv --promise "
        "recall --target 0.7 --budget 60 --seed 3",
        "kept.csv",
        "--payload F/items.csv --where 'topic < 2'",
        "--index docs --where 'topic < 2'",
    ),
    "acceptance": (
        "acceptance --batch F/picks.csv --oracle-csv O/answers.csv --size 12 "
        "--confidence 0.9 --seed 4",
        "bound.json",
        "",
        "--index docs",
    ),
    "means": (
        "means --items F/items.csv --control score --group split --stratify-by "
        "score --strata 3 --mean size --share positive --oracle-csv "
        "O/answers.csv --budget 60",
        "means.csv",
        "--index DOCS",
        "--index docs",
    ),
}
"""Each command, its output, and what only the folder and only the server take."""


@pytest.fixture(scope="module")
def folder(curated_folder):
    proxy = np.clip(POSITIVE * 0.6 + np.linspace(0, 0.4, N), 0, 1)
    table = pa.table({"id": NAMES, "proxy": proxy})
    pacsv.write_csv(table, curated_folder / "proxy.csv")
    return curated_folder


def words_of(folder, name, *, side):
    shared, out, here, there = COMMANDS[name]
    words = f"{shared} {here if side == 'here' else there}"
    return filled(f"{words} --out O/{out} --todo O/todo.csv", folder, side)


def answer(folder, side):
    """Answer what todo.csv asks, besides what has been answered."""
    asked = pacsv.read_csv(folder / side / "todo.csv")["id"].to_pylist()
    path = folder / side / "answers.csv"
    known = pacsv.read_csv(path)["id"].to_pylist() if path.exists() else []
    ids = [*known, *asked]
    rows = np.searchsorted(NAMES, ids)
    table = {"id": ids, "positive": POSITIVE[rows].astype(int), "size": rows % 11 + 0.5}
    table["failed"] = POSITIVE[rows].astype(int)
    pacsv.write_csv(pa.table(table), path)
    return asked


def labelled(folder, name, side, place, capsys):
    """Run a command until it has its labels: what it asked for, and printed."""
    (folder / side / "answers.csv").unlink(missing_ok=True)
    turns, words = [], words_of(folder, name, side=side)
    if name == "acceptance":  # one column says whether an item fails
        words = [word.replace("answers.csv", "checks.csv") for word in words]
    while (code := curate(*words, *place)) == 3:
        turns.append((answer(folder, side), capsys.readouterr().err))
        if name == "acceptance":
            table = pacsv.read_csv(folder / side / "answers.csv")
            kept = table.select(["id", "failed"])
            pacsv.write_csv(kept, folder / side / "checks.csv")
        assert len(turns) < 5
    assert code == 0
    return turns, plain(capsys.readouterr().out, folder)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_items_are_asked_and_the_answer_is_the_same(
    folder, place, name, capsys
):
    here, said = labelled(folder, name, "here", [], capsys)
    there, said_there = labelled(folder, name, "there", place, capsys)
    assert [ids for ids, _ in there] == [ids for ids, _ in here]
    assert len(there) == (1 if name == "acceptance" else 2)
    assert said_there == said
    out = COMMANDS[name][1]
    if out.endswith(".csv"):
        assert read(folder / "there" / out) == read(folder / "here" / out)
    else:
        own = (folder / "here" / out).read_text()
        assert (folder / "there" / out).read_text() == own
    sessions = {re.search(r"sessions/[\w-]+", error)[0] for _, error in there}
    assert sessions == {results_of(folder / "there" / out)["session"]}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("promise", ("--proxy F/items-proxy.csv", "--proxy :score")),
        ("means", ("--items F/items.csv", "")),
    ],
)
def test_columns_of_the_index_take_the_place_of_a_file(
    folder, place, name, options, monkeypatch, capsys
):
    file, column = options
    items = pacsv.read_csv(folder / "items.csv")
    proxy = pa.table({"id": items["id"], "proxy": items["score"]})
    pacsv.write_csv(proxy, folder / "items-proxy.csv")
    shared, out, here, there = COMMANDS[name]
    old = "--proxy F/proxy.csv" if name == "promise" else file
    assert old in shared
    given = (f"{shared.replace(old, file)} --overwrite", out, here, there)
    monkeypatch.setitem(COMMANDS, name, given)
    _, said = labelled(folder, name, "here", [], capsys)
    bare = (f"{shared.replace(old, column)} --overwrite", out, here, there)
    monkeypatch.setitem(COMMANDS, name, bare)
    turns, said_there = labelled(folder, name, "there", place, capsys)
    assert len(turns) == 2
    assert said_there == said
    assert read(folder / "there" / out) == read(folder / "here" / out)


def test_a_session_goes_on_by_its_name_and_no_other(folder, place, capsys):
    words = words_of(folder, "promise", side="there")
    (folder / "there" / "answers.csv").unlink(missing_ok=True)
    again = ["--overwrite", "--seed", 9]
    assert curate(*words, *again, *place) == 3
    name = re.search(r"sessions/[\w-]+", capsys.readouterr().err)[0]
    assert curate(*words, *again, "--session", name, *place) == 3
    assert name in capsys.readouterr().err
    means = words_of(folder, "means", side="there")
    assert curate(*means, "--overwrite", "--session", name, *place) == 1
    assert "is of kind promise" in capsys.readouterr().err
    assert curate(*words, *again, "--session", "sessions/none", *place) == 1
    assert "sessions/none" in capsys.readouterr().err


def test_a_session_that_was_closed_is_begun_anew(folder, place, capsys):
    words = words_of(folder, "promise", side="there")
    (folder / "there" / "answers.csv").unlink(missing_ok=True)
    again = [*words, "--overwrite", "--seed", 10, *place]
    names = []
    for _ in range(4):
        assert curate(*again) == 3
        names.append(re.search(r"sessions/[\w-]+", capsys.readouterr().err)[0])
        if len(names) == 2:
            key = (folder / "key").read_text()
            with gleann.Client(place[1], api_key=key) as client:
                client.sessions.close(names[0])
    assert names[0] == names[1] != names[2] == names[3]


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("promise", "--proxy :score", "--proxy :topic"),
        ("means", "--control score", "--control topic"),
        ("means", "--control score --group split", "--control score --group topic"),
    ],
)
def test_other_columns_are_another_session(folder, place, name, one, other, capsys):
    (folder / "there" / "answers.csv").unlink(missing_ok=True)
    words = filled(
        f"{name} --index docs --oracle-csv O/answers.csv --budget 50 --seed 21 --todo"
        " O/todo.csv --out O/columns.csv --overwrite",
        folder,
        "there",
    )
    if name == "means":
        words += ["--share", "positive"]
    sessions = []
    for columns in (one, other, one):
        assert curate(*words, *columns.split(), *place) == 3
        sessions.append(re.search(r"sessions/[\w-]+", capsys.readouterr().err)[0])
    assert sessions[0] == sessions[2] != sessions[1]


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [
        ("promise", "--state O/s.json", "the server keeps the session"),
        ("promise", "--report O/p.html", "a page needs"),
        ("means", "--payload F/items.csv", "columns of the index"),
    ],
)
def test_what_is_not_served_is_refused(folder, place, name, more, reason, capsys):
    words = [*words_of(folder, name, side="there"), *filled(more, folder, "there")]
    assert curate(*words, "--overwrite", *place) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_the_index_must_be_named(folder, place, capsys):
    words = words_of(folder, "promise", side="there")
    place_of = words.index("--index")
    del words[place_of : place_of + 2]
    assert curate(*words, "--overwrite", *place) == 1
    assert "--index is needed with --server" in capsys.readouterr().err


def test_a_session_needs_a_place(folder, capsys):
    words = words_of(folder, "promise", side="here")
    assert curate(*words, "--overwrite", "--session", "sessions/1") == 1
    assert "give --server or --data too" in capsys.readouterr().err
