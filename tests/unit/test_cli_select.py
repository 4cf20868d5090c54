"""`gleann select` and `gleann estimate` against the library they call."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from gleann.index import SoarIndex
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    EstimateParams,
    IndexNeighbours,
    coreset,
    entropy_costs,
    k_center,
    margin_costs,
    weighted_k_center,
)
from gleann.selection.estimate import estimate
from gleann.service.cli.estimate import LABELS_NEEDED
from gleann.service.cli.main import run

N, D = 500, 8


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(5, D)) * 3
    return (centres[rng.integers(5, size=N)] + rng.normal(size=(N, D))).astype("f4")


@pytest.fixture(scope="module")
def probabilities(points):
    logits = points[:, :3] - points[:, :3].max(axis=1, keepdims=True)
    exponentials = np.exp(logits.astype(np.float64))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, points, probabilities):
    folder = tmp_path_factory.mktemp("select")
    np.save(folder / "points.npy", points)
    np.save(folder / "p.npy", probabilities)
    np.save(folder / "costs.npy", margin_costs(probabilities))
    np.save(folder / "locked.npy", np.array([7, 400]))
    np.save(folder / "names.npy", np.array([f"n{i:03d}" for i in range(N)]))
    assert run(
        ["build", str(folder / "points.npy"), str(folder / "index"), "--metric", "l2",
         "--ids", str(folder / "names.npy")]
    ) == 0  # fmt: skip
    return folder


def select(folder, out, *arguments):
    return run(["select", *arguments, "--out", str(out)])


def picks(path):
    return pq.read_table(path)["id"].to_pylist()


def test_k_center_picks_what_the_library_picks(folder, points, probabilities, tmp_path):
    out, cover = tmp_path / "picks.parquet", tmp_path / "cover.parquet"
    code = select(
        folder, out, "k-center", str(folder / "points.npy"), "--k", "20",
        "--probabilities", str(folder / "p.npy"), "--cost-weight", "0.5",
        "--locked", str(folder / "locked.npy"), "--coverage", str(cover),
    )  # fmt: skip
    assert code == 0
    chosen = weighted_k_center(
        points,
        k=20,
        costs=margin_costs(probabilities),
        cost_weight=0.5,
        locked=[7, 400],
    )
    assert picks(out) == chosen.rows.tolist()
    assert not set(picks(out)) & {7, 400}
    covered = pq.read_table(cover)
    assert covered.num_rows == N
    assert max(covered["distance"].to_pylist()) == pytest.approx(chosen.radius)
    record = json.loads((tmp_path / "picks.parquet.manifest.json").read_text())
    assert record["results"]["ratio"] == chosen.ratio
    assert len(record["inputs"]) == 3


def test_costs_and_probabilities_mean_the_same(folder, tmp_path):
    shared = ["k-center", str(folder / "points.npy"), "--k", "9"]
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    assert select(folder, one, *shared, "--costs", str(folder / "costs.npy")) == 0
    assert select(folder, other, *shared, "--probabilities", str(folder / "p.npy")) == 0
    assert picks(one) == picks(other)


def test_an_index_answers_with_its_ids(folder, points, tmp_path):
    out = tmp_path / "picks.parquet"
    source = str(folder / "index")
    assert select(folder, out, "farthest-first", source, "--k", "6", "--seed", "3") == 0
    rows = k_center(points, k=6, seed=3).rows
    assert picks(out) == [f"n{row:03d}" for row in rows]


def test_nearest_selected_is_another_pick_at_its_true_distance(
    folder, points, tmp_path
):
    out = tmp_path / "picks.parquet"
    assert select(folder, out, "random", str(folder / "points.npy"), "--k", "12") == 0
    table = pq.read_table(out).to_pydict()
    rows = np.array(table["id"])
    apart = np.linalg.norm(points[rows][:, None] - points[rows][None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert table["nearest_selected_id"] == rows[apart.argmin(axis=1)].tolist()
    np.testing.assert_allclose(
        table["nearest_selected_distance"], apart.min(axis=1), rtol=1e-5
    )
    assert table["rank"] == list(range(12))


def test_margin_takes_the_cheapest(folder, points, probabilities, tmp_path):
    out = tmp_path / "picks.parquet"
    code = select(
        folder, out, "margin", str(folder / "points.npy"), "--k", "15",
        "--costs", str(folder / "costs.npy"),
    )  # fmt: skip
    assert code == 0
    costs = margin_costs(probabilities)
    assert picks(out) == coreset.margin(points, k=15, costs=costs).rows.tolist()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["k-center", "points.npy", "--k", "5"], "--costs"),
        (["margin", "points.npy", "--k", "5"], "--costs"),
        (["k-center", "points.npy", "--k", "5", "--costs", "names.npy"], "numbers"),
        (["k-center", "points.npy", "--k", "5", "--costs", "locked.npy"], "(500,)"),
        (["k-center", "points.npy", "--k", "5", "--costs", "absent.npy"], "No such"),
        (["k-center", "points.npy", "--k", "5", "--costs", "costs.npy",
          "--probabilities", "p.npy"], "not both"),
        (["random", "points.npy", "--k", "501"], "501"),
        (["gist", "points.npy", "--k", "500", "--costs", "costs.npy"], "500"),
        (["random", "points.npy", "--k", "0"], "k"),
        (["random", "absent.npy", "--k", "5"], "absent.npy"),
        (["random", "points.npy", "--k", "5", "--locked", "names.npy"], "int64"),
        (["active", "points.npy", "--labels", "seed.csv", "--state", "s.json"],
         "not an index, which the classifier pool needs"),
        (["active", "points.npy", "--labels", "seed.csv", "--state", "s.json",
          "--pool", "seals"], "not an index, which the seals pool needs"),
        (["active", "points.npy", "--labels", "seed.csv", "--state", "s.json",
          "--pool", "anchors"], "not an index, which the anchors pool needs"),
        (["active", "index", "--labels", "absent.csv", "--state", "s.json"], "absent"),
        (["active", "index", "--labels", "seed.csv", "--state", "s.json", "--resume"],
         "s.json"),
        (["active", "index", "--labels", "strange.csv", "--state", "s.json"], "n999"),
    ],
)  # fmt: skip
def test_bad_selection_input_is_one_line(arguments, says, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    label_file("seed.csv", {"n000": 0, "n001": 1} if "index" in arguments else {0: 0})
    label_file("strange.csv", {"n999": 0, "n001": 1})
    before = {path.name for path in folder.iterdir()}
    assert run(["select", *arguments, "--out", "out.parquet"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("gleann: error: ")
    assert error.count("\n") == 1
    assert says in error
    assert {path.name for path in folder.iterdir()} == before


def label_file(path, labels):
    table = pa.table({"id": list(labels), "label": list(labels.values())})
    pacsv.write_csv(table, path)


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


def test_a_session_is_not_started_over_by_accident(folder, tmp_path, capsys):
    label_file(tmp_path / "seed.csv", {"n000": 0, "n001": 1})
    arguments = ["active", str(folder / "index"), "--labels",
                 str(tmp_path / "seed.csv"), "--state", str(tmp_path / "s.json"),
                 "--batch", "3"]  # fmt: skip
    assert select(folder, tmp_path / "one.parquet", *arguments) == 0
    assert select(folder, tmp_path / "two.parquet", *arguments) == 1
    assert "s.json" in capsys.readouterr().err


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


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
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
    assert early["provenance"]["params"]["rounds"] == 10
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
        (["--proxy", "proxy.npy", "--oracle-csv", "twice.csv"], "twice.csv: 2 ids"),
        (["--proxy", "proxy.npy", "--oracle-csv", "bare.csv"], "positive"),
        (["--proxy", "proxy.npy", "--oracle-csv", "both.csv"], "has 2 of them"),
        (["--proxy", "proxy.npy", "--stop-at-width", "-1"], "stop_at_width"),
        (
            ["--proxy", "proxy.npy", "--oracle-csv", "text.csv", "--target", "sum"],
            "text.csv must hold numbers",
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
            "NaN or infinity for 1000 of 1000 positives",
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


@pytest.mark.parametrize("method", ["k-center", "gist", "ccs", "margin"])
def test_quotas_serve_every_method(method, folder, points, probabilities, tmp_path):
    groups = np.where(np.arange(len(points)) % 4, "often", "rare")
    pacsv.write_csv(pa.table({"group": groups}), tmp_path / "groups.csv")
    out = tmp_path / "picks.parquet"
    shared = (str(folder / "points.npy"), "--k", "12", "--groups")
    code = select(
        folder, out, method, *shared, str(tmp_path / "groups.csv"),
        "--quotas", "equal", "--probabilities", str(folder / "p.npy"),
    )  # fmt: skip
    assert code == 0
    table = pq.read_table(out).to_pydict()
    assert (groups[table["id"]] == table["group"]).all()
    assert table["group"].count("rare") == table["group"].count("often") == 6


def test_new_options_reach_the_library(folder, points, probabilities, tmp_path):
    source = str(folder / "points.npy")
    given = ["--probabilities", str(folder / "p.npy"), "--uncertainty", "entropy"]
    costs = entropy_costs(probabilities)
    out = tmp_path / "picks.parquet"
    options = ["--cost-weight", "0.3", "--cost-on", "mean", "--shards", "3"]
    assert select(folder, out, "k-center", source, "--k", "9", *given, *options) == 0
    expected = coreset.parallel_weighted_k_center(
        points, k=9, costs=costs, cost_weight=0.3, cost_on="mean", shards=3
    )
    assert picks(out) == expected.rows.tolist()
    record = json.loads((tmp_path / "picks.parquet.manifest.json").read_text())
    assert record["results"]["provenance"] == expected.provenance
    assert record["results"]["provenance"]["params"]["cost_weight"] == 0.3
    options = ["--strata", "5", "--hardest-share", "0.3", "--seed", "4", "--overwrite"]
    assert select(folder, out, "ccs", source, "--k", "9", *given, *options) == 0
    expected = coreset.ccs(
        points, k=9, costs=costs, strata=5, hardest_share=0.3, seed=4
    )
    assert picks(out) == expected.rows.tolist()
    options = ["--diversity", "7", "--eps", "0.5", "--overwrite"]
    assert select(folder, out, "gist", source, "--k", "9", *given, *options) == 0
    expected = coreset.gist(points, k=9, costs=costs, diversity=7, eps=0.5)
    assert picks(out) == expected.rows.tolist()


def test_a_draw_may_take_everything(folder, tmp_path):
    out = tmp_path / "picks.parquet"
    source = str(folder / "points.npy")
    assert select(folder, out, "random", source, "--k", str(N)) == 0
    assert sorted(picks(out)) == list(range(N))


@pytest.mark.parametrize("grouped", [False, True])
def test_random_items_stand_beside_the_chosen(
    grouped, folder, points, probabilities, tmp_path, capsys
):
    """As many, measured alike; of each group as many where there are groups."""
    groups = np.arange(N) % 3
    np.save(tmp_path / "groups.npy", groups)
    out, costs = tmp_path / "picks.parquet", margin_costs(probabilities)
    weights = {"cost_weight": 0.4, "cost_on": "mean"}
    code = select(
        folder, out, "k-center", str(folder / "points.npy"), "--k", "12",
        "--probabilities", str(folder / "p.npy"), "--cost-weight", "0.4",
        "--cost-on", "mean", *(["--groups", str(tmp_path / "groups.npy")] * grouped),
    )  # fmt: skip
    assert code == 0
    drawn = coreset.uniform(points, k=12, costs=costs, **weights)
    if grouped:
        drawn = coreset.within_groups(
            coreset.uniform,
            points,
            groups=groups,
            quotas={0: 4, 1: 4, 2: 4},
            costs=costs,
            seed=0,
            **weights,
        )
    results = json.loads((tmp_path / "picks.parquet.manifest.json").read_text())[
        "results"
    ]
    assert results["random_radius"] == drawn.radius
    assert results["random_cost"] == drawn.cost
    assert results["random_objective"] == drawn.objective
    assert results["objective"] == pytest.approx(
        results["radius"] + 0.4 * results["cost"] / 12
    )
    told = capsys.readouterr().out
    beside = "as many random items of each group" if grouped else "as many random items"
    assert f"{beside}: radius {drawn.radius:.4g}, cost {drawn.cost:.4g}" in told


def test_groups_draw_apart_from_the_command_line(folder, tmp_path):
    np.save(tmp_path / "groups.npy", np.arange(N) % 5)
    out = tmp_path / "picks.parquet"
    code = select(
        folder, out, "random", str(folder / "points.npy"), "--k", "20",
        "--groups", str(tmp_path / "groups.npy"), "--seed", "3",
    )  # fmt: skip
    assert code == 0
    rows = np.array(picks(out))
    places = {tuple(sorted(rows[rows % 5 == group] // 5)) for group in range(5)}
    assert len(places) == 5


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
