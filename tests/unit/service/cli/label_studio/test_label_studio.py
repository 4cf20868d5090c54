"""`gleann label-studio`: tasks out, labels in, and on with the next batch."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from gleann.service.cli.main import run

IDS = [7, 3, 11]


@pytest.fixture(params=["integers", "texts"])
def ids(request):
    return IDS if request.param == "integers" else [f"item {one}" for one in IDS]


@pytest.fixture
def files(tmp_path, monkeypatch, ids):
    """A batch, and the items that it is of."""
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"id": ids, "score": [0.1, 0.2, 0.3]}), "batch.parquet")
    others = [9, 8] if isinstance(ids[0], int) else ["item 9", "item 8"]
    names = [*others, *ids[::-1]]
    table = {
        "id": names,
        "text": [f"about {name}" for name in names],
        "picture": [f"https://example.org/{name}.png" for name in names],
        "label": ["dog", "cat", "", "cat", "dog"],
        "sure": [0.9, 0.8, 0.0, 0.25, 0.75],
    }
    pacsv.write_csv(pa.table(table), "items.csv")
    return tmp_path


def words(text):
    return text.split()


def tasks(path="tasks.json"):
    return json.loads(Path(path).read_text())


def annotated(task, *choices, **more):
    results = [
        {"from_name": "label", "type": "choices", "value": {"choices": [one]}}
        for one in choices
    ]
    return {**task, "annotations": [{"result": [one], **more} for one in results]}


def table(path):
    return pacsv.read_csv(path).to_pydict()


def test_tasks_have_the_order_of_the_batch(files, ids, capsys):
    assert (
        run(
            words("label-studio tasks batch.parquet --items items.csv --out tasks.json")
        )
        == 0
    )
    assert tasks() == [
        {"data": {"text": f"about {name}", "gleann_id": name}} for name in ids
    ]
    assert "3 tasks in tasks.json" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_item_that_is_there_twice_is_refused_with_both_rows(
    files, ids, suffix, capsys
):
    line = words(f"label-studio tasks batch.parquet --items twice.{suffix}")
    line += ["--out", "tasks.json"]

    def write(names):
        twice = pa.table({"id": names, "text": [str(at) for at in range(len(names))]})
        if suffix == "csv":
            pacsv.write_csv(twice, "twice.csv")
        else:
            pq.write_table(twice, "twice.parquet")

    write([*ids, ids[1]])
    assert run(line) == 1
    said = capsys.readouterr().err
    assert f"twice.{suffix}: row 3" in said
    assert f"id {ids[1]!r} is that of row 1 too" in said
    assert not Path("tasks.json").exists()
    other = 99 if isinstance(ids[0], int) else "item 99"
    write([other, *ids, other])
    assert run(line) == 0
    assert [one["data"]["text"] for one in tasks()] == ["1", "2", "3"]


def test_guesses_and_a_configuration(files, ids):
    line = (
        "label-studio tasks batch.parquet --items items.csv --shows image --column"
        " picture --guess-column label --score-column sure --classes cat,dog --config"
        " studio.xml --out tasks.json"
    )
    assert run(words(line)) == 0
    first, second, third = tasks()
    assert first["data"]["image"] == f"https://example.org/{ids[0]}.png"
    [guess] = first["predictions"]
    assert guess["score"] == 0.75
    assert guess["result"][0]["value"] == {"choices": ["dog"]}
    assert second["predictions"][0]["score"] == 0.25
    assert "predictions" not in third
    config = (files / "studio.xml").read_text()
    assert '<Image name="item" value="$image"/>' in config
    assert config.count("<Choice ") == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--items few.csv", "no row for 2 of the 3 ids of batch.parquet, such as"),
        ("--items items.csv --classes a", "--classes is given without --config"),
        ("--items items.csv --config a.xml", "--config is given without --classes"),
        ("--items items.csv --score-column sure", "--guess-column, which is missing"),
        ("--items items.csv --column gone", "gone"),
        ("", "text"),
        (
            "--items items.csv --guess-column label --score-column text",
            "is no number",
        ),
        ("--items items.csv --out tasks.csv", "must be one of .json"),
    ],
)
def test_tasks_that_cannot_be_made(files, ids, capsys, options, says):
    few = {"id": ids[:1], "text": ["one"]}
    pacsv.write_csv(pa.table(few), "few.csv")
    out = "" if "--out" in options else " --out tasks.json"
    assert run(words(f"label-studio tasks batch.parquet {options}{out}")) == 1
    assert says in capsys.readouterr().err
    assert not (files / "tasks.json").exists()


@pytest.fixture
def export(files, ids):
    """Labels of the three: cat, dog, and as many votes for both; a fourth skipped."""
    made = [{"id": n, "data": {"gleann_id": name}} for n, name in enumerate(ids)]
    skipped = {"data": {"gleann_id": 99 if isinstance(ids[0], int) else "item 99"}}
    found = [
        annotated(made[0], "cat", "cat", "dog"),
        annotated(made[1], "dog"),
        annotated(made[2], "cat", "dog"),
        annotated(skipped, "cat", was_cancelled=True),
    ]
    (files / "export.json").write_text(json.dumps(found))
    return files


def test_labels(export, ids, capsys):
    assert run(words("label-studio labels export.json --out found.csv")) == 0
    assert table("found.csv") == {"id": ids[:2], "label": ["cat", "dog"]}
    printed = capsys.readouterr()
    assert "2 labels in found.csv, 2 of them from export.json" in printed.out
    assert "2 items have no label: 1 with as many votes" in printed.err


@pytest.mark.parametrize(
    ("options", "column", "labels"),
    [
        ("--positive cat", "label", [1, 0]),
        ("--positive cat --column positive", "positive", [1, 0]),
        ("--classes bird,dog,cat", "label", [2, 1]),
    ],
)
def test_labels_as_numbers(export, ids, options, column, labels):
    line = f"label-studio labels export.json {options} --out found.csv"
    assert run(words(line)) == 0
    assert table("found.csv") == {"id": ids[:2], column: labels}


@pytest.mark.parametrize("options", ["", "--positive cat"])
def test_labels_behind_those_so_far(export, ids, options):
    names = [50, 40] if isinstance(ids[0], int) else ["item 50", "item 40"]
    old = [1, 0] if options else ["cat", "bird"]
    pacsv.write_csv(pa.table({"id": names, "label": old}), "seed.csv")
    line = f"label-studio labels export.json {options} --after seed.csv --out all.csv"
    assert run(words(line)) == 0
    new = [1, 0] if options else ["cat", "dog"]
    assert table("all.csv") == {"id": names + ids[:2], "label": old + new}


def test_texts_of_digits_behind_those_so_far(tmp_path, monkeypatch):
    """A csv file does not tell them from integers."""
    monkeypatch.chdir(tmp_path)
    made = annotated({"data": {"gleann_id": "12"}}, "cat")
    Path("export.json").write_text(json.dumps([made]))
    pacsv.write_csv(pa.table({"id": [7, 40], "label": ["cat", "dog"]}), "seed.csv")
    line = "label-studio labels export.json --after seed.csv --out all.parquet"
    assert run(words(line)) == 0
    assert pq.read_table("all.parquet")["id"].to_pylist() == ["7", "40", "12"]
    pacsv.write_csv(pa.table({"id": [12], "label": ["cat"]}), "seed.csv")
    assert run(words(f"{line} --overwrite")) == 1


def test_a_positive_class_that_nobody_gave_is_said(export, capsys):
    line = "label-studio labels export.json --out found.csv --positive"
    assert run(words(f"{line} cats")) == 0
    said = capsys.readouterr().err
    assert "none of the 2 labels is --positive 'cats', but one of 2 others" in said
    assert run(words(f"{line} cat --overwrite")) == 0
    assert "none of" not in capsys.readouterr().err


def test_a_guess_without_a_score(files, ids):
    items = {"id": ids, "text": ["a", "b", "c"], "label": ["cat"] * 3}
    pacsv.write_csv(pa.table({**items, "sure": ["", "nan", "0.5"]}), "items.csv")
    line = (
        "label-studio tasks batch.parquet --items items.csv --guess-column label"
        " --score-column sure --out tasks.json"
    )
    assert run(words(line)) == 0
    assert [t["predictions"][0].get("score") for t in tasks()] == [None, None, 0.5]


def test_nothing_new_leaves_the_labels_so_far(files, ids):
    (files / "export.json").write_text("[]")
    pacsv.write_csv(pa.table({"id": ids, "label": [1, 0, 1]}), "seed.csv")
    line = "label-studio labels export.json --positive cat --after seed.csv --out a.csv"
    assert run(words(line)) == 0
    assert table("a.csv") == {"id": ids, "label": [1, 0, 1]}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--positive cat --classes cat", "give --positive or --classes"),
        ("--classes cat", "1 classes that --classes lacks, such as 'dog'"),
        ("--classes cat,dog,cat", "class 2 of 3, 'cat', is there twice"),
        ("--column id --positive cat", "--column id is the column of the ids"),
        ("--after numbers.csv", "numbers.csv has numbers as labels, such as 1, and"),
        ("--after same.csv", "labels 1 items that same.csv has labels of, such as"),
        ("--after other.csv", "one is an integer and one a text"),
        ("--control other", ""),
    ],
)
def test_labels_that_cannot_be_read(export, ids, capsys, options, says):
    pacsv.write_csv(pa.table({"id": ids[:1], "label": ["cat"]}), "same.csv")
    free = [50] if isinstance(ids[0], int) else ["item 50"]
    pacsv.write_csv(pa.table({"id": free, "label": [1]}), "numbers.csv")
    kind = ["x"] if isinstance(ids[0], int) else [1]
    pacsv.write_csv(pa.table({"id": kind, "label": ["cat"]}), "other.csv")
    code = run(words(f"label-studio labels export.json {options} --out found.csv"))
    if not says:  # nobody answered that control
        assert (code, table("found.csv")["id"]) == (0, [])
        return
    assert code == 1
    assert says in capsys.readouterr().err
    assert not (export / "found.csv").exists()


def test_json_lists_who_has_no_label(export, ids, capsys):
    assert run(words("label-studio labels export.json --out found.csv --json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["labels"] == 2
    assert told["unclear"] == ids[2:]
    assert len(told["skipped"]) == 1


def test_a_batch_goes_out_and_its_labels_continue_the_session(tmp_path, monkeypatch):
    """select, tasks, labels by people, labels, select."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    positive = vectors[:, 0] > 0.5
    np.save("items.npy", vectors)
    pacsv.write_csv(
        pa.table({"id": range(300), "text": [f"item {n}" for n in range(300)]}),
        "items.csv",
    )
    seed = [*np.flatnonzero(positive)[:3], *np.flatnonzero(~positive)[:3]]
    pacsv.write_csv(pa.table({"id": seed, "label": [1, 1, 1, 0, 0, 0]}), "seed.csv")
    select = "select active items.npy --pool global --batch 10 --state s.json"
    assert run(words(f"{select} --labels seed.csv --out batch-1.parquet")) == 0
    line = "label-studio tasks batch-1.parquet --items items.csv --out tasks.json"
    assert run(words(line)) == 0
    answered = [
        annotated(one, "yes" if positive[one["data"]["gleann_id"]] else "no")
        for one in tasks()
    ]
    (tmp_path / "export.json").write_text(json.dumps(answered))
    line = "label-studio labels export.json --positive yes --after seed.csv"
    assert run(words(f"{line} --out labels.csv")) == 0
    line = f"{select} --resume --labels labels.csv --out batch-2.parquet"
    assert run(words(line)) == 0
    first, second = (
        set(pq.read_table(f"batch-{n}.parquet")["id"].to_pylist()) for n in (1, 2)
    )
    assert len(second) == 10
    assert not first & second
