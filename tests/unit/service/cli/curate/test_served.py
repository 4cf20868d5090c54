"""`gleann curate` on an index of a server: the answers of the commands on a folder."""

import json
import shlex
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from served_curation import (
    NAMES,
    TOPICS,
    N,
    curate,
    fill,
    filled,
    plain,
    points,
    read,
    results_of,
)

import gleann
from gleann.service.cli.curate.served import running
from gleann.service.cli.main import run
from gleann.service.client.operation import Operation

CASES = {
    "duplicates": (
        "duplicates DOCS --radius 0.05 --out O/found.parquet --pairs O/pairs.csv",
        "",
        "",
    ),
    "duplicates by score among some, beside another": (
        "duplicates DOCS --radius 0.05 --keep-by score --against OLD --where "
        "'topic < $1' --param 2 --out O/some.parquet",
        "--scores F/items.csv:score",
        "--scores :score",
    ),
    "duplicates beside a file": (
        "duplicates DOCS --radius 0.05 --against F/named.parquet --scores "
        "F/items.csv --keep-by score --out O/file.csv",
        "",
        "",
    ),
    "join": (
        "join DOCS --radius 0.05 --out O/joined.parquet",
        "",
        "",
    ),
    "join with another": (
        "join DOCS --other OLD --radius 0.05 --out O/two.csv",
        "",
        "",
    ),
    "join with a file": (
        "join DOCS --other F/named.parquet --radius 9 --out O/three.parquet "
        "--where \"split = 'train'\"",
        "",
        "",
    ),
    "join by k": (
        "join DOCS --other OLD --k 2 --target-recall 1 --out O/nearest.parquet",
        "",
        "",
    ),
    "leakage": (
        "leakage DOCS --radius 0.05 --out O/leaked.parquet --pairs O/leaks.csv "
        "--bins 7",
        "--splits F/items.csv",
        "--splits :split",
    ),
    "leakage by groups of some": (
        "leakage DOCS --radius 0.05 --trained-on test --where 'topic < 2' --out"
        " O/grouped.csv",
        "--splits F/items.csv:split",
        "--splits :split",
    ),
    "leakage into a reference": (
        "leakage DOCS --reference OLD --radius 0.05 --out O/reference.parquet",
        "",
        "",
    ),
    "split": (
        "split DOCS --folds 3 --seed 4 --out O/split.parquet",
        "--together F/items.csv:topic",
        "--together :topic",
    ),
    "split of some": (
        "split DOCS --folds 2 --where 'topic < 2' --out O/some-split.csv",
        "",
        "",
    ),
    "target": (
        "target DOCS --targets F/named.parquet --budget 20 --exclude "
        "F/excluded.csv --out O/picks.parquet",
        "",
        "",
    ),
    "target with tasks and caps": (
        "target DOCS --target-ids F/seeds.csv --tasks F/seeds.csv --mode "
        "best-rank --budget 20 --caps 0=3,1=4 --out O/capped.csv "
        "--where 'topic >= 0'",
        "--groups F/items.csv:topic",
        "--groups :topic",
    ),
    "target by a draw": (
        "target DOCS --targets F/wanted.npy --mode resample --budget 20 --seed "
        "5 --out O/drawn.csv",
        "",
        "",
    ),
    "target by a probe": (
        "target DOCS --targets F/wanted.npy --mode distil --budget 20 --scores "
        "O/proxy.parquet --out O/probed.csv",
        "",
        "",
    ),
    "plan": (
        "plan DOCS --fraction 0.1 --epoch 2 --epochs 3 --part 2/3 --seed 6 "
        "--out O/epochs.parquet",
        "",
        "",
    ),
    "plan by lists of some": (
        "plan DOCS --fraction 0.25 --by-lists --mode drawn-again --where 'topic"
        " = 1' --out O/drawn-epochs.csv",
        "",
        "",
    ),
    "negatives": (
        "negatives DOCS --queries F/wanted.npy --positives F/pairs.csv "
        "--per-query 3 --target-recall 1 --out O/negatives.parquet --shortfall "
        "O/short.csv",
        "",
        "",
    ),
    "negatives of items": (
        "negatives DOCS --query-ids F/seeds.csv --positives F/seed_pairs.csv "
        "--per-query 9 --window 0,40 --margin 0.1 --duplicate-radius 0.05 "
        "--where 'topic < 2' --out O/hard.csv --sampling random --seed 2",
        "",
        "",
    ),
    "propagate": (
        "propagate DOCS --labels F/labels.csv --classes cat,dog,eel --out "
        "O/spread.parquet --probabilities-out O/p.parquet --uncertain-out "
        "O/next.csv --uncertain 7 --alpha 0.9",
        "",
        "",
    ),
    "propagate soft labels": (
        "propagate DOCS --soft-labels F/soft.csv --k 5 --hold clamped --out O/soft.csv",
        "",
        "",
    ),
    "audit": (
        "audit DOCS --chosen F/picks.csv:good --group-column topic --orders "
        "0.5,1 --shares 0.5,1 --out O/audit.csv --coverage-out O/curve.parquet "
        "--groups-out O/groups.csv --parts-out O/parts.csv --where 'topic < 3'",
        "",
        "",
    ),
}
"""Each command, and what only the folder and only the server take."""


