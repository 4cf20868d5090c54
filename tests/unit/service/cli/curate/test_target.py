"""`gleann curate target` against the library it calls."""

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
    N,
    curate,
    named,
    read,
    write_files,
)
from training_files import index as make_index

from gleann.selection.curation.target import (
    DistilRequest,
    Limits,
    Targets,
    compare,
    distil,
    for_target,
)
from gleann.service.cli.main import run as command
from gleann.service.report.numerals import short

SEEDS = ("--target-ids", "seeds.csv", "--budget", 30)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files()
    return tmp_path


@pytest.fixture(scope="module")
def index():
    return make_index()


def target(*arguments, source="items.gleann", out="picks.parquet"):
    return curate("target", source, *arguments, "--out", out)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("round-robin", {"target_recall": 1.0}),
        ("best-rank", {"target_recall": 1.0, "seed": 3}),
        ("resample", {"smoothing": 4.0, "seed": 3}),
    ],
)
def test_each_mode_is_the_library_s(mode, options, index, capsys):
    flags = [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", value)
    ]
    assert target(*SEEDS, "--tasks", "seeds.csv", "--mode", mode, *flags) == 0
    targets = Targets(ids=named(WANTED), tasks=["a", "b"] * 4)
    chosen = for_target(
        index, targets, budget=30, mode=mode.replace("-", "_"), options=options
    )
    found = read("picks.parquet")
    assert found["id"] == chosen.ids.tolist()
    assert found["task"] == chosen.why["task"].tolist()
    if mode != "resample":
        assert found["target"] == named(np.array(WANTED)[chosen.why["target"]])
    assert not set(found["id"]) & set(named(WANTED))
    against = compare(index, chosen, targets, seed=options.get("seed", 0))
    said = capsys.readouterr().out
    for one in (against.chosen, against.random, against.stratified):
        assert f"nearest target at {one.mean_distance:.4g} on average" in said
    results = json.loads(Path("picks.parquet.manifest.json").read_text())["results"]
    assert results["random_divergence"] == against.random.divergence
    assert results["provenance"] == chosen.provenance


def test_a_distilled_probe_writes_a_proxy_that_estimate_takes(index, capsys):
    words = ("--mode", "distil", "--scores", "proxy.parquet", "--sample-size", 200)
    assert target("--targets", "wanted.npy", "--budget", 20, *words) == 0
    request = DistilRequest(targets=POINTS[WANTED] + 0.1, budget=20, sample_size=200)
    made = distil(index, request)
    assert read("picks.parquet")["id"] == made.chosen.ids.tolist()
    proxy = read("proxy.parquet")
    assert proxy["id"] == NAMES
    assert proxy["proxy"] == made.scores.tolist()
    assert f"held-out AUC {made.held_out_auc:.3f}" in capsys.readouterr().out
    answers = pa.table({"id": NAMES, "positive": (KIND == 1).astype(int)})
    pacsv.write_csv(answers, "answers.csv")
    words = ["--proxy", "proxy.parquet", "--oracle-csv", "answers.csv"]
    assert command(["estimate", *words, "--budget", "120", "--out", "e.json"]) == 0
    estimate = json.loads(Path("e.json").read_text())
    found = estimate["estimate"]
    assert found["low"] <= (KIND == 1).sum() <= found["high"]


def test_limits_of_payload_groups_and_ids_are_kept(index, capsys):
    pacsv.write_csv(pa.table({"id": NAMES[:5]}), "never.csv")
    capped = ("--groups", "items.parquet:kind", "--caps", "0=2,1=9")
    where = ("--where", "split = $1", "--param", "train", "--exclude", "never.csv")
    assert target("--targets", "wanted.npy", "--budget", 200, *capped, *where) == 0
    rows = [NAMES.index(one) for one in read("picks.parquet")["id"]]
    allowed = np.flatnonzero((SPLIT == "train") & (np.arange(N) > 4))
    chosen = for_target(
        index,
        POINTS[WANTED] + 0.1,
        budget=200,
        limits=Limits(
            among=SPLIT == "train",
            excluded=NAMES[:5],
            groups=KIND,
            caps={0: 2, 1: 9},
        ),
    )
    assert rows == chosen.rows.tolist()
    assert set(rows) <= set(allowed.tolist())
    assert np.bincount(KIND[rows])[:2].tolist() == [2, 9]
    said = capsys.readouterr()
    assert f"{len(rows)} of {int((SPLIT == 'train').sum())} items" in said.out
    assert f"{200 - len(rows)} of the budget of 200 are missing" in said.err


