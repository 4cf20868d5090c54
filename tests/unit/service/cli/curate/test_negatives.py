"""`gleann curate negatives` against the library it calls."""

import json
import re
import shlex
from html import unescape
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from training_files import (
    KIND,
    NAMES,
    POINTS,
    SPLIT,
    WANTED,
    curate,
    named,
    read,
    write_files,
)
from training_files import index as make_index

from gleann.selection.curation.negatives import (
    NegativesRequest,
    Positives,
    mine_negatives,
)
from gleann.service.cli.main import run as command

SHARED = ("--positives", "pairs.csv", "--per-query", 4, "--target-recall", 1)
SEEDS = ("--query-ids", "seeds.csv", *SHARED)
FEW = ("--window", "0,5", "--max-similarity", -1.6)


def answers(row):
    """The items that answer a query: the first of its kind, but for itself."""
    return [int(one) for one in np.flatnonzero(KIND[row] == KIND)[:9] if one != row]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files()
    pairs = [(NAMES[row], NAMES[one]) for row in WANTED for one in answers(row)]
    write_pairs("pairs.csv", pairs[::-1])
    return tmp_path


def write_pairs(path, pairs):
    queries, ids = zip(*pairs, strict=True)
    pacsv.write_csv(pa.table({"query": queries, "id": ids}), path)


def mine(*arguments, out="n.parquet", source="items.gleann"):
    return curate("negatives", source, *arguments, "--out", out)


def expected(**more):
    """The library's answer; positives in the order of the file do not matter."""
    lists = [named(answers(row)) for row in WANTED]
    given = {"query_ids": named(WANTED), "per_query": 4, "target_recall": 1.0, **more}
    request = NegativesRequest(positives=Positives.of_lists(lists), **given)
    return mine_negatives(make_index(), request)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--sampling", "random", "--seed", 3), {"sampling": "random", "seed": 3}),
        (("--window", "5,20", "--max-similarity", -2.5),
         {"window": (5, 20), "max_similarity": -2.5}),
        (("--duplicate-radius", 4, "--where", "split = 'train'"),
         {"duplicate_radius": 4.0, "among": SPLIT == "train"}),
    ],
)  # fmt: skip
def test_negatives_are_those_of_the_library(words, options):
    assert mine(*SEEDS, *words) == 0
    found, table = read("n.parquet"), expected(**options).table().columns
    assert len(found["id"]) == 4 * len(WANTED)
    for name in ("query", "rank", "id", "similarity"):
        assert found[name] == table[name].tolist()
    positives = {NAMES[row]: {*named(answers(row)), NAMES[row]} for row in WANTED}
    pairs = zip(found["query"], found["id"], strict=True)
    assert not any(one in positives[query] for query, one in pairs)


def test_a_shortfall_is_said_and_written(capsys):
    words = (*FEW, "--shortfall", "short.csv")
    assert mine(*SEEDS, *words) == 0
    made = expected(window=(0, 5), max_similarity=-1.6)
    assert 0 < made.shortfall.sum() < 4 * len(WANTED)
    said = capsys.readouterr().err
    short = int((made.shortfall > 0).sum())
    assert f"{short} of 8 queries have fewer than 4 negatives" in said
    assert f"{made.shortfall.sum()} are missing in all" in said
    lines = [line.split(",") for line in Path("short.csv").read_text().splitlines()]
    assert lines[0] == ['"query"', '"negatives"', '"shortfall"']
    assert [int(line[2]) for line in lines[1:]] == made.shortfall.tolist()
    assert [int(line[1]) + int(line[2]) for line in lines[1:]] == [4] * len(WANTED)
    results = json.loads(Path("n.parquet.manifest.json").read_text())["results"]
    assert results["shortfall"] == made.shortfall.sum()
    assert len(read("n.parquet")["id"]) == results["negatives"]


def test_queries_of_a_file_are_named_by_their_ids_or_numbers():
    np.save("queries.npy", POINTS[WANTED])
    pairs = [(str(at), one) for at, row in enumerate(WANTED) for one in
             named([*answers(row), row])]  # fmt: skip
    write_pairs("numbers.csv", pairs)
    words = ("--queries", "queries.npy", "--positives", "numbers.csv")
    assert mine(*words, "--per-query", 4, "--target-recall", 1) == 0
    found = read("n.parquet")
    assert found["query"] == np.repeat(np.arange(8), 4).tolist()
    assert found["id"] == expected().ids.ravel().tolist()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (SHARED, "give --queries or --query-ids, got neither"),
        ((*SEEDS, "--queries", "wanted.npy"), "got both"),
        ((*SEEDS, "--relative-margin", 0.9), "--relative-margin needs the metric"),
        ((*SEEDS, "--window", "0,3"), "window 0..3 has 3 ranks, but"),
        (("--query-ids", "seeds.csv", "--positives", "odd.csv", "--per-query", 2),
         "odd.csv: row 1 (line 3): there is no item 'zebra' among the 240"),
        (("--query-ids", "seeds.csv", "--positives", "other.csv", "--per-query", 2),
         "there is no query 'n000' among the 8"),
        (("--query-ids", "seeds.csv", "--positives", "seeds.csv", "--per-query", 2),
         "no column 'query'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(arguments, says, folder, capsys):
    write_pairs("odd.csv", [(NAMES[WANTED[0]], "n001"), (NAMES[WANTED[0]], "zebra")])
    write_pairs("other.csv", [("n000", "n001")])
    assert 0 not in WANTED
    before = {path.name for path in folder.iterdir()}
    assert mine(*arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert says in error
    assert {path.name for path in folder.iterdir()} == before


def test_the_page_shows_queries_and_its_command_runs():
    shown = ("--report", "n.html", "--class-column", "kind", "--show-column", "text",
             "--show-from", "items.parquet", *FEW)  # fmt: skip
    assert mine(*SEEDS, *shown) == 0
    page = Path("n.html").read_text()
    made = expected(window=(0, 5), max_similarity=-1.6)
    assert "have the class of their query" in page
    assert f"{made.shortfall.sum()} negatives are missing" in page
    assert page.count("<svg") == 2
    assert f"text of {NAMES[WANTED[0]]}" in page
    median = float(np.nanmedian(made.similarities))
    assert f"{abs(median):.4g}" in page
    end = page.rpartition("How to go on")[2]
    lines = [unescape(one) for one in re.findall(r"<pre>(.*?)</pre>", end, re.S)]
    (other,) = [line for line in lines if line.startswith("gleann ")]
    assert command(shlex.split(other)[1:]) == 0
    assert len(read("n-random.parquet")["id"]) == len(read("n.parquet")["id"])
