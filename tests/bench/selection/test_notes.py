"""Runs of the selection bench that are killed: what is noted is not measured again."""

import argparse
import json

import numpy as np
import pytest

from bench.selection import active, coreset, growth, recall
from bench.selection.coreset_accuracy import strongest_simple as strongest_rival
from bench.selection.notes import Notes, command_of, notes_of, write_result
from bench.selection.tables.active_tables import strongest_simple

ORIGIN = {"machine": {"cpu": "x"}, "commit": "1", "started": "now"}


def test_what_is_noted_is_not_measured_again(tmp_path):
    out = tmp_path / "r.json"
    measured = []

    def measure(value):
        measured.append(value)
        return value

    first = Notes(out, {"a": 1}, ORIGIN)
    assert first.resumed == 0
    assert first.once(("x", 1), lambda: measure({"t": 0.25})) == {"t": 0.25}
    assert first.once(("x", 1), lambda: measure({"t": 9})) == {"t": 0.25}
    assert first.once(("x", 2), lambda: measure((1, 2))) == [1, 2]
    again = Notes(out, {"a": 1}, {**ORIGIN, "started": "later"})
    assert again.resumed == 2
    assert again.has(("x", 2))
    assert not again.has(("x", 3))
    assert again.once(("x", 2), lambda: measure("not asked")) == [1, 2]
    assert measured == [{"t": 0.25}, (1, 2)]
    write_result({"done": True}, out)
    assert not notes_of(out).exists()
    assert json.loads(out.read_text()) == {"done": True}


def test_a_line_that_was_cut_off_is_measured_again(tmp_path):
    out = tmp_path / "r.json"
    notes = Notes(out, {}, ORIGIN)
    for number in range(3):
        notes.once((number,), lambda: "whole")
    text = notes_of(out).read_text()
    notes_of(out).write_text(text[:-4])
    again = Notes(out, {}, ORIGIN)
    assert again.resumed == 2
    assert again.once((2,), lambda: "anew") == "anew"
    assert Notes(out, {}, ORIGIN).resumed == 3


@pytest.mark.parametrize(
    ("plan", "origin"),
    [
        ({"budget": 2}, ORIGIN),
        ({"budget": 1}, {**ORIGIN, "commit": "2"}),
        ({"budget": 1}, {**ORIGIN, "machine": {"cpu": "y"}}),
    ],
)
def test_notes_of_another_plan_are_not_gone_on_with(plan, origin, tmp_path):
    out = tmp_path / "r.json"
    Notes(out, {"budget": 1}, ORIGIN).once(("x",), lambda: 1)
    assert Notes(out, plan, origin).resumed == 0
    assert Notes(out, plan, origin).once(("x",), lambda: 2) == 2


def test_what_json_has_no_word_for_is_refused_before_it_is_noted(tmp_path):
    notes = Notes(tmp_path / "r.json", {}, ORIGIN)
    with pytest.raises(ValueError, match="JSON"):
        notes.once(("x",), lambda: float("nan"))
    assert Notes(tmp_path / "r.json", {}, ORIGIN).resumed == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(12), [100] * 2 + [1000] * 10)
    centres = rng.normal(size=(12, 8))
    for part, labels in (
        ("base", rng.permutation(classes)),
        ("query", rng.permutation(classes)[:300]),
    ):
        rows = centres[labels] + 0.6 * rng.normal(size=(len(labels), 8))
        name = "base.npy" if part == "base" else "queries.npy"
        np.save(folder / name, rows.astype(np.float16))
        np.save(folder / f"{part}_labels.npy", labels.astype(np.uint8))
    meta = {"name": "small", "metric": "cosine", "label_names": list("abcdefghijkl")}
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


class Killed(Exception):
    pass


def interrupted(monkeypatch, module, name, *, after):
    """Let `module.name` raise on call `after` + 1; return the calls that were made."""
    real, calls = getattr(module, name), []

    def call(*arguments, **named):
        if len(calls) == after:
            raise Killed
        calls.append(arguments)
        return real(*arguments, **named)

    monkeypatch.setattr(module, name, call)
    return calls


def shown(result):
    """What must not depend on being killed: all but times and provenance."""
    if isinstance(result, dict):
        hidden = {"seconds", "median_seconds", "cpu_seconds", "started", "command",
                  "load_at_start", "resumed_after", "uncommitted"}  # fmt: skip
        return {k: shown(v) for k, v in result.items() if k not in hidden}
    return [shown(one) for one in result] if isinstance(result, list) else result


def parse(module, *words):
    return module.add_arguments(argparse.ArgumentParser()).parse_args(words)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (active, ["--seeds", "1", "--methods", "SEALS, 15", "nearest"]),
        (recall, ["--seeds", "1", "--targets", "0.5", "1", "--pools", "seals"]),
    ],
)
def test_a_killed_run_of_labelling_ends_as_a_whole_one(
    module, words, folder, tmp_path, monkeypatch
):
    args = parse(
        module, "--data", str(folder), "--concepts", "2", "--budget", "150", *words
    )
    whole = module.run(args, tmp_path / "whole.json")
    out = tmp_path / "killed.json"
    with monkeypatch.context() as patch:
        calls = interrupted(patch, module, "run_concept", after=3)
        with pytest.raises(Killed):
            module.run(args, out)
    assert not out.exists()
    assert notes_of(out).exists()
    with monkeypatch.context() as patch:
        calls = interrupted(patch, module, "run_concept", after=10**9)
        again = module.run(args, out)
    made = again["resumed_after"] + len(calls)
    assert again["resumed_after"] >= 3
    assert shown(again) == shown(json.loads(json.dumps(whole)))
    assert made <= 6 if module is active else made == 6
    assert not notes_of(out).exists()


