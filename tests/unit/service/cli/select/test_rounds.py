"""`gleann select rounds` against the library it calls."""

import json
from typing import get_args

import numpy as np
import pyarrow.parquet as pq
import pytest
from cli_selecting import N, label_file, picks, select

from gleann.selection.rounds import PickerName, RoundsParams, RoundsSession

NAMES = np.array([f"n{i:03d}" for i in range(N)])


def truth_of(points):
    return (points[:, 0] > 0).astype(int) + (points[:, 1] > 0)


@pytest.mark.parametrize("picker", get_args(PickerName))
def test_rounds_go_on_where_they_stopped(picker, folder, points, tmp_path, capsys):
    truth = truth_of(points)
    params = RoundsParams(picker=picker, batch=10, seed=3)
    session = RoundsSession.start(
        points, params, ids=NAMES, rows=np.arange(12), labels=truth[:12]
    )
    labels = dict(zip(NAMES[:12].tolist(), truth[:12].tolist(), strict=True))
    for number in range(3):
        label_file(tmp_path / "labels.csv", labels)
        out = tmp_path / f"round-{number}.parquet"
        code = select(
            folder, out, "rounds", str(folder / "index"),
            "--labels", str(tmp_path / "labels.csv"),
            "--state", str(tmp_path / "state.json"),
            *(["--resume"] if number else
              ["--picker", picker.replace("_", "-"), "--batch", "10", "--seed", "3"]),
        )  # fmt: skip
        assert code == 0
        expected = session.next_batch()
        assert picks(out) == expected.ids.tolist()
        np.testing.assert_allclose(
            pq.read_table(out)["margin"].to_numpy(), expected.why["margin"]
        )
        labels |= {
            name: int(truth[row])
            for name, row in zip(picks(out), expected.rows, strict=True)
        }
        session.submit_labels(expected.ids, truth[expected.rows])
        said = capsys.readouterr().out
        assert f"round {number + 1}, 10 items to label" in said
        assert f"{12 + 10 * number} of {N} are labelled, in" in said
        assert ("of the mean margin" in said) == (picker == "weighted_k_center")
    record = json.loads((tmp_path / "round-2.parquet.manifest.json").read_text())
    assert record["results"]["round"] == 3
    assert record["results"]["provenance"]["method"] == f"rounds/{picker}"


def test_the_first_round_needs_no_labels(folder, tmp_path, capsys):
    out = tmp_path / "round.parquet"
    code = select(
        folder, out, "rounds", str(folder / "points.npy"), "--picker", "margin",
        "--batch", "7", "--state", str(tmp_path / "s.json"),
    )  # fmt: skip
    assert code == 0
    assert len(set(picks(out))) == 7
    assert "no model yet" in capsys.readouterr().out
    # A file with a header only says the same.
    (tmp_path / "empty.csv").write_text("id,label\n")
    again = tmp_path / "again.parquet"
    code = select(
        folder, again, "rounds", str(folder / "points.npy"), "--batch", "7",
        "--labels", str(tmp_path / "empty.csv"), "--state", str(tmp_path / "t.json"),
    )  # fmt: skip
    assert code == 0
    assert picks(again) == picks(out)


def test_one_weight_is_not_chosen(folder, points, tmp_path, capsys):
    truth = truth_of(points)
    label_file(tmp_path / "l.csv", dict(enumerate(truth[:40].tolist())))
    out = tmp_path / "round.parquet"
    code = select(
        folder, out, "rounds", str(folder / "points.npy"), "--picker",
        "weighted-k-center", "--weights", "1000", "--batch", "9",
        "--labels", str(tmp_path / "l.csv"), "--state", str(tmp_path / "s.json"),
    )  # fmt: skip
    assert code == 0
    said = capsys.readouterr().out
    assert "weight 1000 of the mean margin, in mean distances" in said
    assert "weight 1000 makes this round margin sampling" in said


def test_ignored_items_are_left_out(folder, points, tmp_path):
    label_file(tmp_path / "l.csv", dict(enumerate(truth_of(points)[:12].tolist())))
    np.save(tmp_path / "gone.npy", np.arange(20, N))
    out = tmp_path / "round.parquet"
    code = select(
        folder, out, "rounds", str(folder / "points.npy"), "--batch", "50",
        "--labels", str(tmp_path / "l.csv"), "--state", str(tmp_path / "s.json"),
        "--ignore", str(tmp_path / "gone.npy"),
    )  # fmt: skip
    assert code == 0
    assert picks(out) == list(range(12, 20))


def test_what_is_refused(folder, points, tmp_path, capsys):
    truth = truth_of(points)
    label_file(tmp_path / "l.csv", dict(enumerate(truth[:12].tolist())))
    shared = (
        "rounds", str(folder / "points.npy"), "--labels", str(tmp_path / "l.csv"),
        "--state", str(tmp_path / "s.json"),
    )  # fmt: skip
    first = tmp_path / "first.parquet"
    assert select(folder, first, *shared, "--weights", "a") == 2
    assert "must be like 0,0.3,1" in capsys.readouterr().err
    assert select(folder, first, *shared) == 0
    assert select(folder, tmp_path / "second.parquet", *shared) != 0
    assert "s.json" in capsys.readouterr().err
    label_file(tmp_path / "l.csv", {0: int(truth[0]) + 1})
    assert select(folder, tmp_path / "third.parquet", *shared, "--resume") != 0
    assert "differ from those given before: 0" in capsys.readouterr().err