def words_of(folder: Path, name: str, *, side: str) -> list[str]:
    """The command on a folder ("here") or on a server ("there")."""
    shared, here, there = CASES[name]
    return filled(f"{shared} {here if side == 'here' else there}", folder, side)


def outputs_of(name: str) -> list[str]:
    words = shlex.split(CASES[name][0])
    return [word[2:] for word in words if word.startswith("O/")]


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_that_of_the_folder(curated_folder, place, name, capsys):
    assert curate(*words_of(curated_folder, name, side="here")) == 0
    here = plain(capsys.readouterr().out, curated_folder)
    assert curate(*words_of(curated_folder, name, side="there"), *place) == 0
    assert plain(capsys.readouterr().out, curated_folder) == here
    outputs = outputs_of(name)
    assert outputs
    for output in outputs:
        own = read(curated_folder / "here" / output)
        assert len(own) > 0
        theirs = read(curated_folder / "there" / output)
        assert theirs.schema == own.schema
        if name.startswith(
            "join"
        ):  # in the order of the lists, and each pair either way
            assert pairs_of(theirs) == pairs_of(own)
            continue
        for column in own.column_names:
            assert theirs[column].to_pylist() == own[column].to_pylist(), column


@pytest.mark.parametrize("name", CASES)
def test_a_dry_run_says_what_it_would_take_and_writes_nothing(
    curated_folder, place, name, capsys, monkeypatch
):
    monkeypatch.setattr(Operation, "wait", None)  # nothing is waited for
    words = [*words_of(curated_folder, name, side="there"), *place, "--dry-run"]
    outputs = [curated_folder / "there" / one for one in outputs_of(name)]
    before = [one.stat() if one.exists() else None for one in outputs]
    assert curate(*words, "--overwrite") == 0
    said = capsys.readouterr().out
    assert "time: about" in said
    assert "memory: at most about" in said
    assert [one.stat() if one.exists() else None for one in outputs] == before
    assert curate(*words, "--overwrite", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["seconds"] > 0
    assert all(step in said for step in plan["steps"])


def test_a_dry_run_is_refused_where_nothing_can_be_planned(
    curated_folder, place, capsys, tmp_path
):
    out = ["--radius", 1, "--out", tmp_path / "o.csv", "--dry-run"]
    assert curate("duplicates", curated_folder / "docs", *out) != 0
    assert "--dry-run asks where the index is" in capsys.readouterr().err
    begun = ["--operation", "operations/3f2a"]
    assert curate("duplicates", "docs", *out, *place, *begun) != 0
    assert "give one of --dry-run and --operation" in capsys.readouterr().err
    assert curate("duplicates", "none", *out, *place) != 0
    assert "none" in capsys.readouterr().err


def pairs_of(table):
    lines = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return {(frozenset((one, other)), distance) for one, other, distance in lines}


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("duplicates", "found.parquet"),
        ("leakage", "leaked.parquet"),
        ("target", "picks.parquet"),
        ("propagate", "spread.parquet"),
    ],
)
def test_the_record_has_the_numbers_and_the_names(curated_folder, place, name, output):
    again = ["--overwrite"]
    assert curate(*words_of(curated_folder, name, side="here"), *again) == 0
    assert curate(*words_of(curated_folder, name, side="there"), *place, *again) == 0
    here = results_of(curated_folder / "here" / output)
    there = results_of(curated_folder / "there" / output)
    for key in set(here) - {"provenance"}:
        assert there[key] == here[key], key
    assert there["curation"].startswith("curations/")
    assert there["operation"].startswith("operations/")
    text = (curated_folder / "there" / f"{output}.manifest.json").read_text()
    assert place[1] in text
    assert Path(place[3]).read_text() not in text