def test_a_killed_run_of_growth_times_the_rest(folder, tmp_path, monkeypatch):
    args = parse(
        growth, "--data", str(folder), "--nlist", "30", "--rounds", "1",
        "--budget", "125", "--seed", "0",
    )  # fmt: skip
    out = tmp_path / "growth.json"
    with monkeypatch.context() as patch:
        interrupted(patch, growth, "choose_batches", after=5)
        with pytest.raises(Killed):
            growth.run(args, out)
    with monkeypatch.context() as patch:
        calls = interrupted(patch, growth, "choose_batches", after=10**9)
        result = growth.run(args, out)
    assert (result["resumed_after"], len(calls)) == (5, 7)
    assert len(result["rows"]) == 12
    assert all(len(row["seconds"]) == 1 for row in result["rows"])


@pytest.mark.parametrize("mode", ["accuracy", "speed"])
def test_a_killed_run_of_coresets_goes_on(mode, folder, tmp_path, monkeypatch):
    from bench.selection import coreset_accuracy, coreset_speed

    out = tmp_path / "coreset.json"
    words = {
        "accuracy": ["--shares", "0.02", "--seeds", "3", "--rows", "800",
                     "--rivals", "random", "margin", "k-center"],
        "speed": ["--k", "50", "--rows", "2000", "--rounds", "2", "--threads", "1"],
    }[mode]  # fmt: skip
    args = coreset.make_parser().parse_args([mode, "--data", str(folder), *words])
    part = coreset_accuracy if mode == "accuracy" else coreset_speed
    step = "judge" if mode == "accuracy" else "time_call"
    with monkeypatch.context() as patch:
        patch.setattr("os.sched_setaffinity", lambda *_: None)
        interrupted(patch, part, step, after=3)
        with pytest.raises(Killed):
            coreset.run(args, out)
    with monkeypatch.context() as patch:
        patch.setattr("os.sched_setaffinity", lambda *_: None)
        calls = interrupted(patch, part, step, after=10**9)
        result = coreset.run(args, out)
    assert result["resumed_after"] == 3
    assert len(calls) == (6 if mode == "accuracy" else 1)
    assert coreset.table_of(json.loads(out.read_text()))
    if mode == "speed":
        assert result["same_picks_as_float64_numpy"] == 50
        assert set(result["ours"][0]) == {"seconds", "cpu_seconds"}


def test_a_command_is_told_without_the_folders_of_the_machine(monkeypatch):
    words = ["bench", "--data", "/somewhere/else/wordnet-384", "--seeds", "3"]
    monkeypatch.setattr("sys.argv", words)
    named = ["--data", "wordnet-384", "--seeds", "3"]
    assert command_of("active") == ["python", "-m", "bench.selection.active", *named]


def test_the_strongest_simple_method_by_hand():
    def one(method, ap, strategy="entropy"):
        return {"strategy": strategy, "method": method, "mean": {"ap_pool": ap}}

    summary = [one("SEALS, 15", 0.9), one("global", 0.5), one("nearest", 0.6)]
    assert strongest_simple(summary, "entropy") == "nearest"
    summary[2] = one("nearest", 0.5)
    assert strongest_simple(summary, "entropy") == "global"
    lines = [
        {"rival": name, "accuracy": accuracy}
        for name, accuracy in (("random", 0.9), ("margin", 0.1), ("k-center", 0.3))
    ]
    assert strongest_rival(lines) == "k-center"
    assert strongest_rival(lines[:1]) == ""


def test_the_recall_curve_asks_for_more_lists_where_more_is_wanted(folder, tmp_path):
    args = parse(
        recall, "--data", str(folder), "--concepts", "1", "--seeds", "1", "--budget",
        "125", "--targets", "0.3", "0.9", "1.0", "--neighbours", "8",
    )  # fmt: skip
    result = recall.run(args, tmp_path / "recall.json")
    rows = [row for row in result["rows"] if row["pool"] == "seals"]
    lists = [row["nprobe"] for row in rows]
    found = [row["neighbour_recall"] for row in rows]
    assert lists == sorted(set(lists))
    assert found == sorted(found)
    assert found[-1] == 1.0
    (whole,) = [row for row in result["rows"] if row["pool"] == "global"]
    assert whole["below_global"]["ap_pool"]["mean"] == 0.0
    assert recall.table(result).count("\n") == 1 + len(result["rows"])
    assert recall.plot_recall_curve(result, tmp_path / "recall.svg")
    assert "recall of neighbours" in (tmp_path / "recall.svg").read_text()