def test_a_file_of_vectors_gives_the_rows_of_its_index():
    assert target(*SEEDS, "--target-recall", 1) == 0
    words = ("--metric", "l2", "--id-column", "id", "--target-recall", 1)
    assert target(*SEEDS, *words, source="items.parquet", out="other.csv") == 0
    rows = Path("other.csv").read_text().splitlines()[1:]
    ids = [line.split(",")[0].strip('"') for line in rows]
    assert ids == read("picks.parquet")["id"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--budget", 5), "give --targets or --target-ids, got neither"),
        ((*SEEDS, "--targets", "wanted.npy"), "got both"),
        ((*SEEDS, "--smoothing", 2), "--smoothing is for --mode resample, the mode"),
        ((*SEEDS, "--scores", "s.parquet"), "--scores is for --mode distil"),
        ((*SEEDS, "--groups", "items.parquet:kind"), "--groups and --caps need each"),
        ((*SEEDS, "--groups", "items.parquet:kind", "--caps", "zebra=3"),
         "cap for group 'zebra'"),
        (("--targets", "wanted.npy", "--budget", 0), "--budget must be at least 1"),
        (("--targets", "narrow.npy", "--budget", 5), "3"),
        (("--targets", "wanted.npy", "--budget", 5, "--tasks", "seeds.csv:none"),
         "no column 'none'"),
        (("--targets", "wanted.npy", "--budget", 5, "--allow-targets"),
         "--allow-targets is for --target-ids"),
        (("--target-ids", "strange.csv", "--budget", 5), "'zebra'"),
        ((*SEEDS, "--tasks", "seeds.csv", "--mode", "resample", "--shares", "a=0.7"),
         "sum to 0.7"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(arguments, says, folder, capsys):
    np.save("narrow.npy", POINTS[:2, :3])
    pacsv.write_csv(pa.table({"id": ["n001", "zebra"]}), "strange.csv")
    before = {path.name for path in folder.iterdir()}
    assert target(*arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("gleann: error: ")
    assert error.count("\n") == 1
    assert says in error
    assert {path.name for path in folder.iterdir()} == before


def test_caps_and_shares_that_are_none_show_what_was_given(capsys):
    for option, given in (("--caps", "a=x"), ("--shares", "a=1,a=2")):
        assert target(*SEEDS, option, given) == 2
        assert f"'{given.rpartition(',')[2]}' is n" in capsys.readouterr().err


def commands_of(page):
    """The commands at the end of a page that are ours."""
    end = page.rpartition("How to go on")[2]
    lines = [unescape(one) for one in re.findall(r"<pre>(.*?)</pre>", end, re.S)]
    return [shlex.split(line)[1:] for line in lines if line.startswith("gleann ")]


def test_the_page_has_the_numbers_and_its_commands_run():
    shown = ("--report", "p.html", "--class-column", "kind", "--show-column", "text",
             "--show-from", "items.parquet")  # fmt: skip
    assert target(*SEEDS, "--tasks", "seeds.csv", *shown) == 0
    results = json.loads(Path("picks.parquet.manifest.json").read_text())["results"]
    page = Path("p.html").read_text()
    assert f"<b>{short(results['chosen_mean_distance'])}</b>" in page
    assert f"{short(results['random_mean_distance'])} for random items" in page
    assert page.count("<svg") >= 4
    assert page.count("target of a") >= 1
    first = read("picks.parquet")["id"]
    assert f"text of {first[0]}" in page
    (more,) = commands_of(page)
    assert command(more) == 0
    second = read("picks-more.parquet")["id"]
    assert len(second) == 30
    assert not set(first) & set(second)
    assert Path("p-more.html").exists()


@pytest.mark.parametrize("mode", ["best-rank", "resample", "distil"])
def test_every_mode_has_a_page(mode):
    words = ("--mode", mode, "--where", "split = 'train'", "--report", "p.html")
    assert target("--targets", "wanted.npy", "--budget", 20, *words) == 0
    page = Path("p.html").read_text()
    assert f"by {mode}" in page
    assert "of 180 items" in page
    assert page.count("<svg") == 2
