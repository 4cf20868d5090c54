"""`gleann estimate` against the library it calls."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from gleann.index import SoarIndex
from gleann.selection import (
    EstimateParams,
)
from gleann.selection.estimate import estimate
from gleann.service.cli.files.answers import LABELS_NEEDED
from gleann.service.cli.main import run

N = 500


@pytest.fixture
def population(tmp_path):
    rng = np.random.default_rng(2)
    proxy = rng.beta(0.3, 1.5, size=2_000)
    positive = rng.random(2_000) < proxy
    value = rng.normal(10, 3, size=2_000)
    np.save(tmp_path / "proxy.npy", proxy)
    return proxy, positive, value


def answer(path, rows, positive, value):
    table = pa.table(
        {"id": rows, "positive": positive[rows].astype(int), "value": value[rows]}
    )
    pacsv.write_csv(table, path)


@pytest.mark.parametrize("target", ["count", "share", "avg", "mean", "sum"])
def test_a_person_answers_until_the_estimate_is_there(
    target, population, tmp_path, capsys
):
    proxy, positive, value = population
    answers, todo = tmp_path / "answers.csv", tmp_path / "todo.csv"
    command = [
        "estimate", "--proxy", str(tmp_path / "proxy.npy"), "--oracle-csv",
        str(answers), "--target", target, "--budget", "200", "--seed", "4",
        "--todo", str(todo), "--out", str(tmp_path / "out.json"),
    ]  # fmt: skip
    known = np.empty(0, np.int64)
    rounds = 0
    while (code := run(command)) == LABELS_NEEDED:
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "todo.csv" in error
        assert not (tmp_path / "out.json").exists()
        known = np.concatenate([known, pacsv.read_csv(todo)["id"].to_numpy()])
        answer(answers, known, positive, value)
        rounds += 1
        assert rounds < 5
    assert code == 0
    assert rounds == 2
    assert len(known) == 200 == len(set(known.tolist()))
    params = EstimateParams(target=target, budget=200, seed=4)
    expected = estimate(proxy, lambda rows: (positive[rows], value[rows]), params)
    made = json.loads((tmp_path / "out.json").read_text())["estimate"]
    assert made["value"] == expected.value
    assert (made["low"], made["high"]) == (expected.low, expected.high)


def test_uniform_stands_beside_when_the_answers_cover_it(population, tmp_path, capsys):
    _, positive, value = population
    answer(tmp_path / "all.csv", np.arange(2_000), positive, value)
    code = run(
        ["estimate", "--proxy", str(tmp_path / "proxy.npy"), "--oracle-csv",
         str(tmp_path / "all.csv"), "--budget", "300", "--out",
         str(tmp_path / "out.json")]
    )  # fmt: skip
    assert code == 0
    result = json.loads((tmp_path / "out.json").read_text())
    truth = int(positive.sum())
    assert result["uniform"]["low"] <= truth <= result["uniform"]["high"]
    assert result["estimate"]["labels_used"] == 300
    assert "uniform" in capsys.readouterr().out


def test_the_estimate_stands_where_uniform_draws_lack_a_value(population, tmp_path):
    proxy, positive, value = population
    drawn = np.zeros(len(proxy), bool)

    def oracle(rows):
        drawn[rows] = True
        return positive[rows], value[rows]

    params = EstimateParams(target="avg", budget=400, seed=5)
    expected = estimate(proxy, oracle, params)
    columns = {
        "id": np.arange(len(proxy)),
        "positive": positive.astype(int),
        "value": pa.array(value, mask=~drawn),
    }
    pacsv.write_csv(pa.table(columns), tmp_path / "all.csv")
    code = run(
        ["estimate", "--proxy", str(tmp_path / "proxy.npy"), "--oracle-csv",
         str(tmp_path / "all.csv"), "--target", "avg", "--budget", "400", "--seed",
         "5", "--out", str(tmp_path / "out.json")]
    )  # fmt: skip
    assert code == 0
    made = json.loads((tmp_path / "out.json").read_text())
    assert made["estimate"]["value"] == pytest.approx(expected.value)
    assert made["uniform"] is None


def test_a_pilot_chooses_among_proxies_and_labelling_stops(
    population, tmp_path, capsys
):
    proxy, positive, value = population
    shuffled = np.random.default_rng(0).permutation(2_000)
    table = pa.table({"id": shuffled, "proxy": proxy[shuffled]})
    pacsv.write_csv(table, tmp_path / "good.csv")
    np.save(tmp_path / "poor.npy", proxy[shuffled])
    answer(tmp_path / "all.csv", np.arange(2_000), positive, value)
    command = [
        "estimate", "--proxy", str(tmp_path / "poor.npy"), "--proxy",
        str(tmp_path / "good.csv"), "--oracle-csv", str(tmp_path / "all.csv"),
        "--budget", "1000", "--interval", "bootstrap", "--out",
        str(tmp_path / "out.json"), "--overwrite",
    ]  # fmt: skip
    assert run(command) == 0
    made = json.loads((tmp_path / "out.json").read_text())["estimate"]
    assert made["provenance"]["choice"]["name"] == "good.csv"
    assert made["provenance"]["params"]["interval"] == "bootstrap"
    assert made["labels_used"] == 1000
    assert made["low"] <= positive.sum() <= made["high"]
    assert "proxy 'good.csv' was chosen" in capsys.readouterr().out
    assert run([*command, "--stop-at-relative-width", "0.6"]) == 0
    early = json.loads((tmp_path / "out.json").read_text())["estimate"]
    assert early["labels_used"] < 1000
    assert early["high"] - early["low"] <= 0.6 * early["value"]


def test_answers_may_be_called_labels_and_negatives_need_no_value(population, tmp_path):
    _, positive, value = population
    shown = [str(v) if held else "" for v, held in zip(value, positive, strict=True)]
    lines = [
        f"{row},{held},{text}"
        for row, (held, text) in enumerate(
            zip(positive.astype(int), shown, strict=True)
        )
    ]
    (tmp_path / "all.csv").write_text("\n".join(["id,label,value", *lines]))
    code = run(
        ["estimate", "--proxy", str(tmp_path / "proxy.npy"), "--oracle-csv",
         str(tmp_path / "all.csv"), "--target", "sum", "--budget", "300", "--out",
         str(tmp_path / "out.json")]
    )  # fmt: skip
    assert code == 0
    made = json.loads((tmp_path / "out.json").read_text())["estimate"]
    assert made["low"] <= value[positive].sum() <= made["high"]


def test_a_proxy_comes_from_the_index(folder, points, tmp_path, capsys):
    positive = points[:, 0] > 1
    names = np.array([f"n{i:03d}" for i in range(N)])
    table = pa.table({"id": names, "positive": np.where(positive, "yes", "no")})
    pacsv.write_csv(table, tmp_path / "all.csv")
    code = run(
        ["estimate", "--index", str(folder / "index"), "--representatives", "40",
         "--oracle-csv", str(tmp_path / "all.csv"), "--budget", "100",
         "--out", str(tmp_path / "out.json")]
    )  # fmt: skip
    assert code == 0
    made = json.loads((tmp_path / "out.json").read_text())["estimate"]
    assert made["low"] <= positive.sum() <= made["high"]
    index = SoarIndex.load(folder / "index")
    record = json.loads((tmp_path / "out.json.manifest.json").read_text())
    assert record["inputs"][0]["data_hash"] == index.data_hash


def test_one_positive_gives_a_mean_without_an_interval(population, tmp_path, capsys):
    _, _, value = population
    answer(tmp_path / "all.csv", np.arange(2_000), np.arange(2_000) == 9, value)
    code = run(
        ["estimate", "--proxy", str(tmp_path / "proxy.npy"), "--oracle-csv",
         str(tmp_path / "all.csv"), "--target", "avg", "--budget", "2000", "--out",
         str(tmp_path / "out.json")]
    )  # fmt: skip
    assert code == 0
    made = json.loads((tmp_path / "out.json").read_text())["estimate"]
    assert (made["value"], made["low"]) == (pytest.approx(value[9]), None)
    assert f"avg by ABae: {value[9]:,.6g}, no interval" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["count", "avg"])
def test_equal_proxies_and_no_positive_are_answered_and_said(target, tmp_path, capsys):
    np.save(tmp_path / "flat.npy", np.full(500, 0.2))
    answer(tmp_path / "all.csv", np.arange(500), np.zeros(500, bool), np.ones(500))
    code = run(
        ["estimate", "--proxy", str(tmp_path / "flat.npy"), "--oracle-csv",
         str(tmp_path / "all.csv"), "--target", target, "--budget", "100", "--out",
         str(tmp_path / "out.json")]
    )  # fmt: skip
    assert code == 0
    made = json.loads((tmp_path / "out.json").read_text())["estimate"]
    told = capsys.readouterr().out
    assert made["value"] == (0 if target == "count" else None)
    assert made["abae_width"] is None
    assert "no positive among 100 labels" in told
    assert (f"{target} by ABae: undefined" in told) == (target == "avg")


def test_proxies_from_the_index_have_delta_intervals_only(folder, tmp_path, capsys):
    command = [
        "estimate", "--index", str(folder / "index"), "--representatives", "20",
        "--oracle-csv", str(tmp_path / "none.csv"), "--budget", "50", "--interval",
        "bootstrap", "--out", str(tmp_path / "out.json"),
    ]  # fmt: skip
    assert run(command) == 1
    assert "--interval bootstrap does not go with" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["representatives", "labelled"])
@pytest.mark.parametrize("target", ["count", "avg"])
def test_labels_behind_a_proxy_are_not_asked_for_again(
    source, target, folder, points, tmp_path
):
    positive, value = points[:, 0] > 1, points[:, 1].astype(np.float64)
    names = np.array([f"n{i:03d}" for i in range(N)])
    first = np.arange(40)
    table = pa.table({"id": names[first], "positive": positive[first].astype(int)})
    pacsv.write_csv(table, tmp_path / "first.csv")
    behind = {
        "labelled": ["--labelled", str(tmp_path / "first.csv")],
        "representatives": ["--representatives", "40"],
    }
    answers, todo = tmp_path / "answers.csv", tmp_path / "todo.csv"
    command = [
        "estimate", "--index", str(folder / "index"), *behind[source],
        "--oracle-csv", str(answers), "--target", target, "--budget", "100",
        "--todo", str(todo), "--out", str(tmp_path / "out.json"),
    ]  # fmt: skip
    asked = []
    while (code := run(command)) == LABELS_NEEDED:
        asked += pacsv.read_csv(todo)["id"].to_pylist()
        rows = np.array([int(name[1:]) for name in asked])
        shown = {"id": names[rows], "label": positive[rows].astype(int)}
        pacsv.write_csv(pa.table(shown | {"value": value[rows]}), answers)
    assert code == 0
    assert len(asked) == len(set(asked))
    made = json.loads((tmp_path / "out.json").read_text())["estimate"]
    if source == "representatives":
        assert len(asked) == made["labels_used"] == 140
    else:
        # Of positives in a file without values, the value may have to be asked for.
        told = first if target == "count" else first[~positive[first]]
        assert len(asked) == 100
        assert not set(asked) & set(names[told].tolist())
        assert made["labels_used"] == 100 + len(told)
    truth = positive.sum() if target == "count" else value[positive].mean()
    assert made["low"] <= truth <= made["high"]


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ([], "--proxy or --index"),
        (["--proxy", "proxy.npy", "--index", "index"], "--proxy or --index"),
        (["--proxy", "absent.npy"], "absent.npy"),
        (["--proxy", "proxy.npy", "--budget", "2001"], "2001"),
        (["--proxy", "proxy.npy", "--oracle-csv", "maybe.csv"], "maybe"),
        (["--proxy", "proxy.npy", "--oracle-csv", "strange.csv"], "99999"),
        (["--proxy", "proxy.npy", "--oracle-csv", "strange.csv"], "strange.csv: "),
        (
            ["--proxy", "proxy.npy", "--oracle-csv", "twice.csv"],
            ": row 1 (line 3)",
        ),
        (["--proxy", "proxy.npy", "--oracle-csv", "bare.csv"], "positive"),
        (["--proxy", "proxy.npy", "--oracle-csv", "both.csv"], "has 2 of them"),
        (["--proxy", "proxy.npy", "--stop-at-width", "-1"], "--stop-at-width must"),
        (["--proxy", "proxy.npy", "--budget", "0"], "budget must be at least 1, got 0"),
        (["--proxy", "nan.npy"], "has NaN or infinity (1 of 2000"),
        (["--proxy", "below.npy"], "at least 0, got -0.5"),
        (
            ["--proxy", "proxy.npy", "--oracle-csv", "text.csv", "--target", "sum"],
            "text.csv: row 0 (line 2): value must be a number, got 'ten'",
        ),
        (
            [
                "--proxy",
                "proxy.npy",
                "--oracle-csv",
                "blank.csv",
                "--target",
                "sum",
                "--budget",
                "2000",
            ],
            "NaN or infinity for 400 of 400 positives",
        ),
    ],
)
def test_bad_estimate_input_is_one_line(
    rest, says, population, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maybe.csv").write_text("id,positive\n1,maybe\n")
    (tmp_path / "strange.csv").write_text("id,positive\n99999,1\n")
    (tmp_path / "bare.csv").write_text("id\n1\n")
    (tmp_path / "twice.csv").write_text("id,positive\n1,1\n1,1\n")
    (tmp_path / "both.csv").write_text("id,positive,label\n1,1,0\n")
    (tmp_path / "text.csv").write_text("id,label,value\n1,1,ten\n")
    for name, strange in (("nan", np.nan), ("below", -0.5)):
        np.save(tmp_path / f"{name}.npy", np.where(np.arange(2_000) == 7, strange, 0.1))
    blank = "".join(f"{row},1,\n" for row in range(2_000))
    (tmp_path / "blank.csv").write_text(f"id,label,value\n{blank}")
    defaults = {"--budget": "50", "--oracle-csv": "none.csv", "--out": "out.json"}
    given = dict(zip(rest[::2], rest[1::2], strict=True))
    arguments = [part for pair in (defaults | given).items() for part in pair]
    assert run(["estimate", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("gleann: error: ")
    assert error.count("\n") == 1
    assert says in error
    assert not (tmp_path / "out.json").exists()
