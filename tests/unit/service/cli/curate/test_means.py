"""`gleann curate means`: ask, label, run again, and the numbers of the library."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.lists import assignment
from gleann.selection.estimate.means import MeansParams, Statistic, estimate_means
from gleann.service.cli.main import run as command

N = 600
RNG = np.random.default_rng(13)
ROWS = RNG.normal(size=(N, 6)).astype(np.float32)
IDS = 7 * np.arange(N)
SCORE = ROWS[:, 0] + RNG.normal(size=N) / 4
HALF = np.where(ROWS[:, 1] > 0, "up", "down")
STARS = np.where(ROWS[:, 3] > 0, ROWS[:, 1], np.nan)
OTHER = ROWS[:, 2].astype(np.float64)
VALUES = np.column_stack([ROWS[:, 0] + ROWS[:, 2], ROWS[:, 0] > 0.5, STARS])
ANSWERS, TODO = Path("answers.csv"), Path("todo.csv")
STATISTICS = (
    Statistic(name="size"),
    Statistic(name="right", kind="share"),
    Statistic(name="stars", kind="avg"),
)
ASKED = ("--mean", "size", "--share", "right", "--avg", "stars")
KNOWN = ("--control", "other", "--group", "half", "--stratify-by", "score")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pyarrow.table(
        {"id": IDS, "score": SCORE, "half": HALF, "other": OTHER, "text": IDS}
    )
    pq.write_table(table, "items.parquet")
    pacsv.write_csv(table.select(["score", "half", "other"]), "bare.csv")
    SoarIndex.build(
        ROWS, BuildParams(metric="l2", nlist=10, tune_queries=0), ids=IDS
    ).save("i.gleann")
    return tmp_path


def run(*arguments):
    return command([str(argument) for argument in arguments])


def means(*rest, budget=200, items="items.parquet", out="means.csv"):
    given = ("--items", items) if items else ()
    return run("curate", "means", *given, "--oracle-csv", "answers.csv", "--budget",
               budget, "--out", out, *ASKED, *rest)  # fmt: skip


def answer(rows_of=lambda one: one // 7):
    with TODO.open() as file:
        ids = [int(line["id"]) for line in csv.DictReader(file)]
    with ANSWERS.open("a") as answers:
        if not answers.tell():
            answers.write("id,stars,right,size\n")
        for one in ids:
            size, right, stars = VALUES[rows_of(one)].tolist()
            shown = "" if np.isnan(stars) else repr(stars)
            answers.write(f"{one},{shown},{'yes' if right else 'no'},{size!r}\n")
    return ids


def loop(*arguments, rows_of=lambda one: one // 7, **options):
    for turn in range(9):
        if (code := means(*arguments, **options)) != 3:
            return turn, code
        answer(rows_of)
    raise AssertionError("it asks for ever")


def by_library(*, groups, among=None, ids=IDS, controls=None, stratify_by="score"):
    known = {"other": OTHER, "score": SCORE}
    params = MeansParams(statistics=STATISTICS, budget=200, stratify_by=stratify_by)
    return estimate_means(
        lambda some: VALUES[np.searchsorted(ids, some)],
        params,
        controls=known if controls is None else controls,
        groups=groups,
        ids=ids,
        among=among,
    )


def assert_same(path, own):
    made = pacsv.read_csv(path)
    assert made["statistic"].to_pylist() == ["size", "right", "stars"]
    for column in ("value", "low", "high", "uniform_width"):
        values = [getattr(one, column) for one in own.estimates]
        np.testing.assert_allclose(made[column], values, rtol=1e-12)


@pytest.mark.parametrize("state", [(), ("--state", "s.json")])
def test_the_numbers_are_those_of_the_library(state, capsys):
    assert loop(*KNOWN, *state) == (2, 0)
    own = by_library(groups={"half": HALF})
    assert_same("means.csv", own)
    said = capsys.readouterr()
    assert "over 600 items, from 200 labels:" in said.out
    assert "share right: 0." in said.out
    record = json.loads(Path("means.csv.manifest.json").read_text())
    np.testing.assert_allclose(record["results"]["covariance"], own.covariance)
    for one, truth in zip(own.estimates, np.nanmean(VALUES, axis=0), strict=True):
        assert one.low <= truth <= one.high


def test_rows_without_ids_are_numbered():
    assert loop(*KNOWN, items="bare.csv", rows_of=lambda row: row) == (2, 0)
    ids = np.arange(N)
    assert_same("means.csv", by_library(groups={"half": HALF}, ids=ids))


@pytest.mark.parametrize("items", ["items.parquet", None])
def test_the_lists_of_an_index_are_groups(items):
    known = KNOWN if items else ()
    assert loop("--index", "i.gleann", *known, items=items) == (2, 0)
    index = SoarIndex.load("i.gleann")
    groups = {"lists": assignment(index.data.lists, n=N)[0]}
    if items:
        own = by_library(groups={"half": HALF} | groups)
    else:
        own = by_library(groups=groups, controls={}, stratify_by=None)
    assert_same("means.csv", own)


def test_means_among_what_passes_and_their_page(capsys):
    where = ("--where", "half = $1", "--param", "up")
    page = ("--report", "m.html", "--show-column", "text", "--class-column", "half")
    assert loop(*KNOWN, *where, *page) == (2, 0)
    up = HALF == "up"
    own = by_library(groups={"half": HALF}, among=up)
    assert_same("means.csv", own)
    assert f"over {up.sum()} items (those of 600" in capsys.readouterr().out
    text = Path("m.html").read_text()
    assert text.count("<svg") == 5  # three intervals, widths, classes
    for words in (
        f"3 numbers about {up.sum()} items",
        "size: mean over all items",
        "Use of the controls",
        "Correlations of the errors",
        "Before and after, by half",
        "means-narrower.csv",
    ):
        assert words in text, words


def test_a_saved_session_refuses_other_questions(capsys):
    state = ("--state", "s.json")
    assert means(*KNOWN, *state) == 3
    answer()
    assert means(*KNOWN, *state, "--resume") == 3
    capsys.readouterr()
    assert means(*KNOWN, *state, "--share", "new") == 1
    told = capsys.readouterr().err
    assert "answers.csv" in told
    assert "new" in told
    assert means(*KNOWN, *state, "--confidence", 0.9) == 1
    assert "--confidence 0.95, not 0.9" in capsys.readouterr().err
    assert means(*KNOWN, *state, "--group", "other") == 1
    changed = ANSWERS.read_text().replace("yes", "no", 1)
    ANSWERS.write_text(changed)
    capsys.readouterr()
    assert means(*KNOWN, *state) == 1
    assert "1 of 60 labels differ from those given before" in capsys.readouterr().err


def test_a_saved_session_names_the_statistics_that_differ(capsys):
    bare = ("curate", "means", "--items", "items.parquet", "--budget", 60)
    files = ("--oracle-csv", "answers.csv", "--out", "m.csv", "--state", "s.json")
    assert run(*bare, *files, "--mean", "size") == 3
    capsys.readouterr()
    assert run(*bare, *files, "--share", "size") == 1
    assert (
        "--mean, --share and --avg mean size, not share size" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "items", "says"),
    [
        ((), None, "give --items or --index"),
        (("--control", "x", "--index", "i.gleann"), None, "are columns of --items"),
        (("--control", "nowhere"), "items.parquet", "nowhere"),
        (("--control", "half"), "items.parquet", "row 0: half must be a number"),
        (("--budget", 601), "items.parquet", "--budget is 601, but there are 600"),
        (("--share", "size"), "items.parquet", "need different names"),
    ],
)
def test_what_cannot_be_is_refused(arguments, items, says, capsys):
    assert means(*arguments, items=items) == 1
    assert says in capsys.readouterr().err


def test_answers_that_are_none_are_refused(capsys):
    ANSWERS.write_text("id,size,right,stars\n7,1,maybe,\n")
    assert means() == 1
    assert (
        "row 0 (line 2): right must be 0 or 1, got 'maybe'" in capsys.readouterr().err
    )
    ANSWERS.write_text("id,size,right,stars\n7,,1,\n")
    assert means() == 1
    assert "row 0 (line 2): size is empty" in capsys.readouterr().err