def test_epochs_without_an_item_are_counted(tmp_path, capsys):
    """One item is in every other epoch of a half."""
    np.save(tmp_path / "one.npy", points()[:1])
    with gleann.Client(tmp_path / "library") as client:
        client.create_index("one", dim=8, metric="l2")
        client.upsert("one", [0], points()[:1])
    words = ["--fraction", 0.5, "--epochs", 3, "--out"]
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    assert curate("plan", tmp_path / "one.npy", "--metric", "l2", *words, here) == 0
    said = capsys.readouterr().out.replace("here.csv", "there.csv")
    data = ["--data", tmp_path / "library"]
    assert curate("plan", "one", *words, there, *data) == 0
    assert plain(capsys.readouterr().out, tmp_path) == plain(said, tmp_path)
    counts = [results_of(one)["rows_of_epoch"] for one in (here, there)]
    assert counts[0] == counts[1]
    assert sorted(set(counts[0].values())) == [0, 1]


def test_a_data_directory_answers_without_a_server(tmp_path):
    fill(tmp_path / "library")
    out = tmp_path / "pairs.csv"
    words = ["docs", "--data", tmp_path / "library", "--radius", 0.05, "--out", out]
    assert curate("join", *words) == 0
    assert len(read(out)) >= 60


def test_work_of_a_data_directory_goes_on_when_it_is_opened(
    tmp_path, monkeypatch, capsys
):
    fill(tmp_path / "library")
    out = tmp_path / "pairs.csv"
    words = ["docs", "--data", tmp_path / "library", "--radius", 0.05, "--out", out]

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Operation, "wait", interrupted)
        assert curate("join", *words) == 130
    said = capsys.readouterr().err
    assert "goes on when the directory is opened again" in said
    command = said.partition("its result: ")[2].splitlines()[0]
    assert run(shlex.split(command)[1:]) == 0
    assert len(read(out)) >= 60


def test_integer_ids_of_files_are_found(tmp_path):
    data = tmp_path / "library"
    with gleann.Client(data) as client:
        client.create_index("n", dim=8, metric="l2", columns={"topic": "int64"})
        client.upsert("n", np.arange(N), points(), {"topic": TOPICS.tolist()})
    (tmp_path / "seeds.csv").write_text("id\n1\n2\n")
    words = ["--target-ids", tmp_path / "seeds.csv", "--budget", 3, "--data", data]
    assert curate("target", "n", *words, "--out", tmp_path / "p.parquet") == 0
    assert set(read(tmp_path / "p.parquet")["target"].to_pylist()) <= {1, 2}


def test_the_progress_of_the_job_is_shown(curated_folder, place, monkeypatch):
    shown = []

    @contextmanager
    def bars(*, wanted):
        yield lambda progress: shown.append((wanted, progress.phase))

    monkeypatch.setattr(running, "progress_bars", bars)
    out = curated_folder / "there" / "shown.csv"
    words = ["propagate", "docs", "--labels", curated_folder / "labels.csv", "--out"]
    assert curate(*words, out, "--progress", *place) == 0
    assert shown
    assert all(wanted and phase for wanted, phase in shown)


