"""`gleann curate propagate` and `gleann curate allocate`, end to end on small files."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.selection.curation.graph_labels import (
    AllocationParams,
    AllocationRequest,
    PropagationRequest,
    allocate_labels,
    propagate,
    wilson_upper_bounds,
)
from gleann.service.cli.main import run as command

N, D = 240, 6
RNG = np.random.default_rng(12)
NUMBERS = RNG.integers(3, size=N)
WORDS = np.array(["ape", "bee", "cat"])[NUMBERS]
POINTS = (RNG.normal(size=(3, D))[NUMBERS] * 4 + RNG.normal(size=(N, D))).astype("f4")
NAMES = np.array([f"n{row:03d}" for row in range(N)])
FEW = [int(np.flatnonzero(c == NUMBERS)[j]) for c in range(3) for j in range(4)]
SPLIT = ["train" if row % 4 else "test" for row in range(N)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = SoarIndex.build(
        POINTS,
        BuildParams(metric="l2", nlist=6, tune_queries=0),
        ids=NAMES,
        payload={"split": SPLIT},
    )
    index.save(tmp_path / "items.gleann")
    np.save("points.npy", POINTS)
    write("labels.csv", id=NAMES[FEW], label=WORDS[FEW])
    pq.write_table(
        pa.table({"id": NAMES, "text": [f"item {n}" for n in NAMES], "kind": WORDS}),
        "shown.parquet",
    )
    return tmp_path


def write(path, **columns):
    table = {name: np.asarray(values).tolist() for name, values in columns.items()}
    pacsv.write_csv(pa.table(table), path)


def run(*arguments):
    return command(["curate", *map(str, arguments)])


def table(path):
    return pq.read_table(path).to_pydict()


def spread(*more, out="s.parquet", source="items.gleann"):
    labels = () if "--soft-labels" in more else ("--labels", "labels.csv")
    return run("propagate", source, *labels, "--out", out, *more)


@pytest.mark.usefixtures("folder")
def test_the_labels_are_those_of_the_library(capsys):
    more = ("--probabilities-out", "p.parquet", "--uncertain-out", "u.parquet")
    assert spread(*more, "--uncertain", 7, "--k", 6, "--alpha", 0.9) == 0
    index = SoarIndex.load("items.gleann")
    request = PropagationRequest(ids=NAMES[FEW], labels=WORDS[FEW], k=6)
    params = request.params.__class__(alpha=0.9)
    expected = propagate(
        index, PropagationRequest(ids=NAMES[FEW], labels=WORDS[FEW], k=6, params=params)
    )
    found = table("s.parquet")
    assert found["id"] == NAMES.tolist()
    assert found["label"] == expected.labels.tolist()
    assert found["confidence"] == expected.confidence.tolist()
    assert np.flatnonzero(found["given"]).tolist() == sorted(FEW)
    assert np.mean(np.array(found["label"]) == WORDS) > 0.9
    probabilities = table("p.parquet")
    assert list(probabilities) == ["id", "ape", "bee", "cat"]
    assert probabilities["bee"] == expected.probabilities[:, 1].tolist()
    assert table("u.parquet")["id"] == expected.most_uncertain(7).ids.tolist()
    said = capsys.readouterr().out
    assert "240 of 240 items have a label, from 12 given ones" in said
    assert "u.parquet: 7 items to label next" in said
    results = json.loads(Path("s.parquet.manifest.json").read_text("utf-8"))["results"]
    assert sum(results["classes"].values()) == results["labelled"] == N
    assert results["provenance"]["params"]["alpha"] == 0.9


@pytest.mark.usefixtures("folder")
def test_items_that_no_label_reaches_are_counted_and_shown(capsys):
    far = np.concatenate([POINTS, POINTS[:30] + 1000])
    np.save("far.npy", far)
    write("rows.csv", id=FEW, label=NUMBERS[FEW])
    page = ("--report", "s.html", "--metric", "l2")
    arguments = ("propagate", "far.npy", "--labels", "rows.csv", "--out", "s.csv")
    assert run(*arguments, "--k", 4, *page) == 0
    said = capsys.readouterr().out
    assert "240 of 270 items have a label" in said
    assert "30 items have none: no path of the graph" in said
    found = pacsv.read_csv("s.csv").to_pydict()
    assert found["label"][240:] == [None] * 30
    assert found["confidence"][240:] == [0.0] * 30
    words = Path("s.html").read_text("utf-8")
    assert "Without a label" in words
    assert "Pieces of the graph" in words
    assert "30 items have none: no path of the graph" in words


@pytest.mark.usefixtures("folder")
def test_where_limits_the_graph():
    assert spread("--where", "split = 'train'") == 1  # a label is of another item
    kept = [row for row in FEW if SPLIT[row] == "train"]
    write("labels.csv", id=NAMES[kept], label=WORDS[kept])
    assert spread("--where", "split = $1", "--param", "train") == 0
    found = table("s.parquet")
    assert found["row"] == [row for row in range(N) if row % 4]
    assert (
        json.loads(Path("s.parquet.manifest.json").read_text("utf-8"))["results"][
            "among"
        ]["rows"]
        == N * 3 // 4
    )


@pytest.mark.usefixtures("folder")
def test_soft_labels_and_weights():
    soft = np.eye(3)[NUMBERS[FEW]] * 0.8 + 0.2 / 3
    write("soft.csv", id=NAMES[FEW], ape=soft[:, 0], bee=soft[:, 1], cat=soft[:, 2])
    assert spread("--soft-labels", "soft.csv", out="soft.parquet") == 0
    assert np.mean(np.array(table("soft.parquet")["label"]) == WORDS) > 0.9
    weights = [1.0] * 8 + [0.0] * 4  # the cats count for nothing
    write("labels.csv", id=NAMES[FEW], label=WORDS[FEW], w=weights)
    assert spread("--weight-column", "w", "--classes", "cat,bee,ape,dog") == 0
    assert set(table("s.parquet")["label"]) == {"ape", "bee"}


@pytest.mark.usefixtures("folder")
def test_the_report_of_labels_reads_on(capsys):
    page = (
        "--report",
        "s.html",
        "--show-from",
        "shown.parquet",
        "--show-column",
        "text",
    )
    assert spread(*page, "--class-column", "kind") == 0
    words = Path("s.html").read_text("utf-8")
    assert words.count("<svg") >= 4
    for part in (
        "Most uncertain",
        "Surest",
        "Beside kind",
        "item n",
        "as sure as right",
    ):
        assert part in words
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--labels", "labels.csv", "--soft-labels", "s"),
            "or --soft-labels, got both",
        ),
        ((), "give --labels or --soft-labels, got neither"),
        (("--labels", "odd.csv"), "row 1 (line 3), column id"),
        (("--labels", "labels.csv", "--classes", "ape,bee"), "'cat' are outside"),
        (("--labels", "labels.csv", "--alpha", "2"), "--alpha must be in 0..0.9999"),
        (("--labels", "labels.csv", "--k", "0"), "--k must be at least 1, got 0"),
        (("--labels", "one.csv"), "the labels have 1 class ['ape']"),
        (
            (
                "--labels",
                "labels.csv",
                "--uncertain-out",
                "u.csv",
                "--uncertain",
                "999",
            ),
            "228 rows have no given label",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_labels_that_cannot_be_used_are_refused(arguments, said, capsys):
    write("odd.csv", id=["n000", "none"], label=["ape", "bee"])
    write("one.csv", id=["n000"], label=["ape"])
    assert run("propagate", "items.gleann", "--out", "s.parquet", *arguments) == 1
    assert said in capsys.readouterr().err


def probabilities(n=90, seed=4):
    logits = np.random.default_rng(seed).normal(size=(n, 3)) * 2
    values = np.exp(logits)
    return values / values.sum(axis=1, keepdims=True)


@pytest.mark.usefixtures("folder")
def test_an_allocation_is_that_of_the_library(capsys):
    values = probabilities()
    values[5] = 0
    np.save("p.npy", values)
    shares = "a=0.2,b=0.3,c=0.5"
    arguments = ("allocate", "p.npy", "--classes", "a,b,c", "--share", 0.5)
    page = ("--report", "a.html")
    assert run(*arguments, "--shares", shares, "--out", "a.parquet", *page) == 0
    expected = allocate_labels(
        AllocationRequest(
            probabilities=values,
            shares=[0.2, 0.3, 0.5],
            classes=["a", "b", "c"],
            params=AllocationParams(share=0.5),
        )
    )
    found = table("a.parquet")
    assert found["id"] == found["row"] == expected.rows.tolist()
    assert found["label"] == expected.labels.tolist()
    assert found["weight"] == expected.weights.tolist()
    said = capsys.readouterr().out
    assert f"{len(expected)} of 90 items have a label" in said
    assert "1 item has none: all probabilities are 0" in said
    write("shares.csv", **{"class": ["c", "a", "b"], "share": [0.5, 0.2, 0.3]})
    assert run(*arguments, "--shares", "shares.csv", "--out", "b.parquet") == 0
    assert table("b.parquet") == found
    words = Path("a.html").read_text("utf-8")
    assert words.count("<svg") >= 2
    assert "Moved by the shares" in words


@pytest.mark.usefixtures("folder")
def test_a_propagation_is_allocated_by_a_sample():
    assert spread("--probabilities-out", "p.parquet") == 0
    arguments = ("allocate", "p.parquet", "--sample", "labels.csv")
    assert run(*arguments, "--confidence", 0.9, "--out", "a.parquet") == 0
    results = json.loads(Path("a.parquet.manifest.json").read_text("utf-8"))["results"]
    bounds = wilson_upper_bounds([4, 4, 4], confidence=0.9)
    told = [results["classes"][name]["bound"] for name in ("ape", "bee", "cat")]
    assert told == pytest.approx(bounds.tolist())
    assert sorted(table("a.parquet")["id"]) == NAMES.tolist()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one of --shares, --upper-bounds and --sample, got 0"),
        (("--shares", "0=1,1=0,2=0", "--sample", "labels.csv"), "--sample, got 2"),
        (("--shares", "0=0.5,1=0.5"), "has no number for 1 of 3 classes: '2'"),
        (("--shares", "0=0.5,1=0.4,9=0.1"), "1 of 3 classes that are not among the 3"),
        (
            ("--shares", "0=0.5,1=0.4,2=0.2"),
            "--shares of 3 classes sum to 1.1, not to 1",
        ),
        (("--shares", "0=0.5,1"), "'1' is no CLASS=NUMBER"),
        (("--upper-bounds", "0=0.1,1=0.1,2=0.1"), "sum to 0.3, but 1 of the rows"),
        (("--sample", "labels.csv"), "3 classes that are not among the 3"),
        (("--shares", "0=1,1=0,2=0", "--classes", "a,b"), "2 names for the 3 columns"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_shares_that_cannot_be_used_are_refused(arguments, said, capsys):
    np.save("p.npy", probabilities())
    assert run("allocate", "p.npy", "--out", "a.csv", *arguments) == 1
    assert said in capsys.readouterr().err
