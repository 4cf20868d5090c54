"""`gleann estimate-groups` against the sessions it replays."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from gleann.selection import (
    EstimateParams,
    estimate_disjoint_groups,
    estimate_overlapping_groups,
    uniform_estimate,
)
from gleann.service.cli.files.answers import LABELS_NEEDED
from gleann.service.cli.main import run

N = 1500
NAMES = ("cat", "dog")


@pytest.fixture
def world(tmp_path):
    """Rows in one of two groups or in none, with a proxy file each."""
    rng = np.random.default_rng(7)
    chances = rng.dirichlet([0.2, 0.1, 0.6], size=N)
    group = (rng.random((N, 1)) > np.cumsum(chances, axis=1)).sum(axis=1)
    group[group == 2] = -1
    ids = np.array([f"p{row:04d}" for row in rng.permutation(N)])
    proxies = {name: chances[:, k] for k, name in enumerate(NAMES)}
    for name, proxy in proxies.items():
        order = rng.permutation(N) if name == "dog" else np.arange(N)
        table = pa.table({"id": ids[order], "proxy": proxy[order]})
        pacsv.write_csv(table, tmp_path / f"{name}.csv")
    return ids, proxies, group, rng.normal(10, 3, size=N)


def command(tmp_path, *more):
    groups = [f"{name}={tmp_path / name}.csv" for name in NAMES]
    groups = [part for group in groups for part in ("--group", group)]
    return [
        "estimate-groups", *groups, "--oracle-csv", str(tmp_path / "answers.csv"),
        "--budget", "300", "--seed", "3", "--todo", str(tmp_path / "todo.csv"),
        "--out", str(tmp_path / "out.json"), *more,
    ]  # fmt: skip


def rows_of(ids, names):
    row = {id_: number for number, id_ in enumerate(ids.tolist())}
    return np.array([row[name] for name in names])


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
def test_a_person_names_groups_until_the_estimates_are_there(
    target, world, tmp_path, capsys
):
    ids, proxies, group, values = world
    asked, rounds = [], 0
    words = np.array([*NAMES, ""])[group]
    while (code := run(command(tmp_path, "--target", target))) == LABELS_NEEDED:
        asked += pacsv.read_csv(tmp_path / "todo.csv")["id"].to_pylist()
        rows = rows_of(ids, asked)
        table = pa.table({"id": asked, "group": words[rows], "value": values[rows]})
        pacsv.write_csv(table, tmp_path / "answers.csv")
        assert "run this again" in capsys.readouterr().err
        rounds += 1
        assert rounds < 4
    assert (code, rounds) == (0, 2)
    assert len(asked) == len(set(asked)) <= 300
    written = json.loads((tmp_path / "out.json").read_text())
    # The answers are those that were drawn: a uniform sample has others.
    assert written["uniform"] == dict.fromkeys(NAMES)
    made = written["estimates"]
    expected = estimate_disjoint_groups(
        proxies,
        lambda rows: (group[rows], values[rows]),
        EstimateParams(target=target, budget=300, seed=3),
    )
    told = capsys.readouterr().out
    for name in NAMES:
        assert made[name]["value"] == pytest.approx(expected[name].value)
        assert made[name]["low"] == pytest.approx(expected[name].low)
        assert f"{name}: {target} by ABae" in told
    assert told.count("to be expected of as many labels: uniform sampling") == 2
    record = json.loads((tmp_path / "out.json.manifest.json").read_text())
    assert [path["path"].split("/")[-1] for path in record["inputs"]] == [
        "cat.csv", "dog.csv", "answers.csv",
    ]  # fmt: skip


@pytest.mark.parametrize("target", ["count", "sum"])
def test_groups_that_overlap_are_asked_all_at_once(target, world, tmp_path, capsys):
    ids, proxies, group, values = world
    held = {"cat": group == 0, "dog": (group == 1) | (values > 13)}
    answered: list[tuple[str, str]] = []
    rounds = 0
    more = ("--overlapping", "--target", target)
    while (code := run(command(tmp_path, *more))) == LABELS_NEEDED:
        todo = pacsv.read_csv(tmp_path / "todo.csv")
        asked = list(
            zip(todo["id"].to_pylist(), todo["group"].to_pylist(), strict=True)
        )
        assert {name for _, name in asked} == set(NAMES)
        answered += asked
        rows = rows_of(ids, [id_ for id_, _ in answered])
        yes = [held[name][row] for row, (_, name) in zip(rows, answered, strict=True)]
        columns = {
            "id": [id_ for id_, _ in answered],
            "group": [name for _, name in answered],
            "positive": np.array(yes).astype(int),
            "value": values[rows],
        }
        pacsv.write_csv(pa.table(columns), tmp_path / "answers.csv")
        rounds += 1
        assert rounds < 4
    # A pilot and a second round for all groups, not for one after the other.
    assert (code, rounds) == (0, 2)
    assert len(answered) == len(set(answered)) == 300
    made = json.loads((tmp_path / "out.json").read_text())["estimates"]
    expected = estimate_overlapping_groups(
        proxies,
        {
            name: lambda rows, name=name: (held[name][rows], values[rows])
            for name in NAMES
        },
        EstimateParams(target=target, budget=300, seed=3),
    )
    for name in NAMES:
        assert made[name]["value"] == pytest.approx(expected[name].value)
        assert made[name]["high"] == pytest.approx(expected[name].high)
    assert "ABae as published +-" in capsys.readouterr().out


@pytest.mark.parametrize("overlapping", [False, True])
def test_uniform_sampling_stands_beside_where_the_answers_cover_it(
    overlapping, world, tmp_path, capsys
):
    ids, _, group, values = world
    table = {"id": ids, "group": np.array([*NAMES, ""])[group], "value": values}
    more = ["--target", "sum"]
    if overlapping:
        more.append("--overlapping")
        table = {
            "id": np.tile(ids, 2),
            "group": np.repeat(NAMES, N),
            "positive": np.concatenate([group == 0, group == 1]).astype(int),
            "value": np.tile(values, 2),
        }
    pacsv.write_csv(pa.table(table), tmp_path / "answers.csv")
    assert run(command(tmp_path, *more)) == 0
    told = capsys.readouterr().out
    made = json.loads((tmp_path / "out.json").read_text())
    for k, name in enumerate(NAMES):
        labels = made["estimates"][name]["labels_used"]
        expected = uniform_estimate(
            np.ones(N),
            lambda rows, k=k: (group[rows] == k, values[rows]),
            EstimateParams(target="sum", budget=labels, seed=3),
        )
        beside = made["uniform"][name]
        assert beside["value"] == pytest.approx(expected.value)
        assert beside["low"] == pytest.approx(expected.low)
        assert beside["labels_used"] == labels
        assert f"{name}: sum by uniform sampling: {expected.value:,.6g}" in told


def test_the_estimates_stand_where_uniform_draws_lack_a_value(world, tmp_path, capsys):
    ids, proxies, group, values = world
    drawn = np.zeros(N, bool)

    def oracle(rows):
        drawn[rows] = True
        return group[rows], values[rows]

    params = EstimateParams(target="avg", budget=300, seed=3)
    expected = estimate_disjoint_groups(proxies, oracle, params)
    words = np.array([*NAMES, ""])[group]
    told = pa.array(values, mask=~drawn)
    table = pa.table({"id": ids, "group": words, "value": told})
    pacsv.write_csv(table, tmp_path / "answers.csv")
    assert run(command(tmp_path, "--target", "avg")) == 0
    made = json.loads((tmp_path / "out.json").read_text())
    for name in NAMES:
        assert made["estimates"][name]["value"] == pytest.approx(expected[name].value)
    assert made["uniform"] == dict.fromkeys(NAMES)
    assert "by uniform sampling" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answers", "more", "says"),
    [
        ("id,positive\np0001,1\n", [], "group"),
        ("id,group\np0001,cow\n", [], "there is no group 'cow', but cat, dog"),
        ("id,group\np9999,cat\n", [], "p9999"),
        ("id,group\np0001,cat\np0001,dog\n", [], "2 times"),
        ("id,group\np0001,cat\n", ["--target", "avg"], "value"),
        (
            "id,group,positive\np0001,,1\n",
            ["--overlapping"],
            "row 0 (line 2): group is empty, but an answer is for one (1 ",
        ),
        ("id,group\np0001,cat\n", ["--overlapping"], "positive or label"),
        ("id,group,label\np0001,cat,maybe\n", ["--overlapping"], "maybe"),
        (
            "id,group,label\np0001,cat,1\np0001,cat,1\n",
            ["--overlapping"],
            "2 times",
        ),
        (None, ["--budget", "19"], "budget is 19, but 2 groups with 5 strata need 20"),
        (None, ["--budget", "1501"], "budget is 1501, but there are 1500 rows"),
        (None, ["--group", "cat=other.csv"], "3 groups need different names"),
        (None, ["--group", "other.csv"], "--group must be NAME=PATH, got 'other.csv'"),
        (None, ["--group", "cow=absent.csv"], "absent.csv"),
        (None, ["--confidence", "1"], "confidence"),
    ],
)
def test_bad_input_is_one_line(answers, more, says, world, tmp_path, capsys):
    if answers is not None:
        (tmp_path / "answers.csv").write_text(answers)
    assert run(command(tmp_path, *more)) == 1
    error = capsys.readouterr().err
    assert error.startswith("gleann: error: ")
    assert error.count("\n") == 1
    assert says in error
    assert not (tmp_path / "out.json").exists()


def test_help_shows_examples_that_can_be_pasted(capsys):
    assert run(["estimate-groups", "--help"]) == 0
    told = capsys.readouterr().out
    assert "gleann estimate-groups --group city=city.npy" in told
    assert "--overlapping" in told


def test_help_of_one_estimate_has_nothing_of_groups(capsys):
    assert run(["estimate", "--help"]) == 0
    told = capsys.readouterr().out
    assert "--budget" in told
    assert "group" not in told
    assert "--overlapping" not in told
