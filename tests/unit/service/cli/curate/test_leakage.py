"""`gleann curate leakage` and `split` against the library."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.selection.curation.leakage import (
    leakage,
    resampled_training,
    similarity_split,
)
from gleann.service.cli.main import run

N, LEAKED = 400, 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leakage")
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(N, 6)).astype("f4")
    rows[-LEAKED:] = rows[:LEAKED] + rng.normal(size=(LEAKED, 6)).astype("f4") * 0.02
    splits = np.where(np.arange(N) < N // 2, "train", "test")
    splits[N // 2 :: 4] = "dev"
    names = np.array([f"r{i}" for i in range(N)])
    params = BuildParams(metric="l2", nlist=10, tune_queries=0)
    SoarIndex.build(rows, params, ids=names).save(folder / "index")
    SoarIndex.build(rows[: N // 2], params, ids=names[: N // 2]).save(folder / "train")
    SoarIndex.build(rows[N // 2 :], params, ids=names[N // 2 :]).save(folder / "test")
    order = rng.permutation(N)
    table = {"id": names, "split": splits, "topic": np.arange(N) % 3}
    table = {name: values[order] for name, values in table.items()}
    pacsv.write_csv(pa.table(table), folder / "items.csv")
    np.save(folder / "splits.npy", splits)
    return folder


def curate(*words):
    return run(["curate", *map(str, words)])


def test_rows_of_other_splits_are_audited(folder, capsys):
    out = folder / "leaked.parquet"
    near = ["--radius", 0.05, "--out", out, "--pairs", folder / "pairs.csv"]
    splits = ["--splits", f"{folder / 'items.csv'}:split"]
    assert curate("leakage", folder / "index", *splits, *near) == 0
    index = SoarIndex.load(folder / "index")
    expected = leakage(index, splits=np.load(folder / "splits.npy"), radius=0.05)
    assert expected.leaked.sum() >= LEAKED
    table = pq.read_table(out)
    for name, values in expected.table().columns.items():
        assert table.column(name).to_pylist() == values.tolist()
    assert len(pacsv.read_csv(folder / "pairs.csv")) == len(expected.pairs)
    record = json.loads((folder / "leaked.parquet.manifest.json").read_text())
    groups = {one["group"]: one for one in record["results"]["groups"]}
    assert set(groups) == {"dev", "test"}
    for one in expected.by_group():
        assert groups[one.group]["leaked"] == one.leaked
        assert groups[one.group]["histogram"] == list(one.histogram)
    said = capsys.readouterr().out
    assert f"{expected.leaked.sum()} of 200 audited rows" in said


def test_the_rows_of_an_index_beside_those_of_another(folder):
    out = folder / "beside.csv"
    words = ["--reference", folder / "train", "--radius", 0.05, "--out", out]
    assert curate("leakage", folder / "test", *words) == 0
    test, train = SoarIndex.load(folder / "test"), SoarIndex.load(folder / "train")
    expected = leakage(test, train, radius=0.05)
    table = pacsv.read_csv(out)
    assert table.column("nearest").to_pylist() == (
        expected.table().columns["nearest"].tolist()
    )
    assert sum(table.column("leaked").to_pylist()) == expected.leaked.sum()


def test_other_training_splits_groups_and_rows(folder):
    out = folder / "some.parquet"
    items = folder / "items.csv"
    words = ["--splits", folder / "splits.npy", "--trained-on", "test"]
    words += ["--trained-on", "dev", "--groups", f"{items}:topic"]
    ids = np.array([int(one[1:]) for one in pacsv.read_csv(items)["id"].to_pylist()])
    payload = pacsv.read_csv(items).take(np.argsort(ids))
    pq.write_table(payload, folder / "payload.parquet")
    words += ["--payload", folder / "payload.parquet", "--where", "topic < 2"]
    words += ["--radius", 0.05, "--out", out]
    assert curate("leakage", folder / "index", *words) == 0
    topics = np.arange(N) % 3
    expected = leakage(
        SoarIndex.load(folder / "index"),
        splits=np.load(folder / "splits.npy"),
        trained_on=["test", "dev"],
        radius=0.05,
        groups=topics,
        among=topics < 2,
    )
    table = pq.read_table(out)
    columns = expected.table().columns
    assert table.column("id").to_pylist() == columns["id"].tolist()
    assert table.column("group").to_pylist() == columns["group"].tolist()


def test_the_report_of_leakage_shows_groups_and_the_nearest_rows(folder):
    page = folder / "leaked.html"
    items = folder / "items.csv"
    words = ["--splits", f"{items}:split", "--radius", 0.05, "--report", page]
    words += ["--show-from", items, "--show-column", "topic"]
    out = folder / "reported.parquet"
    assert curate("leakage", folder / "index", *words, "--out", out) == 0
    shown = page.read_text()
    assert shown.count("<svg") == 2
    lines = [one for one in pq.read_table(out).to_pylist() if one["leaked"]]
    nearest = min(lines, key=lambda one: one["distance"])
    first = shown.index("audited rows nearest to a training row")
    audited = shown.index(f"<b>{nearest['id']}</b>", first)
    assert audited < shown.index(f"<b>{nearest['nearest']}</b>", first)
    assert f"Shown: 12 of {len(lines)} leaked rows." in shown
    assert "l2; distances are squared L2" in shown
    assert "Euclidean" not in shown


def test_a_smaller_cut_comes_from_the_file(folder, capsys):
    state, items = folder / "audit.npz", folder / "items.csv"
    wide = ["--splits", f"{items}:split", "--radius", 1.0, "--state", state]
    assert curate("leakage", folder / "index", *wide, "--out", folder / "w.csv") == 0
    out, page = folder / "closer.parquet", folder / "closer.html"
    words = ["--radius", 0.05, "--out", out, "--pairs", folder / "closer.csv"]
    words += ["--report", page, "--show-from", items, "--show-column", "topic"]
    words += ["--state", folder / "closer.npz"]
    capsys.readouterr()
    assert curate("rethreshold", state, *words) == 0
    index = SoarIndex.load(folder / "index")
    expected = leakage(index, splits=np.load(folder / "splits.npy"), radius=0.05)
    table = pq.read_table(out)
    for name in ("id", "group", "leaked", "pairs"):
        values = expected.table().columns[name]
        assert table.column(name).to_pylist() == values.tolist()
    assert len(pacsv.read_csv(folder / "closer.csv")) == len(expected.pairs)
    said = capsys.readouterr().out
    assert f"{expected.leaked.sum()} of 200 audited rows" in said
    assert "within 0.05" in said
    shown = page.read_text()
    assert shown.count("<svg") == 2
    nearest = min(
        (one for one in table.to_pylist() if one["leaked"]),
        key=lambda one: one["distance"],
    )
    first = shown.index("audited rows nearest to a training row")
    audited = shown.index(f"<b>{nearest['id']}</b>", first)
    assert audited < shown.index(f"<b>{nearest['nearest']}</b>", first)
    closest = ["--radius", 0.001, "--out", folder / "closest.csv"]
    assert curate("rethreshold", folder / "closer.npz", *closest) == 0
    capsys.readouterr()
    assert curate("rethreshold", state, "--radius", 2, "--out", folder / "no.csv") == 1
    assert "2 is above 1" in capsys.readouterr().err


def test_buckets_are_those_of_the_library(folder, capsys):
    out, page = folder / "split.parquet", folder / "split.html"
    words = ["--folds", 4, "--held-out", 0.3, "--seed", 3, "--out", out]
    words += ["--together", f"{folder / 'items.csv'}:topic", "--report", page]
    assert curate("split", folder / "index", *words) == 0
    index = SoarIndex.load(folder / "index")
    expected = similarity_split(
        index, folds=4, held_out=0.3, seed=3, together=np.arange(N) % 3
    )
    table = pq.read_table(out)
    np.testing.assert_array_equal(table.column("bucket"), expected.buckets)
    np.testing.assert_array_equal(table.column("held_out"), expected.held_out)
    fold = expected.fold(0)
    said = capsys.readouterr().out
    assert f"without bucket 0: {len(fold.train)} train" in said
    assert "<svg" in page.read_text()


def test_training_rows_near_to_tests_and_far(folder):
    out = folder / "parts.csv"
    tests = [f"r{row}" for row in range(N // 2, N)]
    pacsv.write_csv(pa.table({"id": tests}), folder / "tests.csv")
    words = ["--tests", folder / "tests.csv", "--per-test", 1, "--out", out]
    assert curate("split", folder / "index", *words) == 0
    index = SoarIndex.load(folder / "index")
    near, far = resampled_training(index, tests=tests, per_test=1)
    parts = np.array(pacsv.read_csv(out).column("part").to_pylist())
    np.testing.assert_array_equal(np.flatnonzero(parts == "near"), near)
    np.testing.assert_array_equal(np.flatnonzero(parts == "far"), far)
    assert len(far) > 0
    assert (parts == "test").sum() == N // 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["leakage", "--radius", "1"], "give --reference or --splits, one of them"),
        (["leakage", "--splits", "splits.npy"], "give --radius or --similarity"),
        (
            ["leakage", "--splits", "splits.npy", "--radius", "1", "--trained-on", "x"],
            "'x'",
        ),
        (["leakage", "--reference", "items.csv", "--radius", "1"], "is no index"),
        (["split", "--folds", "99"], "--folds must be at most"),
        (["split", "--held-out", "2"], "--held-out must be"),
        (["split", "--per-test", "2"], "--per-test is for --tests"),
        (["split", "--tests", "items.csv"], "both test and training rows"),
        (
            ["split", "--tests", "items.csv", "--where", "topic = 1"],
            "--where does not go with --tests",
        ),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(folder, words, reason, capsys):
    paths = {"splits.npy", "items.csv"}
    words = [str(folder / one) if one in paths else one for one in words]
    out = folder / "refused.parquet"
    source = str(folder / "index")
    assert run(["curate", words[0], source, *words[1:], "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not out.exists()
