"""`gleann plan-labels`, and an index estimate without representatives."""

import json
import re

import numpy as np
import pytest

from gleann.selection import EstimateParams, plan_labels
from gleann.service.cli.main import run


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores = np.random.default_rng(0).beta(0.2, 4, 5000)
    np.save("scores.npy", scores)
    return scores


def test_it_says_the_plan_of_the_library(proxy, capsys):
    assert run(["plan-labels", "--proxy", "scores.npy", "--relative-width", "0.3"]) == 0
    said = capsys.readouterr().out
    plan = plan_labels(proxy, EstimateParams(budget=5000), relative_width=0.3)
    numbers = [
        int(one.replace(",", ""))
        for one in re.findall(r"\d[\d,]*(?= labels| to |\)|$)", said.split("\n")[0])
    ]
    assert numbers[0] == plan.labels
    assert {plan.low, plan.high, plan.uniform_labels} <= set(numbers)
    assert all(text in said for text in plan.assumptions)


def test_a_plan_as_json(proxy, capsys):
    of = ["plan-labels", "--proxy", "scores.npy", "--json"]
    assert run([*of, "--relative-width", "0.3"]) == 0
    told = json.loads(capsys.readouterr().out)
    plan = plan_labels(proxy, EstimateParams(budget=5000), relative_width=0.3)
    assert told["labels"] == plan.labels
    assert told["assumptions"] == list(plan.assumptions)


@pytest.mark.parametrize("widths", [[], ["--width", "1", "--relative-width", "1"]])
def test_one_width_is_given(widths, proxy, capsys):
    assert run(["plan-labels", "--proxy", "scores.npy", *widths]) == 1
    assert "give --width or --relative-width, one" in capsys.readouterr().err


def test_guesses_change_the_plan(proxy, capsys):
    of = ["plan-labels", "--proxy", "scores.npy", "--target", "avg", "--width", "1"]
    told = []
    for deviation in ("2", "4"):
        assert run([*of, "--deviation", deviation]) == 0
        line = capsys.readouterr().out.split("\n")[0]
        told.append(int(line.split()[1].replace(",", "")))
    assert told[1] > 2 * told[0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "width or --relative-width, one of them"),
        (
            ("--width", "1", "--relative-width", "1"),
            "width or --relative-width, one of them",
        ),
        (("--width", "-1"), "width must be in"),
        (("--width", "9", "--prevalence", "2"), "prevalence must be in 0..1"),
    ],
)
def test_it_refuses_what_is_no_plan(given, says, proxy, capsys):
    assert run(["plan-labels", "--proxy", "scores.npy", *given]) == 1
    assert says in capsys.readouterr().err


def test_an_index_alone_and_every_look_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.save("v.npy", rng.normal(size=(400, 4)).astype(np.float32))
    lines = [f"{row},{int(row % 9 == 0)}" for row in range(400)]
    (tmp_path / "a.csv").write_text("\n".join(["id,positive", *lines]))
    assert run(["build", "v.npy", "i", "--metric", "l2"]) == 0
    command = ["estimate", "--index", "i", "--oracle-csv", "a.csv", "--budget", "200"]
    assert run([*command, "--anytime", "--out", "o.json"]) == 0
    made = json.loads((tmp_path / "o.json").read_text())["estimate"]
    assert made["labels_used"] == 200
    assert "holds at every look" in made["note"]
    assert made["low"] <= 45 <= made["high"]