def test_ctrl_c_says_how_to_come_back(curated_folder, place, monkeypatch, capsys):
    out = curated_folder / "there" / "back.parquet"
    words = ["duplicates", "docs", "--radius", 0.05, "--out", out, *place]

    def interrupted(self, *_):
        assert self.name.startswith("operations/")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Operation, "wait", interrupted)
        assert curate(*words) == 130
    said = capsys.readouterr().err
    assert "goes on; to write its result: gleann curate duplicates docs" in said
    assert not out.exists()
    command = said.partition("its result: ")[2].splitlines()[0]
    assert run(shlex.split(command)[1:]) == 0
    plain_out = out.with_name("straight.parquet")
    straight = ["duplicates", "docs", "--radius", 0.05, "--out", plain_out, *place]
    assert curate(*straight) == 0
    assert read(out) == read(plain_out)
    name = results_of(out)["operation"]
    for command, reason in (
        (["join", "docs", "--radius", 0.05], "of near_duplicates, not of join"),
        (["duplicates", "old", "--radius", 0.05], "of the index 'docs', not of 'old'"),
    ):
        other = out.with_name("other.csv")
        again = ["--out", other, "--operation", name.removeprefix("operations/")]
        assert curate(*command, *again, *place) == 1
        assert reason in capsys.readouterr().err
        assert not other.exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("duplicates docs --radius 1 --report O/p.html", "a page needs"),
        ("duplicates docs --radius 1 --state O/s.npz", "keeps the cura"),
        ("duplicates docs --radius 1 --known s.npz", "is a file of"),
        ("duplicates docs --radius 1 --threads 2", "over its cores"),
        ("duplicates docs --radius 1 --metric l2", "its own metric"),
        ("duplicates docs", "give one of --radius, --similarity"),
        ("duplicates none --radius 1", "none"),
        ("join docs --radius 1 --payload F/items.csv", "columns of the"),
        ("join docs", "give one of --radius, --similarity and --k"),
        ("join docs --other F/wrong.npy --radius 1", "wrong.npy: vectors"),
        ("leakage docs --radius 1 --splits F/items.csv", ":COLUMN"),
        ("leakage docs --radius 1 --splits :no", "'no'"),
        ("split docs --tests F/tests.csv", "--tests is not for --server"),
        ("split docs --together F/items.csv:topic", "names a file"),
        ("target docs --targets F/wrong.npy --budget 2", "wrong.npy"),
        ("audit docs --chosen F/picks.csv --groups F/items.csv", "colu"),
        ("allocate F/items.csv --shares a=1", "is a file here"),
        ("allocate curations/0 --shares a=1", "curations/0"),
        ("rethreshold curations/0 --radius 1", "curations/0"),
        ("plan docs --fraction 2", "fraction"),
        (
            "join docs --radius 1 --operation 0",
            "there is no operations/0, nor a curation that it made",
        ),
    ],
)
def test_what_is_not_served_is_refused(curated_folder, place, words, reason, capsys):
    np.save(curated_folder / "wrong.npy", np.ones((2, 3), "f4"))
    out = curated_folder / "there" / "refused.parquet"
    typed = filled(words, curated_folder, "there")
    assert curate(*typed, "--out", out, *place) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_the_name_of_an_operation_needs_a_place(tmp_path, capsys):
    words = ["x", "--radius", 1, "--out", tmp_path / "o.csv", "--operation", "3f2a"]
    assert curate("join", *words) == 1
    assert "give --server or --data too" in capsys.readouterr().err


def test_a_wrong_key_is_one_line(curated_folder, place, tmp_path, capsys):
    (tmp_path / "key").write_text("another")
    words = ["docs", "--radius", 1, "--out", tmp_path / "o.csv", *place[:2]]
    assert curate("join", *words, "--api-key-file", tmp_path / "key") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_json_has_the_record(curated_folder, place, capsys):
    out = curated_folder / "there" / "as-json.csv"
    words = ["join", "docs", "--radius", 0.05, "--out", out, "--json", *place]
    assert curate(*words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["results"]["pairs"] == len(read(out)) > 0
    assert NAMES[0] in read(out)["id"].to_pylist()
