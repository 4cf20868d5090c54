"""`gleann curate duplicates`, `rethreshold` and `join` against the library."""

import json
import shlex
import subprocess
import sys
from html import unescape

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.selection.curation.duplicates import (
    curve,
    join,
    load_duplicates,
    near_duplicates,
    nearest_join,
    rethreshold,
)
from gleann.service.cli.main import run

N, COPIES, RADIUS = 300, 60, 0.05


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("duplicates")
    rng = np.random.default_rng(11)
    rows = rng.normal(size=(N, 8)).astype("f4")
    copies = rows[rng.integers(N, size=COPIES)]
    copies[10:] += rng.normal(size=(COPIES - 10, 8)).astype("f4") * 0.05
    points = np.concatenate([rows, copies])
    names = np.array([f"n{i:03d}" for i in range(len(points))])
    params = BuildParams(metric="l2", nlist=8, tune_queries=0)
    SoarIndex.build(points, params, ids=names).save(folder / "index")
    SoarIndex.build(points[:50], params, ids=names[:50]).save(folder / "old")
    np.save(folder / "points.npy", points)
    table = {
        "id": names,
        "score": rng.random(len(names)),
        "split": np.where(np.arange(len(names)) % 3, "train", "test"),
        "text": np.char.add("text of ", names),
    }
    pacsv.write_csv(pa.table(table), folder / "items.csv")
    return folder


def found_in(folder, **options):
    return near_duplicates(SoarIndex.load(folder / "index"), **options)


def test_the_table_is_the_answer_of_the_library(folder, capsys):
    index, out = str(folder / "index"), str(folder / "found.parquet")
    asked = ["--radius", str(RADIUS), "--out", out, "--pairs", str(folder / "p.csv")]
    assert run(["curate", "duplicates", index, *asked]) == 0
    expected = found_in(folder, radius=RADIUS)
    assert 10 <= (~expected.kept).sum() < N
    table = pq.read_table(out)
    assert table.column("id").to_pylist() == expected.held_ids.tolist()
    np.testing.assert_array_equal(table.column("kept"), expected.kept)
    standing = [expected.held_ids.at(row) for row in expected.duplicate_of]
    assert table.column("duplicate_of").to_pylist() == standing
    pairs = pacsv.read_csv(folder / "p.csv")
    np.testing.assert_allclose(pairs.column("distance"), expected.pairs.distances)
    record = json.loads((folder / "found.parquet.manifest.json").read_text())
    results = record["results"]
    assert results["dropped"] == expected.summary()["dropped"]
    assert [one["dropped"] for one in results["curve"]] == [
        one.dropped for one in curve(expected)
    ]
    said = capsys.readouterr().out
    assert f"{results['dropped']} of 360 rows go" in said
    assert f"{results['kept']} stay" in said


def test_another_order_another_collection_and_some_rows(folder):
    index = str(folder / "index")
    scored = ["--keep-by", "score", "--scores", str(folder / "items.csv")]
    some = ["--payload", str(folder / "items.csv"), "--where", "split = 'train'"]
    against = ["--against", str(folder / "old")]
    out = folder / "ordered.parquet"
    asked = ["--radius", str(RADIUS), "--out", str(out)]
    assert run(["curate", "duplicates", index, *scored, *some, *against, *asked]) == 0
    items = pacsv.read_csv(folder / "items.csv")
    expected = found_in(
        folder,
        radius=RADIUS,
        keep_by="score",
        scores=items.column("score").to_numpy(),
        among=items.column("split").to_numpy(zero_copy_only=False) == "train",
        against=SoarIndex.load(folder / "old"),
    )
    table = pq.read_table(out)
    np.testing.assert_array_equal(table.column("row"), expected.rows)
    np.testing.assert_array_equal(table.column("kept"), expected.kept[expected.rows])
    outside = expected.outside_ids[expected.rows].tolist()
    assert table.column("outside_id").to_pylist() == outside
    assert len(set(outside)) > 10


def test_a_file_of_vectors_answers_as_its_index(folder):
    points = str(folder / "points.npy")
    out = folder / "plain.csv"
    told = ["--metric", "l2", "--radius", str(RADIUS), "--out", str(out)]
    assert run(["curate", "duplicates", points, *told]) == 0
    kept = pacsv.read_csv(out).column("kept").to_numpy(zero_copy_only=False)
    np.testing.assert_array_equal(kept, found_in(folder, radius=RADIUS).kept)


