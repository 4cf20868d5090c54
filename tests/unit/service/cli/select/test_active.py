"""`gleann select active` against the library it calls."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from cli_selecting import N, label_file, picks, select

from gleann.index import SoarIndex
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    IndexNeighbours,
)
from gleann.selection.active.pools import cost
from gleann.service.cli.main import run


def test_a_labelling_loop_goes_on_where_it_stopped(folder, points, tmp_path, capsys):
    truth = (points[:, 0] > np.quantile(points[:, 0], 0.8)).astype(int)
    names = [f"n{i:03d}" for i in range(N)]
    row_of = {name: row for row, name in enumerate(names)}
    start = [int(np.argmax(truth)), int(np.argmin(truth))]
    labels = {names[row]: int(truth[row]) for row in start}
    asked: list[str] = []
    for number in range(3):
        label_file(tmp_path / "labels.csv", labels)
        out = tmp_path / f"batch-{number}.parquet"
        code = select(
            folder, out, "active", str(folder / "index"),
            "--labels", str(tmp_path / "labels.csv"),
            "--state", str(tmp_path / "state.json"),
            *(["--resume"] if number else ["--batch", "10", "--neighbours", "15"]),
        )  # fmt: skip
        assert code == 0
        batch = picks(out)
        assert len(batch) == 10
        assert not set(batch) & set(labels)
        assert not set(batch) & set(asked)
        asked += batch
        labels |= {name: int(truth[row_of[name]]) for name in batch}
    assert "22 are labelled" in capsys.readouterr().out
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["format"]


@pytest.mark.parametrize(
    ("source", "pool", "strategy"),
    [
        ("index", "anchors", "information_density"),
        ("index", "classifier", "entropy"),
        ("points.npy", "global", "information_density"),
    ],
)
def test_pools_and_strategies_are_those_of_the_library(
    source, pool, strategy, folder, points, tmp_path
):
    names = np.load(folder / "names.npy") if source == "index" else np.arange(N)
    seed = np.array([3, 9, 50, 200, 321])
    labels = np.array([0, 1, 0, 1, 1])
    label_file(
        tmp_path / "l.csv",
        dict(zip(names[seed].tolist(), labels.tolist(), strict=True)),
    )
    out = tmp_path / "batch.parquet"
    code = select(
        folder, out, "active", str(folder / source), "--labels",
        str(tmp_path / "l.csv"), "--state", str(tmp_path / "s.json"), "--batch", "7",
        "--neighbours", "9", "--pool", pool, "--strategy", strategy,
        "--metric", "l2",
    )  # fmt: skip
    assert code == 0
    index = SoarIndex.load(folder / "index")
    session = ActiveSession.start(
        points,
        ActiveParams(pool=pool, strategy=strategy, batch=7, neighbours=9),
        ids=names,
        rows=seed,
        labels=labels,
        neighbours=IndexNeighbours(index) if source == "index" else None,
    )
    assert picks(out) == session.next_batch().ids.tolist()


@pytest.mark.parametrize("source", ["index", "points.npy"])
def test_by_default_few_items_are_all_looked_at_and_it_says_why(
    source, folder, points, tmp_path, capsys
):
    """Without an index too: it would be of no use."""
    names = np.load(folder / "names.npy") if source == "index" else np.arange(N)
    seed = np.array([3, 9, 50, 200, 321])
    labels = np.array([0, 1, 0, 1, 1])
    label_file(
        tmp_path / "l.csv",
        dict(zip(names[seed].tolist(), labels.tolist(), strict=True)),
    )
    out = tmp_path / "batch.parquet"
    code = select(
        folder, out, "active", str(folder / source), "--labels",
        str(tmp_path / "l.csv"), "--state", str(tmp_path / "s.json"),
        "--metric", "l2",
    )  # fmt: skip
    assert code == 0
    session = ActiveSession.start(points, ids=names, rows=seed, labels=labels)
    batch = session.next_batch()
    assert len(batch) == 25
    assert picks(out) == batch.ids.tolist()
    said = capsys.readouterr().out
    assert f"{N:,} of {N:,} (100.0%) were looked at" in said
    assert "pool: global (auto: " in said
    assert f"all {N:,} rows take about" in said
    told = json.loads((tmp_path / "batch.parquet.manifest.json").read_text())["results"]
    assert (told["pool"], told["pool_asked"]) == ("global", "auto")
    assert told["pool_reason"] in said


def test_by_default_many_items_without_an_index_are_refused(
    folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(cost, "GLOBAL_COSTS", (0.0, 1e6, 0.0))
    label_file(tmp_path / "l.csv", {0: 0, 1: 1})
    code = select(
        folder, tmp_path / "b.parquet", "active", str(folder / "points.npy"),
        "--labels", str(tmp_path / "l.csv"), "--state", str(tmp_path / "s.json"),
    )  # fmt: skip
    assert code == 1
    error = capsys.readouterr().err
    assert f"no neighbours for {N:,} rows of" in error
    assert "the pool 'global'" in error
    assert not (tmp_path / "s.json").exists()


def test_a_session_is_not_started_over_by_accident(folder, tmp_path, capsys):
    label_file(tmp_path / "seed.csv", {"n000": 0, "n001": 1})
    arguments = ["active", str(folder / "index"), "--labels",
                 str(tmp_path / "seed.csv"), "--state", str(tmp_path / "s.json"),
                 "--batch", "3"]  # fmt: skip
    assert select(folder, tmp_path / "one.parquet", *arguments) == 0
    assert select(folder, tmp_path / "two.parquet", *arguments) == 1
    assert "s.json" in capsys.readouterr().err


def test_a_corrected_label_is_refused_by_name(folder, tmp_path, capsys):
    arguments = ["active", str(folder / "index"), "--labels",
                 str(tmp_path / "l.csv"), "--state", str(tmp_path / "s.json"),
                 "--batch", "3"]  # fmt: skip
    label_file(tmp_path / "l.csv", {"n000": 0, "n001": 1})
    assert select(folder, tmp_path / "one.parquet", *arguments) == 0
    label_file(tmp_path / "l.csv", {"n000": 1, "n001": 1})
    before = (tmp_path / "s.json").read_text()
    assert select(folder, tmp_path / "two.parquet", *arguments, "--resume") == 1
    error = capsys.readouterr().err
    assert "1 of 2 labels differ from those given before: 'n000'" in error
    assert (tmp_path / "s.json").read_text() == before


def test_ids_can_be_ignored_and_classes_named(folder, points, tmp_path, capsys):
    label_file(tmp_path / "l.csv", {"n000": 0, "n001": 1})
    arguments = ["active", str(folder / "index"), "--labels",
                 str(tmp_path / "l.csv"), "--state", str(tmp_path / "s.json"),
                 "--batch", "4", "--pool", "anchors", "--anchors", "1",
                 "--subpool", "6", "--classes", "0,1,7"]  # fmt: skip
    assert select(folder, tmp_path / "one.parquet", *arguments) == 0
    params = json.loads((tmp_path / "s.json").read_text())["params"]
    assert (params["anchors"], params["subpool"]) == (1, 6)
    assert params["classes"] == [0, 1, 7]
    first = picks(tmp_path / "one.parquet")
    (tmp_path / "not.csv").write_text("\n".join(["id", *first[:2]]))
    again = [*arguments, "--resume", "--ignore", str(tmp_path / "not.csv")]
    assert select(folder, tmp_path / "two.parquet", *again) == 0
    assert picks(tmp_path / "two.parquet") == first[2:]
    wrong = [*arguments[:-1], "one,two", "--resume"]
    assert select(folder, tmp_path / "three.parquet", *wrong) == 2
    assert "must be like 0,1,2; got 'one,two'" in capsys.readouterr().err


def start_arguments(folder, tmp_path, *rest):
    return [
        "active", str(folder / "index"), "--labels", str(tmp_path / "l.csv"),
        "--state", str(tmp_path / "s.json"), *rest,
    ]  # fmt: skip


def answer_file(path, names, answers):
    columns = {"id": names, "left": answers[:, 0], "high": answers[:, 1]}
    pacsv.write_csv(pa.table(columns), path)


@pytest.fixture
def answers(points):
    """(n, 2) of 0 and 1: two questions about each item."""
    return (points[:, :2] > np.quantile(points[:, :2], 0.8, axis=0)).astype(int)


def test_concepts_are_those_of_the_library(folder, points, answers, tmp_path, capsys):
    names = np.load(folder / "names.npy")
    seed = np.r_[np.flatnonzero(answers[:, 0])[:3], np.flatnonzero(answers[:, 1])[:3]]
    seed = np.unique(np.r_[seed, :6])
    session = ActiveSession.start(
        points,
        ActiveParams(batch=6, neighbours=9, concepts=("left", "high")),
        ids=names,
        rows=seed,
        labels=answers[seed],
        neighbours=IndexNeighbours(SoarIndex.load(folder / "index")),
    )
    known = seed
    for number in range(3):
        answer_file(tmp_path / "l.csv", names[known], answers[known])
        options = ["--resume"] if number else [
            "--concepts", "left, high", "--batch", "6", "--neighbours", "9"
        ]  # fmt: skip
        out = tmp_path / f"{number}.parquet"
        arguments = start_arguments(folder, tmp_path, *options)
        assert select(folder, out, *arguments) == 0
        batch = session.next_batch()
        assert picks(out) == batch.ids.tolist()
        asked = pq.read_table(out)["concept"].to_pylist()
        assert asked == batch.why["concept"].tolist()
        told = capsys.readouterr().out
        record = json.loads((tmp_path / f"{number}.parquet.manifest.json").read_text())
        for concept in ("left", "high"):
            covered = session.coverage(concept=concept)
            said = record["results"]["compared"][concept]
            assert said["score"] == covered.score
            assert said["random_score"] == covered.random_score
            assert (said["baseline"], said["baseline_score"]) == (
                "global",
                covered.baseline_score,
            )
            assert f"mean entropy for {concept} {covered.score:.4g}; as many" in told
        session.submit_labels(batch.ids, answers[batch.rows])
        known = np.r_[known, batch.rows]


def test_a_model_of_ones_own_is_asked_anew_for_every_batch(
    folder, points, answers, tmp_path, capsys
):
    names = np.load(folder / "names.npy")
    seed = np.arange(12)
    label_file(
        tmp_path / "l.csv",
        dict(zip(names[seed].tolist(), answers[seed, 0].tolist(), strict=True)),
    )
    p = 1 / (1 + np.exp(-points[:, 0].astype(np.float64)))
    np.save(tmp_path / "p.npy", np.stack([1 - p, p], axis=1))
    given = ["--probabilities", str(tmp_path / "p.npy")]
    start = start_arguments(folder, tmp_path, "--batch", "5", "--neighbours", "9")
    assert select(folder, tmp_path / "one.parquet", *start, *given) == 0
    first = picks(tmp_path / "one.parquet")
    rows = np.searchsorted(names, first)
    told = pq.read_table(tmp_path / "one.parquet")["probability"].to_pylist()
    np.testing.assert_allclose(told, p[rows])
    assert "mean entropy" in capsys.readouterr().out
    label_file(
        tmp_path / "l.csv",
        {
            names[row]: int(answers[row, 0])
            for row in np.r_[seed, rows]  # all of the batch: the next one is due
        },
    )
    before = (tmp_path / "s.json").read_text()
    again = [*start, "--resume"]
    assert select(folder, tmp_path / "two.parquet", *again) == 1
    assert "own: give --probabilities, made with" in capsys.readouterr().err
    assert (tmp_path / "s.json").read_text() == before
    assert not (tmp_path / "two.parquet").exists()
    assert select(folder, tmp_path / "two.parquet", *again, *given) == 0
    assert len(picks(tmp_path / "two.parquet")) == 5
    assert not set(picks(tmp_path / "two.parquet")) & set(first)


def test_probabilities_of_concepts_are_one_column_each(
    folder, points, answers, tmp_path
):
    names = np.load(folder / "names.npy")
    answer_file(tmp_path / "l.csv", names[:9], answers[:9])
    p = 1 / (1 + np.exp(-points[:, :2].astype(np.float64)))
    np.save(tmp_path / "p.npy", p)
    arguments = start_arguments(
        folder, tmp_path, "--concepts", "left,high", "--batch", "4",
        "--neighbours", "9", "--probabilities", str(tmp_path / "p.npy"),
    )  # fmt: skip
    assert select(folder, tmp_path / "one.parquet", *arguments) == 0
    table = pq.read_table(tmp_path / "one.parquet").to_pydict()
    rows = np.searchsorted(names, table["id"])
    column = np.array([["left", "high"].index(name) for name in table["concept"]])
    np.testing.assert_allclose(table["probability"], p[rows, column])


@pytest.mark.parametrize(
    "kept", ["nothing", "the batch", "the batch and half the labels"]
)
def test_a_command_killed_at_any_point_goes_on_with_the_same_sequence(
    kept, folder, points, tmp_path
):
    """The batch is written first: killed before the state is, the same comes again."""
    names = np.load(folder / "names.npy")
    truth = (points[:, 0] > np.quantile(points[:, 0], 0.8)).astype(int)
    seed = np.r_[np.flatnonzero(truth)[:3], np.flatnonzero(1 - truth)[:6]]

    def label(rows, upto=None):
        some = rows[:upto]
        label_file(
            tmp_path / "l.csv",
            dict(zip(names[some].tolist(), truth[some].tolist(), strict=True)),
        )

    def batch(out, *options):
        arguments = start_arguments(folder, tmp_path, *options)
        assert select(folder, out, *arguments) == 0
        return np.searchsorted(names, picks(out))

    label(seed)
    first = batch(tmp_path / "1.parquet", "--batch", "6", "--neighbours", "9")
    before = (tmp_path / "s.json").read_bytes()
    known = np.r_[seed, first]
    label(known)
    second = batch(tmp_path / "2.parquet", "--resume")
    after = (tmp_path / "s.json").read_bytes()
    (tmp_path / "s.json").write_bytes(before)
    if kept == "nothing":
        (tmp_path / "2.parquet").unlink()
    if kept == "the batch and half the labels":
        label(known, len(seed) + 3)
        assert (
            batch(tmp_path / "half.parquet", "--resume").tolist() == first[3:].tolist()
        )
        label(known)
    again = batch(tmp_path / "2.parquet", "--resume", "--overwrite")
    assert again.tolist() == second.tolist()
    assert (tmp_path / "s.json").read_bytes() == after


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        (["--concepts", "left,high"], "column"),
        (["--concepts", "left,left"], "distinct names"),
        (["--probabilities", "wide.npy"], "expected (500, 2)"),
        (["--probabilities", "short.npy"], "expected (500, 2)"),
        (["--probabilities", "odd.npy"], "row 7 sum to 0.9"),
        (["--probabilities", "nan.npy"], "NaN or infinity (1"),
        (["--probabilities", "absent.npy"], "absent.npy"),
        (["--classes", "0,5"], "labels 1 are outside the classes [0, 5]"),
        (["--batch", "0"], "batch must be at least 1, got 0"),
    ],
)
def test_bad_active_input_is_one_line(
    rest, says, folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    label_file("l.csv", {"n000": 0, "n001": 1})
    np.save("wide.npy", np.full((N, 3), 1 / 3))
    np.save("short.npy", np.full((N - 1, 2), 0.5))
    for name, value in (("odd", 0.4), ("nan", np.nan)):
        table = np.full((N, 2), 0.5)
        table[7, 0] = value
        np.save(f"{name}.npy", table)
    arguments = start_arguments(folder, tmp_path, *rest)
    assert select(folder, "out.parquet", *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("gleann: error: ")
    assert error.count("\n") == 1
    assert says in error
    assert not (tmp_path / "s.json").exists()


def test_states_that_are_none_are_refused(folder, tmp_path, capsys):
    label_file(tmp_path / "l.csv", {"n000": 0, "n001": 1})
    arguments = start_arguments(folder, tmp_path, "--batch", "3")
    assert select(folder, tmp_path / "one.parquet", *arguments) == 0
    whole = json.loads((tmp_path / "s.json").read_text())
    for broken, says in (
        ("[1]", "it holds no object"),
        ("{", "is not a session"),
        ("{}", "expected a state of format"),
        (json.dumps({"format": whole["format"]}), "the state has no params"),
        (
            json.dumps({**whole, "data_hash": "0" * 64}),
            "the state is of vectors 000000",
        ),
    ):
        (tmp_path / "s.json").write_text(broken)
        assert select(folder, tmp_path / "two.parquet", *arguments, "--resume") == 1
        assert says in capsys.readouterr().err
        assert not (tmp_path / "two.parquet").exists()


def test_no_concept_is_called_id(folder, tmp_path, capsys):
    (tmp_path / "labels.csv").write_text("id,label\n1,0\n2,1\n")
    code = run(
        ["select", "active", str(folder / "index"), "--labels",
         str(tmp_path / "labels.csv"), "--concepts", "id", "--state",
         str(tmp_path / "s.json"), "--out", str(tmp_path / "o.parquet")]
    )  # fmt: skip
    assert code == 1
    assert "no concept may be called 'id'" in capsys.readouterr().err
