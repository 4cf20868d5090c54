"""Radius 0, empty targets and shares that do not sum, in folders and on a server."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from served_curation import curate, filled, read, results_of

ZERO = {
    "duplicates": ("duplicates DOCS --radius 0 --out O/zero.csv", {"dropped": 0}),
    "duplicates, against": (
        "duplicates DOCS --radius 0 --against OLD --out O/zero.csv",
        {"dropped": 90},
    ),
    "leakage": (
        "leakage DOCS --reference OLD --radius 0 --out O/zero.csv",
        {"leaked": 90},
    ),
    "negatives": (
        "negatives DOCS --query-ids F/seeds.csv --positives F/seed_pairs.csv"
        " --per-query 4 --duplicate-radius 0 --out O/zero.csv",
        {"negatives": 32, "shortfall": 0},
    ),
}
"""Commands, and what their record says; rows of OLD equal the first 90 of DOCS."""

REFUSED = {
    "no target vectors": (
        "target DOCS --targets F/none.npy --budget 5 --out O/no.csv",
        "is empty: shape (0, 8)",
    ),
    "no target ids": (
        "target DOCS --target-ids F/none.csv --budget 5 --out O/no.csv",
        "0 ids",
    ),
    "no queries": (
        "negatives DOCS --queries F/none.npy --positives F/pairs.csv --per-query 1"
        " --out O/no.csv",
        "is empty: shape (0, 8)",
    ),
    "no query ids": (
        "negatives DOCS --query-ids F/none.csv --positives F/pairs.csv --per-query 1"
        " --out O/no.csv",
        "0 ids",
    ),
    "shares of tasks": (
        "target DOCS --target-ids F/seeds.csv --tasks F/seeds.csv:task --mode resample"
        " --budget 5 --shares law=0.5,code=0.4 --out O/no.csv",
        "shares must sum to 1, they sum to 0.9",
    ),
}


@pytest.fixture(scope="module")
def folder(curated_folder: Path) -> Path:
    np.save(curated_folder / "none.npy", np.empty((0, 8), np.float32))
    pacsv.write_csv(
        pa.table({"id": pa.array([], pa.string())}), curated_folder / "none.csv"
    )
    return curated_folder


def words_of(words: str, folder: Path, side: str, place: list[str]) -> list[str]:
    return [*filled(words, folder, side), *(place if side == "there" else [])]


@pytest.mark.parametrize("side", ["here", "there"])
@pytest.mark.parametrize("case", ZERO)
def test_a_radius_of_0_finds_equal_vectors(folder, place, case, side):
    words, expected = ZERO[case]
    assert curate(*words_of(words, folder, side, place), "--overwrite") == 0
    found = results_of(folder / side / "zero.csv")
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("side", ["here", "there"])
@pytest.mark.parametrize(("other", "pairs"), [("", 0), ("--other OLD", 90)])
def test_a_join_of_radius_0_has_the_pairs_of_equal_vectors(
    folder, place, side, other, pairs
):
    words = f"join DOCS {other} --radius 0 --out O/equal.csv --overwrite"
    assert curate(*words_of(words, folder, side, place)) == 0
    found = read(folder / side / "equal.csv").to_pydict()
    assert found["id"] == found["other_id"]
    assert len(found["id"]) == pairs


@pytest.mark.parametrize("side", ["here", "there"])
def test_a_rethreshold_to_radius_0_keeps_all(folder, place, side, capsys):
    kept = "--state O/state.npz" if side == "here" else ""
    first = f"duplicates DOCS --radius 0.1 {kept} --out O/wide.csv --overwrite"
    assert curate(*words_of(first, folder, side, place)) == 0
    named = re.search(r"curations/\w+", capsys.readouterr().out)
    found = "O/state.npz" if named is None else named[0]
    again = f"rethreshold {found} --radius 0 --out O/least.csv --overwrite"
    assert curate(*words_of(again, folder, side, place)) == 0
    assert all(read(folder / side / "least.csv")["kept"].to_pylist())
    assert not all(read(folder / side / "wide.csv")["kept"].to_pylist())


@pytest.mark.parametrize("side", ["here", "there"])
@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_one_line(folder, place, case, side, capsys):
    words, said = REFUSED[case]
    assert curate(*words_of(words, folder, side, place)) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (folder / side / "no.csv").exists()


@pytest.mark.parametrize("side", ["here", "there"])
def test_shares_of_classes_that_do_not_sum_are_refused(folder, place, side, capsys):
    words = "propagate DOCS --labels F/labels.csv --out O/spread.csv --overwrite"
    probabilities = " --probabilities-out O/chances.parquet" if side == "here" else ""
    assert curate(*words_of(words + probabilities, folder, side, place)) == 0
    named = re.search(r"curations/\w+", capsys.readouterr().out)
    found = "O/chances.parquet" if named is None else named[0]
    for option, said in (
        ("--shares", "of 2 classes sum to 0.9, not to 1"),
        ("--upper-bounds", "sum to 0.9, but 1 of the rows"),
    ):
        again = f"allocate {found} {option} cat=0.5,dog=0.4 --out O/no.csv"
        assert curate(*words_of(again, folder, side, place)) == 1
        assert said in capsys.readouterr().err
        assert not (folder / side / "no.csv").exists()