def test_a_smaller_radius_comes_from_the_file(folder, capsys):
    state, out = str(folder / "state.npz"), folder / "fewer.parquet"
    wide = ["--radius", "0.5", "--state", state, "--out", str(folder / "w.parquet")]
    assert run(["curate", "duplicates", str(folder / "index"), *wide]) == 0
    again = ["curate", "rethreshold", state]
    assert run([*again, "--radius", str(RADIUS), "--out", str(out)]) == 0
    expected = found_in(folder, radius=RADIUS)
    table = pq.read_table(out)
    np.testing.assert_array_equal(table.column("kept"), expected.kept)
    np.testing.assert_array_equal(table.column("distance"), expected.distances)
    capsys.readouterr()
    assert run([*again, "--radius", "0.6", "--out", str(folder / "no.csv")]) == 1
    assert "0.6 is above 0.5" in capsys.readouterr().err
    told = ["--known", state, "--radius", "0.1", "--out", str(folder / "k.parquet")]
    assert run(["curate", "duplicates", str(folder / "index"), *told]) == 0
    kept = pq.read_table(folder / "k.parquet").column("kept")
    np.testing.assert_array_equal(kept, found_in(folder, radius=0.1).kept)
    before = load_duplicates(state)
    np.testing.assert_array_equal(rethreshold(before, radius=0.1).kept, kept)


def test_the_report_shows_the_curve_the_sizes_and_the_largest_group(folder):
    page = folder / "found.html"
    words = ["--report", str(page), "--show-from", str(folder / "items.csv")]
    words += ["--show-column", "text", "--class-column", "split"]
    told = ["--radius", str(RADIUS), "--out", str(folder / "shown.parquet")]
    assert run(["curate", "duplicates", str(folder / "index"), *words, *told]) == 0
    shown = page.read_text()
    expected = found_in(folder, radius=RADIUS)
    largest = int(expected.group_sizes.argmax())
    name = expected.held_ids.at(largest)
    assert shown.count("<svg") == 3
    assert f"{expected.group_sizes.max()} rows, of which {name} stays" in shown
    assert f"text of {name}" in shown
    assert "How many go at each radius" in shown
    command = unescape(shown.split("<pre>")[-1].split("</pre>")[0])
    done = subprocess.run(
        [sys.executable, *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "duplicate_of" in done.stdout
    assert "http" not in shown.replace("http://www.w3.org", "")


@pytest.mark.parametrize("other", [None, "old", "points.npy"])
def test_all_pairs_are_written(folder, other):
    out = folder / "joined.parquet"
    words = ["--radius", "0.2", "--out", str(out), "--overwrite"]
    beside = [] if other is None else ["--other", str(folder / other)]
    assert run(["curate", "join", str(folder / "index"), *beside, *words]) == 0
    index = SoarIndex.load(folder / "index")
    second = {
        None: lambda: None,
        "old": lambda: SoarIndex.load(folder / "old"),
        "points.npy": lambda: np.load(folder / "points.npy"),
    }[other]()
    expected = {
        (one, two): distance
        for block in join(index, second, radius=0.2)
        for one, two, distance in zip(
            block.ids.tolist(),
            block.other_ids.tolist(),
            block.distances.tolist(),
            strict=True,
        )
    }
    table = pq.read_table(out)
    assert len(table) == len(expected) > 10
    lines = zip(*(column.to_pylist() for column in table.columns), strict=True)
    assert {(one, two): distance for one, two, distance in lines} == expected


def test_the_nearest_rows_of_another_index(folder):
    out = folder / "nearest.csv"
    words = ["--other", str(folder / "old"), "--k", "3", "--target-recall", "1"]
    assert (
        run(["curate", "join", str(folder / "index"), *words, "--out", str(out)]) == 0
    )
    found = pacsv.read_csv(out)
    one, two = SoarIndex.load(folder / "index"), SoarIndex.load(folder / "old")
    blocks = list(nearest_join(one, two, k=3, target_recall=1.0))
    expected = [name for block in blocks for name in block.other_ids.tolist()]
    assert found.column("other_id").to_pylist() == expected


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["duplicates", "index"], "give radius or similarity, one of them"),
        (["duplicates", "index", "--similarity", "0.9"], "but the metric is l2"),
        (["duplicates", "index", "--radius", "-1"], "-1"),
        (["duplicates", "index", "--radius", "9", "--max-pairs", "9"], "more than 9"),
        (["duplicates", "index", "--radius", "1", "--keep-by", "score"], "scores"),
        (["join", "index", "--radius", "9", "--max-pairs", "9"], "more than 9 pairs"),
        (["join", "index", "--radius", "1", "--k", "2"], "not both"),
        (["join", "index", "--k", "2"], "--k needs an index as --other"),
        (
            ["rethreshold", "items.csv", "--radius", "1"],
            "no file of near-duplicates or",
        ),
        (["rethreshold", "none.npz", "--radius", "1"], "cannot read"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(folder, words, reason, capsys):
    words = [words[0], str(folder / words[1]), *words[2:]]
    out = folder / "refused.parquet"
    assert run(["curate", *words, "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not out.exists()
    assert not list(folder.glob(".*.part"))
