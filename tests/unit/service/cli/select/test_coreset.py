"""`gleann select` of subsets against the library it calls."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from cli_selecting import N, label_file, picks, points_file, select

from gleann.selection import (
    coreset,
    entropy_costs,
    k_center,
    margin_costs,
    weighted_k_center,
)
from gleann.service.cli.main import run


def test_k_center_picks_what_the_library_picks(folder, points, probabilities, tmp_path):
    out, cover = tmp_path / "picks.parquet", tmp_path / "cover.parquet"
    code = select(
        folder, out, "weighted-k-center", *points_file(folder), "--k", "20",
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
    shared = ["weighted-k-center", *points_file(folder), "--k", "9"]
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    assert select(folder, one, *shared, "--costs", str(folder / "costs.npy")) == 0
    assert select(folder, other, *shared, "--probabilities", str(folder / "p.npy")) == 0
    assert picks(one) == picks(other)


def test_without_costs_it_covers_and_says_so(folder, points, tmp_path, capsys):
    out = tmp_path / "picks.csv"
    source = [str(folder / "index"), "--k", "7"]
    assert select(folder, out, "k-center", *source) == 0
    said = capsys.readouterr().out
    assert said.startswith("without --costs or --probabilities: coverage alone\n")
    assert "cost " not in said.partition("\n")[2]
    chosen = weighted_k_center(points, k=7, costs=np.zeros(N))
    record = json.loads((tmp_path / "picks.csv.manifest.json").read_text())
    assert record["results"]["radius"] == chosen.radius
    assert record["results"]["ratio"] == chosen.ratio


def test_a_file_has_the_metric_of_an_index_built_from_it(
    folder, points, tmp_path, capsys
):
    """Cosine unless another one is asked for; a selection names it."""
    source, index = str(folder / "points.npy"), str(tmp_path / "index")
    assert run(["build", source, index]) == 0
    capsys.readouterr()
    radii = {}
    for name, words in (
        ("index", [index]),
        ("file", [source]),
        ("l2", [source, "--metric", "l2"]),
    ):
        out = tmp_path / f"{name}.parquet"
        assert select(folder, out, "farthest-first", *words, "--k", "9") == 0
        metric = "l2" if name == "l2" else "cosine"
        assert f"(metric {metric})" in capsys.readouterr().out
        record = json.loads((tmp_path / f"{name}.parquet.manifest.json").read_text())
        assert record["results"]["metric"] == metric
        radii[name] = record["results"]["radius"]
    assert picks(tmp_path / "file.parquet") == picks(tmp_path / "index.parquet")
    assert radii["file"] == radii["index"]
    assert radii["l2"] == k_center(points, k=9).radius
    out = tmp_path / "other.parquet"
    words = ["farthest-first", index, "--k", "9", "--metric", "l2"]
    assert select(folder, out, *words) == 1
    assert "--metric is l2, but the index" in capsys.readouterr().err


def test_a_file_with_a_zero_vector_has_no_cosine(folder, points, tmp_path, capsys):
    out = tmp_path / "picks.parquet"
    zero = points.copy()
    zero[3] = 0
    np.save(tmp_path / "zero.npy", zero)
    words = ["farthest-first", str(tmp_path / "zero.npy"), "--k", "9"]
    assert select(folder, out, *words, "--metric", "cosine") == 1
    assert "row 3 is a zero vector" in (said := capsys.readouterr().err)
    assert "; --metric l2 allows it" in said
    assert select(folder, out, *words) == 0
    shown = capsys.readouterr()
    assert "row 3 is a zero vector" in shown.err
    assert "distances are l2" in shown.err
    assert "(metric l2)" in shown.out


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
    assert select(folder, out, "random", *points_file(folder), "--k", "12") == 0
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
        folder, out, "margin", *points_file(folder), "--k", "15",
        "--costs", str(folder / "costs.npy"),
    )  # fmt: skip
    assert code == 0
    costs = margin_costs(probabilities)
    assert picks(out) == coreset.margin(points, k=15, costs=costs).rows.tolist()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gist", "points.npy", "--k", "5"], "gist needs costs: give --costs"),
        (["margin", "points.npy", "--k", "5"], "--costs"),
        (["margin", "points.npy", "--k", "5", "--costs", "names.npy"],
         "must be a number, got 'n000'"),
        (["margin", "points.npy", "--k", "5", "--costs", "locked.npy"], "(500,)"),
        (["margin", "points.npy", "--k", "5", "--costs", "absent.npy"], "No such"),
        (["weighted-k-center", "points.npy", "--k", "5", "--costs", "costs.npy",
          "--probabilities", "p.npy"], "not both"),
        (["random", "points.npy", "--k", "501"], "501"),
        (["gist", "points.npy", "--k", "501", "--costs", "costs.npy"], "501"),
        (["random", "points.npy", "--k", "0"], "k"),
        (["random", "absent.npy", "--k", "5"], "absent.npy"),
        (["random", "points.npy", "--k", "5", "--locked", "names.npy"],
         "id must be an integer without leading zeros"),
        (["active", "points.npy", "--labels", "seed.csv", "--state", "s.json",
          "--pool", "classifier"], "not an index, which the classifier pool needs"),
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


@pytest.mark.parametrize("method", ["weighted-k-center", "gist", "ccs", "margin"])
def test_quotas_serve_every_method(method, folder, points, probabilities, tmp_path):
    groups = np.where(np.arange(len(points)) % 4, "often", "rare")
    pacsv.write_csv(pa.table({"group": groups}), tmp_path / "groups.csv")
    out = tmp_path / "picks.parquet"
    shared = (*points_file(folder), "--k", "12", "--groups")
    code = select(
        folder, out, method, *shared, str(tmp_path / "groups.csv"),
        "--quotas", "equal", "--probabilities", str(folder / "p.npy"),
    )  # fmt: skip
    assert code == 0
    table = pq.read_table(out).to_pydict()
    assert (groups[table["id"]] == table["group"]).all()
    assert table["group"].count("rare") == table["group"].count("often") == 6


def test_quotas_by_group_are_numbers_and_shares(folder, points, tmp_path, capsys):
    np.save(tmp_path / "groups.npy", np.arange(len(points)) % 3)
    out = tmp_path / "picks.parquet"
    shared = ("--k", "20", "--groups", str(tmp_path / "groups.npy"), "--overwrite")

    def picked(quotas, *groups):
        command = (str(folder / "points.npy"), *(groups or shared), "--quotas", quotas)
        return select(folder, out, "random", *command)

    assert picked("0=4,2=0.5") == 0
    table = pq.read_table(out).to_pydict()
    assert [table["group"].count(group) for group in range(3)] == [4, 6, 10]
    record = json.loads((tmp_path / "picks.parquet.manifest.json").read_text())
    assert record["results"]["provenance"]["params"]["quotas"]["2"] == 10
    for quotas, said in (
        ("0=4,2=0.9", "sum to 22, but k is 20"),
        ("0=4,zebra=3", "group 'zebra' is 3"),
        ("0=4,0=3", "'0=3' is no quota"),
        ("often", "'often' is no quota: give proportional, equal, or GROUP=N"),
        ("0=many", "'0=many' is no quota"),
        ("0=1.5", "share of k"),
    ):
        assert picked(quotas) != 0
        assert said in capsys.readouterr().err
    assert picked("0=4", "--k", "20", "--overwrite") != 0
    assert "--quotas by group needs --groups" in capsys.readouterr().err


def test_new_options_reach_the_library(folder, points, probabilities, tmp_path):
    source = points_file(folder)
    given = ["--probabilities", str(folder / "p.npy"), "--uncertainty", "entropy"]
    costs = entropy_costs(probabilities)
    out = tmp_path / "picks.parquet"
    options = ["--cost-weight", "0.3", "--cost-on", "mean", "--shards", "3"]
    assert (
        select(folder, out, "weighted-k-center", *source, "--k", "9", *given, *options)
        == 0
    )
    expected = coreset.parallel_weighted_k_center(
        points, k=9, costs=costs, cost_weight=0.3, cost_on="mean", shards=3
    )
    assert picks(out) == expected.rows.tolist()
    record = json.loads((tmp_path / "picks.parquet.manifest.json").read_text())
    assert record["results"]["provenance"] == expected.provenance
    assert record["results"]["provenance"]["params"]["cost_weight"] == 0.3
    options = ["--strata", "5", "--hardest-share", "0.3", "--seed", "4", "--overwrite"]
    assert select(folder, out, "ccs", *source, "--k", "9", *given, *options) == 0
    expected = coreset.ccs(
        points, k=9, costs=costs, strata=5, hardest_share=0.3, seed=4
    )
    assert picks(out) == expected.rows.tolist()
    options = ["--diversity", "7", "--eps", "0.5", "--overwrite"]
    assert select(folder, out, "gist", *source, "--k", "9", *given, *options) == 0
    expected = coreset.gist(points, k=9, costs=costs, diversity=7, eps=0.5)
    assert picks(out) == expected.rows.tolist()


def test_a_draw_may_take_everything(folder, tmp_path):
    out = tmp_path / "picks.parquet"
    source = points_file(folder)
    assert select(folder, out, "random", *source, "--k", str(N)) == 0
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
        folder, out, "weighted-k-center", *points_file(folder), "--k", "12",
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
    shares = (results["stratified_radius"], results["stratified_cost"])
    within = " of each group" if grouped else ""
    line = f"as many, in proportion to cells{within}: radius {shares[0]:.4g}, cost"
    assert f"{line} {shares[1]:.4g}" in told


def test_groups_draw_apart_from_the_command_line(folder, tmp_path):
    np.save(tmp_path / "groups.npy", np.arange(N) % 5)
    out = tmp_path / "picks.parquet"
    code = select(
        folder, out, "random", *points_file(folder), "--k", "20",
        "--groups", str(tmp_path / "groups.npy"), "--seed", "3",
    )  # fmt: skip
    assert code == 0
    rows = np.array(picks(out))
    places = {tuple(sorted(rows[rows % 5 == group] // 5)) for group in range(5)}
    assert len(places) == 5


def test_the_strongest_simple_choice_stands_beside_too(
    folder, points, probabilities, tmp_path, capsys
):
    out, costs = tmp_path / "picks.parquet", margin_costs(probabilities)
    source = points_file(folder)
    given = ["--probabilities", str(folder / "p.npy")]
    assert select(folder, out, "ccs", *source, "--k", "12", *given) == 0
    spread = coreset.k_center(points, k=12, costs=costs, seed=0)
    told = capsys.readouterr().out
    assert (
        "strongest simple choice, farthest-first: radius"
        f" {spread.radius:.4g}, cost {spread.cost:.4g}"
    ) in told
    results = json.loads((tmp_path / "picks.parquet.manifest.json").read_text())[
        "results"
    ]
    assert results["baseline"] == "farthest_first"
    assert results["baseline_objective"] == spread.objective
    heavy = ["--cost-weight", "1e4", "--overwrite"]
    assert (
        select(folder, out, "weighted-k-center", *source, "--k", "12", *given, *heavy)
        == 0
    )
    assert "strongest simple choice, the cheapest: radius" in capsys.readouterr().out
    assert (
        select(folder, out, "farthest-first", *source, "--k", "5", "--overwrite") == 0
    )
    told = capsys.readouterr().out
    assert "as many random items: radius" in told
    assert "strongest simple choice" not in told


@pytest.fixture(scope="module")
def inner(tmp_path_factory, points):
    """An index for inner product, which is no metric."""
    folder = tmp_path_factory.mktemp("inner")
    np.save(folder / "points.npy", points)
    arguments = [str(folder / "points.npy"), str(folder / "index"), "--metric", "ip"]
    assert run(["build", *arguments]) == 0
    return folder / "index"


@pytest.mark.parametrize("grouped", [False, True])
def test_a_random_draw_needs_no_metric(grouped, inner, folder, tmp_path, capsys):
    np.save(tmp_path / "groups.npy", np.arange(N) % 3)
    options = ["--groups", str(tmp_path / "groups.npy")] if grouped else []
    drawn = []
    for source in ([str(inner)], points_file(folder)):
        out = tmp_path / f"{len(drawn)}.parquet"
        arguments = ["random", *source, "--k", "12", "--seed", "5", *options]
        assert select(folder, out, *arguments) == 0
        drawn.append(picks(out))
    # The rows are those of a draw that is measured.
    assert drawn[0] == drawn[1]
    assert "inner product is no metric" in capsys.readouterr().out
    record = json.loads((tmp_path / "0.parquet.manifest.json").read_text())
    assert record["results"]["chosen"] == 12
    assert "radius" not in record["results"]


def test_what_needs_a_metric_is_refused_for_inner_product(inner, tmp_path, capsys):
    out, cover = tmp_path / "picks.parquet", tmp_path / "cover.parquet"
    random = ["random", str(inner), "--k", "3", "--coverage", str(cover)]
    for arguments in (random, ["farthest-first", str(inner), "--k", "3"]):
        assert run(["select", *arguments, "--out", str(out)]) == 1
        assert "need a true metric" in capsys.readouterr().err
        assert not out.exists()


def test_the_earlier_name_of_weighted_k_center_is_understood_and_not_listed(
    folder, tmp_path, capsys
):
    out = tmp_path / "picks.parquet"
    given = ["--k", "5", "--costs", str(folder / "costs.npy")]
    assert select(folder, out, "k-center", *points_file(folder), *given) == 0
    record = json.loads((tmp_path / "picks.parquet.manifest.json").read_text())
    assert record["command"] == "select weighted-k-center"
    assert set(record["seconds"]) >= {"read", "select", "compare"}
    capsys.readouterr()
    assert run(["select", "--help"]) == 0
    assert "\n  k-center" not in capsys.readouterr().out


def test_a_weight_that_makes_it_another_method_is_named(folder, tmp_path, capsys):
    out = tmp_path / "picks.parquet"
    shared = (
        "weighted-k-center", str(folder / "points.npy"), "--k", "9", "--costs",
        str(folder / "costs.npy"), "--overwrite",
    )  # fmt: skip
    assert select(folder, out, *shared, "--cost-weight", "1e6") == 0
    said = capsys.readouterr().out
    assert "your weight makes this margin sampling" in said
    record = json.loads((tmp_path / "picks.parquet.manifest.json").read_text())
    assert record["results"]["winners"] == {"margin": 1}
    assert record["results"]["note"] in said
    assert record["results"]["provenance"]["winners"] == {"margin": 1}
    assert select(folder, out, *shared[:-1], "--cost-weight", "0.5", "--overwrite") == 0
    record = json.loads((tmp_path / "picks.parquet.manifest.json").read_text())
    note, said = record["results"]["note"], capsys.readouterr().out
    assert bool(note) == ("your weight" in said)
