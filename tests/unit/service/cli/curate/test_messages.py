"""What curation commands say: files and ids in errors, counts of what they name."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from served_curation import NAMES, N, curate, filled, points, write_files

from gleann.index import SoarIndex


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messages")
    (folder / "here").mkdir()
    write_files(folder)
    some = np.delete(np.arange(N), [3, 40, 41, 42, 43, 44, 45])
    values = {"score": 1.0, "split": "train", "topic": 1, "kind": "a"}
    table = {name: [value] * len(some) for name, value in values.items()}
    pacsv.write_csv(pa.table({"id": NAMES[some], **table}), folder / "some.csv")
    rows = points()
    np.save(folder / "narrow.npy", rows[:, :5])
    rows[7, 2] = np.nan
    np.save(folder / "nan.npy", rows)
    return folder


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "duplicates DOCS --radius 1 --keep-by score --scores F/some.csv",
            "some.csv has no score for 7 of 240 ids: 'r003', 'r040', 'r041', 'r042',"
            " 'r043', ...",
        ),
        ("leakage DOCS --radius 1 --splits F/some.csv", "has no split for 7 of 240"),
        ("plan DOCS --fraction 0.1 --strata F/some.csv:topic", "has no topic for 7"),
        (
            "target DOCS --targets F/wanted.npy --budget 2 --caps 1 --groups"
            " F/some.csv:topic",
            "has no topic for 7 of 240 ids: 'r003'",
        ),
        ("audit DOCS --chosen F/picks.csv --groups F/some.csv:kind", "no kind for 7"),
        ("join F/nan.npy --radius 1", "nan.npy: vectors row 7 has NaN or infinity"),
        ("join DOCS --other F/nan.npy --radius 1", "nan.npy: vectors row 7 has NaN"),
        (
            "join DOCS --other F/narrow.npy --radius 1",
            "narrow.npy: vectors has 5 dimensions, expected 8",
        ),
        (
            "duplicates DOCS --radius 1 --against F/narrow.npy",
            "narrow.npy: vectors has",
        ),
        ("target DOCS --targets F/narrow.npy --budget 1", "narrow.npy: vectors has 5"),
        (
            "negatives DOCS --queries F/nan.npy --positives F/pairs.csv --per-query 1",
            "nan.npy: vectors row 7 has NaN",
        ),
        ("duplicates DOCS", "give --radius or --similarity, one of them: got neither"),
        ("leakage DOCS --splits F/items.csv", "give --radius or --similarity"),
        ("leakage DOCS --radius 1", "give --reference or --splits"),
        (
            "leakage DOCS --radius 1 --splits :split",
            "':split' names a column and no file: give FILE:split",
        ),
        ("plan DOCS --fraction 0.1 --strata :topic", "names a column and no file"),
        (
            "promise --proxy :score --oracle-csv O/a.csv --budget 20",
            "--proxy :score names a column and no file",
        ),
        (
            "propagate DOCS --soft-labels F/soft.csv --weight-column w",
            "--weight-column is a column of --labels: it does not go with --soft",
        ),
        ("join DOCS", "give one of --radius, --similarity and --k: got none of them"),
    ],
)
def test_an_error_names_the_file_and_the_options(folder, words, reason, capsys):
    assert curate(*filled(f"{words} --out O/refused.csv", folder, "here")) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not (folder / "here" / "refused.csv").exists()


def said(folder, words, capsys):
    assert curate(*filled(f"{words} --overwrite", folder, "here")) == 0
    return capsys.readouterr().out


def test_leakage_counts_the_rows_of_the_reference(folder, capsys):
    words = "leakage DOCS --reference OLD --radius 0.05 --out O/leaked.csv"
    held = len(SoarIndex.load(folder / "old"))
    assert held == 90
    text = said(folder, words, capsys)
    assert f"of {N} audited rows" in text
    assert f"have one of {held} training rows within 0.05" in text


def test_leakage_counts_the_training_rows_of_the_splits(folder, capsys):
    words = "leakage DOCS --splits F/items.csv --radius 0.05 --out O/leaked.csv"
    assert "have one of 150 training rows" in said(folder, words, capsys)
    some = f"{words} --where 'topic = 0'"
    text = said(folder, some, capsys)
    assert "have one of 50 training rows" in text
    assert "of the source: 80 rows (those of 240 that pass --where)" in text


def test_pairs_with_another_collection_are_not_counted_as_pairs_inside(folder, capsys):
    words = "duplicates DOCS --radius 0.05 --against OLD --out O/found.parquet"
    text = said(folder, words, capsys)
    dropped, pairs, outside = map(
        int,
        re.search(
            r"(\d+) of 240 rows go .* (\d+) pairs inside the source.*\n"
            r"  (\d+) of them go for a row of .*old\n",
            text,
        ).groups(),
    )
    assert dropped >= outside >= 90
    assert pairs < dropped
    alone = said(folder, "duplicates DOCS --radius 0.05 --out O/found.csv", capsys)
    assert pairs == int(re.search(r"(\d+) pairs \(metric l2\)", alone)[1]) >= 60


def test_radii_of_the_curve_look_different(folder, capsys):
    words = "duplicates DOCS --radius 0.0051 --out O/curve.csv --report O/curve.html"
    text = said(folder, words, capsys)
    radii = re.findall(r"radius ([\d.e-]+):", text)
    assert len(radii) > 2
    assert len(set(radii)) == len(radii)


def test_a_split_by_tests_has_a_page(folder, capsys):
    words = "split DOCS --tests F/tests.csv --per-test 2 --out O/parts.csv"
    shown = "--show-from F/items.csv --show-column topic --class-column split"
    text = said(folder, f"{words} --report O/parts.html {shown}", capsys)
    near = int(re.search(r"(\d+) training rows are among the 2 nearest", text)[1])
    page = (folder / "here" / "parts.html").read_text()
    assert f"{near} of 200 training rows" in page
    for heading in ("Tests", "Near", "Far"):
        assert f"<h3>{heading}</h3>" in page
    assert "test" in page
    assert f"<b>{NAMES[200]}</b>" in page


def test_a_split_goes_among_the_rows_that_pass(folder, capsys):
    words = "split DOCS --folds 2 --out O/some-split.csv --report O/some-split.html"
    text = said(folder, f"{words} --where 'topic = 1' --class-column topic"
                " --show-from F/items.csv", capsys)  # fmt: skip
    assert "80 rows in 2 buckets" in text
    table = pacsv.read_csv(folder / "here" / "some-split.csv")
    assert table["id"].to_pylist() == NAMES[1::3].tolist()
    assert (
        "80 rows of docs in 2 buckets"
        in (folder / "here" / "some-split.html").read_text()
    )


def test_the_page_of_a_target_does_not_count_the_target(folder, capsys):
    words = "target DOCS --target-ids F/seeds.csv --budget 60 --out O/t.csv"
    said(folder, f"{words} --report O/t.html", capsys)
    section = (folder / "here" / "t.html").read_text().partition("Targets and items")[2]
    shown = re.findall(r"Shown: (\d+) of (\d+)\.", section)
    counts = pacsv.read_csv(folder / "here" / "t.csv")["target"].value_counts()
    of = {one["values"].as_py(): one["counts"].as_py() for one in counts}
    assert shown
    assert {int(one) for one, _ in shown[:6]} == {3}
    assert int(shown[0][1]) in of.values()
