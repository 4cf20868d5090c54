"""Served commands that go on from stored curations and selections."""

import pytest
from served_curation import (
    N,
    curate,
    fill,
    filled,
    plain,
    read,
    results_of,
)

import gleann


def test_a_smaller_radius_and_new_rows_go_on_from_the_curation(
    curated_folder, place, capsys
):
    out = curated_folder / "there" / "wide.parquet"
    wide = ["duplicates", "docs", "--radius", 0.5, "--out", out]
    assert curate(*wide, *place) == 0
    name = results_of(out)["curation"]
    assert name in capsys.readouterr().out
    folder = curated_folder / "here"
    state = ["--state", folder / "wide.npz", "--out", folder / "wide.parquet"]
    docs = curated_folder / "docs"
    assert curate("duplicates", docs, "--radius", 0.5, *state) == 0
    capsys.readouterr()
    fewer = ["--radius", 0.05, "--pairs"]
    local = [folder / "wide.npz", *fewer, folder / "few.csv"]
    assert curate("rethreshold", *local, "--out", folder / "few.parquet") == 0
    here = plain(capsys.readouterr().out, curated_folder)
    there = out.with_name("few.parquet")
    remote = [name, *fewer, out.with_name("few.csv"), "--out", there]
    assert curate("rethreshold", *remote, *place) == 0
    assert plain(capsys.readouterr().out, curated_folder) == here
    for one in ("few.parquet", "few.csv"):
        assert read(out.with_name(one)) == read(folder / one)
    known = ["--known", name, "--radius", 0.05, "--out", out.with_name("known.parquet")]
    assert curate("duplicates", "docs", *known, *place) == 0
    assert read(out.with_name("known.parquet")) == read(there)


def test_a_smaller_cut_of_leakage_goes_on_from_the_curation(
    curated_folder, place, capsys
):
    here, there = curated_folder / "here", curated_folder / "there"
    wide = ["--radius", 0.5, "--overwrite", "--out"]
    docs = [curated_folder / "docs", "--splits", curated_folder / "items.csv"]
    state = ["--state", here / "audit.npz"]
    assert curate("leakage", *docs, *wide, here / "audit.csv", *state) == 0
    served = ["docs", "--splits", ":split", *wide, there / "audit.csv"]
    assert curate("leakage", *served, *place) == 0
    name = results_of(there / "audit.csv")["curation"]
    capsys.readouterr()

    def closer(found, folder, *more):
        out = ["--out", folder / "closer.parquet", "--pairs", folder / "closer.csv"]
        words = ["rethreshold", found, "--radius", 0.05, *out, "--overwrite"]
        assert curate(*words, *more) == 0
        return plain(capsys.readouterr().out, curated_folder)

    assert closer(name, there, *place) == closer(here / "audit.npz", here)
    for one in ("closer.parquet", "closer.csv"):
        assert len(read(here / one)) > 0
        assert read(there / one) == read(here / one)


def test_an_answer_is_written_though_what_it_was_made_of_is_gone(tmp_path, capsys):
    data = ["--data", tmp_path / "library"]
    fill(data[1])
    out = ["--out", tmp_path / "a.csv", "--overwrite"]
    to_old = ["leakage", "docs", "--reference", "old", "--radius", 0.5, *out]
    assert curate(*to_old, *data) == 0
    audit = results_of(tmp_path / "a.csv")
    words = ["rethreshold", audit["curation"], "--radius", 0.05, *out]
    assert curate(*words, *data) == 0
    closer = results_of(tmp_path / "a.csv")
    assert curate(*to_old, *data) == 0
    another = results_of(tmp_path / "a.csv")["operation"]
    assert "one of 90 training rows within 0.5" in capsys.readouterr().out
    with gleann.Client(data[1]) as client:
        client.curation.delete(audit["curation"])
        client.delete_index("old")
    assert curate(*words, *data, "--operation", closer["operation"]) == 0
    assert "have a training row within 0.05\n" in capsys.readouterr().out
    assert curate(*to_old, *data, "--operation", another) == 0
    assert "have a training row within 0.5, in" in capsys.readouterr().out
    near = ["leakage", "docs", "--splits", ":split", "--radius", 0.05, *out]
    assert curate(*near, *data) == 0
    assert "one of 150 training rows" in capsys.readouterr().out
    again = ["--operation", results_of(tmp_path / "a.csv")["operation"]]
    with gleann.Client(data[1]) as client:
        client.delete_index("docs")
    assert curate(*near, *data, *again) == 0
    assert "have a training row within 0.05, in" in capsys.readouterr().out


def test_near_duplicates_of_a_curation_stay_in_one_bucket(curated_folder, place):
    out = curated_folder / "there" / "groups.parquet"
    assert curate("duplicates", "docs", "--radius", 0.5, "--out", out, *place) == 0
    name = results_of(out)["curation"]
    grouped = out.with_name("grouped-split.parquet")
    split = ["split", "docs", "--together", name, "--folds", 3, "--out", grouped]
    assert curate(*split, *place) == 0
    rows = read(out).to_pydict()
    split_rows = read(grouped).to_pydict()
    buckets = dict(zip(split_rows["id"], split_rows["bucket"], strict=True))
    groups = {}
    for one, of in zip(rows["id"], rows["duplicate_of"], strict=True):
        groups.setdefault(of, set()).add(buckets[one])
    assert max(map(len, groups.values())) == 1
    assert len(groups) < N


@pytest.mark.parametrize(
    "given",
    [
        "--shares cat=0.5,dog=0.5",
        "--upper-bounds cat=0.7,dog=0.6 --share 0.5",
        "--sample F/sample.csv --confidence 0.9",
    ],
)
def test_labels_under_shares_come_from_the_curation(
    curated_folder, place, given, capsys
):
    folder, bounds = curated_folder / "here", filled(given, curated_folder, "here")
    labels = ["--labels", curated_folder / "labels.csv", "--overwrite", "--out"]
    p = ["--probabilities-out", folder / "a.parquet"]
    docs = curated_folder / "docs"
    assert curate("propagate", docs, *labels, folder / "s.csv", *p) == 0
    there = curated_folder / "there" / "s.csv"
    assert curate("propagate", "docs", *labels, there, *place) == 0
    name = results_of(there)["curation"]
    capsys.readouterr()
    out = ["--overwrite", "--out"]
    local = [folder / "a.parquet", *bounds, *out, folder / "allocated.parquet"]
    assert curate("allocate", *local) == 0
    here = plain(capsys.readouterr().out, curated_folder)
    remote = [name, *bounds, *out, there.with_name("allocated.parquet"), *place]
    assert curate("allocate", *remote) == 0
    assert plain(capsys.readouterr().out, curated_folder) == here
    own = read(folder / "allocated.parquet")
    assert read(there.with_name("allocated.parquet")) == own
    assert (
        results_of(there.with_name("allocated.parquet"))["classes"]
        == (results_of(folder / "allocated.parquet")["classes"])
    )


def test_an_audit_of_what_is_stored(curated_folder, place):
    out = curated_folder / "there" / "stored.csv"
    found = out.with_name("stored.parquet")
    near = ["duplicates", "docs", "--radius", 0.05, "--out", found]
    assert curate(*near, *place) == 0
    name = results_of(found)["curation"]
    for chosen in (name, f"{name}:kept"):
        words = ["audit", "docs", "--chosen", chosen, "--overwrite", "--out", out]
        assert curate(*words, *place) == 0
        kept = sum(read(found)["kept"].to_pylist())
        assert read(out)["rows"].to_pylist()[0] == kept < N
