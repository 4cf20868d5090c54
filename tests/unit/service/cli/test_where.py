"""`--where`: selections, estimates and graphs among the items that pass."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from scipy.sparse import load_npz

from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.selection import (
    ActiveParams,
    ActiveSession,
    DisjointGroupsSession,
    EstimateParams,
    IndexNeighbours,
    Known,
    OverlappingGroupsSession,
    RoundsParams,
    RoundsSession,
    TastiSession,
    coreset,
    plan_labels,
    run_disjoint_groups,
    run_estimate,
    run_overlapping_groups,
)
from gleann.selection.estimate import estimate
from gleann.service.cli.main import run

N = 300
RNG = np.random.default_rng(5)
POINTS = RNG.normal(size=(N, 6)).astype(np.float32)
NAMES = np.array([f"n{row}" for row in range(N)])
SPLIT = np.array(["train", "test", "pool"])[np.arange(N) % 3]
SCORE = np.round(RNG.random(N), 6)
MASK = (SPLIT == "pool") & (SCORE > 0.2)
SOME = np.flatnonzero(MASK)
M = len(SOME)
HELD = RNG.random(N) < np.where(MASK, 0.2, 0.6)
PROXY = np.clip(HELD * 0.4 + RNG.random(N) * 0.5, 0, 1)
COSTS = RNG.random(N)
WHERE = ["--where", "split = $1 AND score > $2", "--param", "pool", "--param", "0.2"]
BY = {"where": "split = $1 AND score > $2", "parameters": ["pool", 0.2]}
AMONG = {"rows": M, "of": N, **BY}
INDEX_PARAMS = BuildParams(metric="l2", nlist=8, tune_queries=0, seed=2)


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "points.npy", POINTS)
    np.save(tmp_path / "costs.npy", COSTS)
    np.save(tmp_path / "proxy.npy", PROXY)
    np.save(tmp_path / "other.npy", 1 - PROXY)
    payload = {"split": SPLIT, "score": SCORE}
    pacsv.write_csv(pa.table(payload), tmp_path / "items.csv")
    vectors = pa.array(list(POINTS), pa.list_(pa.float32()))
    pq.write_table(
        pa.table({"id": NAMES, "vector": vectors, **payload}),
        tmp_path / "items.parquet",
    )
    pacsv.write_csv(
        pa.table({"id": np.arange(N), "positive": HELD.astype(int)}),
        tmp_path / "answers.csv",
    )
    index = SoarIndex.build(POINTS, INDEX_PARAMS, ids=NAMES, payload=payload)
    index.save(tmp_path / "index")
    return tmp_path


def source_of(folder, kind):
    """Arguments for the items, and their ids."""
    if kind == "index":
        return [str(folder / "index")], NAMES
    if kind == "parquet":  # its own columns are the payload
        return [str(folder / "items.parquet"), "--metric", "l2"], NAMES
    payload = ["--payload", str(folder / "items.csv")]
    return [str(folder / "points.npy"), "--metric", "l2", *payload], np.arange(N)


def ok(*arguments):
    assert run([str(one) for one in arguments]) == 0


def results(folder, name):
    return json.loads((folder / f"{name}.manifest.json").read_text())["results"]


@pytest.mark.parametrize("kind", ["index", "parquet", "npy"])
def test_a_coreset_is_that_of_the_library(folder, kind, capsys):
    source, ids = source_of(folder, kind)
    out, cover = folder / "picks.parquet", folder / "cover.csv"
    page = folder / "picks.html"
    ok(
        "select", "weighted-k-center", *source, "--k", 7, "--costs",
        folder / "costs.npy", "--cost-weight", 0.2, *WHERE, "--out", out,
        "--coverage", cover, "--report", page,
    )  # fmt: skip
    want = coreset.weighted_k_center(
        POINTS, k=7, costs=COSTS, cost_weight=0.2, among=MASK
    )
    assert pq.read_table(out)["id"].to_pylist() == ids[want.rows].tolist()
    said = capsys.readouterr().out
    assert f"7 of {M} items (those of {N} that pass --where)" in said
    made = results(folder, "picks.parquet")
    assert made["radius"] == want.radius
    assert made["provenance"]["among"] == AMONG
    covered = pacsv.read_csv(cover)
    assert covered["id"].to_pylist() == ids[SOME].tolist()
    np.testing.assert_allclose(covered["distance"], want.distances[SOME], rtol=1e-6)
    assert f"7 of {M} items" in page.read_text()


@pytest.mark.parametrize(
    "method", ["farthest-first", "margin", "gist", "ccs", "random"]
)
def test_every_method_chooses_among_them(folder, method):
    source, _ = source_of(folder, "npy")
    costs = [] if method in ("farthest-first", "random") else ["--costs"]
    costs += [folder / "costs.npy"] if costs else []
    np.save(folder / "locked.npy", np.flatnonzero(~MASK)[:3])
    groups = folder / "groups.npy"
    np.save(groups, np.arange(N) % 2)
    out = folder / "picks.parquet"
    ok(
        "select", method, *source, "--k", 8, *costs, *WHERE, "--out", out,
        "--locked", folder / "locked.npy", "--groups", groups, "--quotas", "equal",
        "--report", folder / "page.html",
    )  # fmt: skip
    ids = np.array(pq.read_table(out)["id"].to_pylist())
    assert MASK[ids].all()
    assert np.bincount(ids % 2).tolist() == [4, 4]
    assert results(folder, "picks.parquet")["provenance"]["among"] == AMONG


def test_a_draw_without_a_metric(folder):
    index = SoarIndex.build(
        POINTS,
        BuildParams(metric="ip", nlist=8, tune_queries=0),
        payload={"split": SPLIT, "score": SCORE},
    )
    index.save(folder / "ip")
    out = folder / "picks.csv"
    ok(
        "select", "random", folder / "ip", "--k", 9, *WHERE, "--out", out, "--report",
        folder / "page.html",
    )  # fmt: skip
    assert MASK[pacsv.read_csv(out)["id"].to_numpy()].all()


@pytest.mark.parametrize("kind", ["index", "npy"])
def test_active_learning_keeps_its_items(folder, kind):
    source, ids = source_of(folder, kind)
    labels, state = folder / "labels.csv", folder / "state.json"
    seed = np.arange(60)
    pacsv.write_csv(
        pa.table({"id": ids[seed], "label": HELD[seed].astype(int)}), labels
    )
    out = folder / "batch-1.parquet"
    ok(
        "select", "active", *source, "--labels", labels, "--state", state, "--batch",
        6, *WHERE, "--out", out, "--report", folder / "batch-1.html",
    )  # fmt: skip
    index = SoarIndex.load(folder / "index")
    here = ActiveSession.start(
        index.vectors,
        ActiveParams(batch=6),
        ids=ids,
        rows=seed,
        labels=HELD[seed].astype(int),
        neighbours=IndexNeighbours(index) if kind == "index" else None,
        among=MASK,
    )
    batch = here.next_batch()
    assert pq.read_table(out)["id"].to_pylist() == batch.ids.tolist()
    every = np.concatenate([seed, batch.rows])
    pacsv.write_csv(
        pa.table({"id": ids[every], "label": HELD[every].astype(int)}), labels
    )
    # The items come from the session: their payload is not asked for again.
    bare = [one for one in source if one != "--payload" and "items.csv" not in one]
    ok(
        "select", "active", *bare, "--labels", labels, "--state", state, "--resume",
        "--out", folder / "batch-2.parquet", "--report", folder / "batch-2.html",
    )  # fmt: skip
    here.submit_labels(batch.ids, HELD[batch.rows].astype(int))
    second = pq.read_table(folder / "batch-2.parquet")["id"].to_pylist()
    assert second == here.next_batch().ids.tolist()


def test_rounds_keep_their_items(folder, capsys):
    source, ids = source_of(folder, "npy")
    state = folder / "state.json"
    out = folder / "round-1.parquet"
    ok(
        "select", "rounds", *source, "--state", state, "--batch", 12, *WHERE, "--out",
        out, "--report", folder / "round-1.html",
    )  # fmt: skip
    assert f"0 of {M} items (those of {N}" in capsys.readouterr().out
    here = RoundsSession.start(POINTS, RoundsParams(batch=12), ids=ids, among=MASK)
    batch = here.next_batch()
    assert pq.read_table(out)["id"].to_pylist() == batch.ids.tolist()
    labels = folder / "labels.csv"
    told = HELD[batch.rows].astype(int)
    pacsv.write_csv(pa.table({"id": batch.ids, "label": told}), labels)
    ok(
        "select", "rounds", *source[:3], "--labels", labels, "--state", state,
        "--resume", "--out", folder / "round-2.parquet", "--report",
        folder / "round-2.html",
    )  # fmt: skip
    here.submit_labels(batch.ids, told)
    second = pq.read_table(folder / "round-2.parquet")["id"].to_pylist()
    assert second == here.next_batch().ids.tolist()


def oracle(rows):
    return HELD[rows], None


def assert_same(made, want):
    assert made["value"] == pytest.approx(want.value)
    assert made["low"] == pytest.approx(want.low)
    assert made["high"] == pytest.approx(want.high)
    assert made["rows"] == M


def test_an_estimate_is_that_of_the_library(folder, capsys):
    arguments = [
        "estimate", "--proxy", folder / "proxy.npy", "--payload", folder / "items.csv",
        *WHERE, "--oracle-csv", folder / "answers.csv", "--budget", 60, "--strata", 3,
        "--todo", folder / "todo.csv",
    ]  # fmt: skip
    page = folder / "share.html"
    ok(*arguments, "--out", folder / "share.json", "--report", page)
    made = json.loads((folder / "share.json").read_text())
    params = EstimateParams(budget=60, strata=3)
    want = estimate(PROXY, oracle, params, among=MASK)
    assert_same(made["estimate"], want)
    assert made["estimate"]["provenance"]["among"] == AMONG
    assert made["uniform"]["rows"] == M
    assert f"over {M} items (those of {N} that pass --where)" in capsys.readouterr().out
    assert page.exists()
    # Proxies and answers of one name, but over all items: another session.
    state = ["--state", folder / "state.json", "--out", folder / "again.json"]
    ok(*arguments, *state)
    assert_same(json.loads((folder / "again.json").read_text())["estimate"], want)
    (folder / "items.csv").unlink()  # the items are those of the session
    changed = [*arguments[:3], *arguments[5:]]
    ok(*changed, *state, "--overwrite", "--resume")
    capsys.readouterr()
    other = [one if one != "0.2" else "0.3" for one in changed]
    assert run([str(one) for one in [*other, *state, "--resume"]]) != 0


def test_another_condition_is_another_session(folder, capsys):
    def arguments(*where):
        return [
            str(one)
            for one in [
                "estimate", "--proxy", folder / "proxy.npy", "--payload",
                folder / "items.csv", *where, "--oracle-csv", folder / "answers.csv",
                "--budget", 60, "--todo", folder / "todo.csv", "--state",
                folder / "state.json", "--out", folder / f"share-{len(where)}.json",
            ]
        ]  # fmt: skip

    assert run(arguments(*WHERE)) == 0
    assert run(arguments("--where", "split = 'pool'")) == 1
    said = capsys.readouterr().err
    assert (
        "was started with --where 'split = $1 AND score > $2' and --param 'pool'"
        in (said)
    )
    assert "not \"split = 'pool'\"; add --overwrite" in said


def test_proxies_from_an_index(folder):
    answers = folder / "answers-by-name.csv"
    pacsv.write_csv(pa.table({"id": NAMES, "positive": HELD.astype(int)}), answers)
    labelled = folder / "labelled.csv"
    rows = np.concatenate([SOME[:10], np.flatnonzero(~MASK)[:15]])
    pacsv.write_csv(
        pa.table({"id": NAMES[rows], "positive": HELD[rows].astype(int)}), labelled
    )
    out = folder / "share.json"
    ok(
        "estimate", "--index", folder / "index", "--labelled", labelled, *WHERE,
        "--oracle-csv", answers, "--budget", 50, "--strata", 3, "--todo",
        folder / "todo.csv", "--out", out,
    )  # fmt: skip
    made = json.loads(out.read_text())["estimate"]
    session = TastiSession.start(
        POINTS,
        EstimateParams(budget=50, strata=3, strata_cut="geometric"),
        first=0,
        ids=np.arange(N),
        known=Known(ids=rows, positives=HELD[rows]),
        among=MASK,
    )
    assert_same(made, run_estimate(session, oracle))
    assert made["provenance"]["known_outside"] == 15
    ok(
        "estimate", "--index", folder / "index", *WHERE, "--oracle-csv", answers,
        "--budget", M - 9, "--representatives", 9, "--strata", 3, "--todo",
        folder / "todo.csv", "--out", folder / "whole.json",
    )  # fmt: skip
    whole = json.loads((folder / "whole.json").read_text())["estimate"]
    assert whole["value"] == HELD[SOME].sum()


@pytest.mark.parametrize("overlapping", [False, True])
def test_groups_are_those_of_the_library(folder, overlapping):
    group = np.where(HELD, np.where(np.arange(N) % 2, "a", "b"), "")
    answers = {"id": np.arange(N), "group": group}
    if overlapping:
        answers = {
            "id": np.tile(np.arange(N), 2),
            "group": np.repeat(["a", "b"], N),
            "positive": np.concatenate([HELD, ~HELD]).astype(int),
        }
    pacsv.write_csv(pa.table(answers), folder / "groups.csv")
    out = folder / "groups.json"
    ok(
        "estimate-groups", "--group", f"a={folder / 'proxy.npy'}", "--group",
        f"b={folder / 'other.npy'}", *(["--overlapping"] if overlapping else []),
        "--payload", folder / "items.csv", *WHERE, "--oracle-csv",
        folder / "groups.csv", "--budget", 60, "--strata", 2, "--todo",
        folder / "todo.csv", "--out", out, "--state", folder / "state.json",
        "--report", folder / "groups.html",
    )  # fmt: skip
    made = json.loads(out.read_text())["estimates"]
    params = EstimateParams(budget=60, strata=2, pilot_share=0.5)
    proxies = {"a": PROXY, "b": 1 - PROXY}
    if overlapping:
        session = OverlappingGroupsSession.start(proxies, params, among=MASK)
        oracles = {"a": oracle, "b": lambda rows: (~HELD[rows], None)}
        want = run_overlapping_groups(session, oracles)
    else:
        session = DisjointGroupsSession.start(proxies, params, among=MASK)
        want = run_disjoint_groups(session, lambda rows: (group[rows], None))
    for name in "ab":
        assert_same(made[name], want[name])
        assert made[name]["provenance"]["among"] == AMONG


def test_a_graph_of_the_rows_that_pass(folder, capsys):
    out, page = folder / "graph.npz", folder / "graph.html"
    ok(
        "graph", folder / "index", "--k", 4, *WHERE, "--out", out, "--report", page
    )  # fmt: skip
    index = SoarIndex.load(folder / "index")
    graph = knn_graph(index, k=4, among=MASK)
    assert abs(load_npz(out) - graph.to_scipy()).max() == 0
    with np.load(out, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["among"], SOME)
        np.testing.assert_array_equal(stored["ids"], NAMES)
    assert f"4 neighbours of {M} rows (those of {N} that pass" in (
        capsys.readouterr().out
    )
    assert results(folder, "graph.npz")["among"] == AMONG
    assert f"{M} rows" in page.read_text()


def test_a_plan_is_of_the_items_that_pass(folder, capsys):
    ok(
        "plan-labels", "--proxy", folder / "proxy.npy", "--payload",
        folder / "items.csv", *WHERE, "--width", 12,
    )  # fmt: skip
    want = plan_labels(PROXY, EstimateParams(budget=M), width=12, among=MASK)
    said = capsys.readouterr().out
    assert f"over {M} items (those of {N} that pass --where)" in said
    assert f"about {want.labels:,} labels ({want.low:,} to {want.high:,})" in said


REFUSED = [
    (["--where", "colour = 'red'"], "colour"),
    (["--where", "split = 'none'"], f"0 of {N} items pass --where \"split = 'none'\""),
    (["--where", "split ="], "character 7"),
    (["--param", "5"], "1 parameters and no condition"),
    (["--where", "split = $1"], "parameter"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refuses_a_condition_that_cannot_be(folder, arguments, message, capsys):
    source, _ = source_of(folder, "npy")
    told = ["select", "random", *source, "--k", "3", *arguments]
    assert run([*told, "--out", str(folder / "x.csv")]) == 1
    assert message in capsys.readouterr().err
    assert not (folder / "x.csv").exists()


def test_refuses_files_that_do_not_fit(folder, capsys):
    points = [str(folder / "points.npy"), "--metric", "l2"]

    def refused(*arguments):
        out = str(folder / "x.csv")
        assert run([*map(str, arguments), "--out", out]) == 1
        return capsys.readouterr().err

    told = ["select", "random", *points, "--k", 3]
    assert "--where needs the payload of the items" in refused(*told, *WHERE)
    payload = ["--payload", folder / "items.csv"]
    assert "--payload is for --where" in refused(*told, *payload)
    short = folder / "short.csv"
    pacsv.write_csv(pa.table({"split": SPLIT[:-1], "score": SCORE[:-1]}), short)
    said = refused(*told, *WHERE, "--payload", short)
    assert f"short.csv has {N - 1} rows of payload for {N} vectors" in said
    np.save(folder / "few.npy", COSTS[SOME])
    priced = ["select", "margin", *points, "--k", 3, *payload, *WHERE, "--costs"]
    said = refused(*priced, folder / "few.npy")
    assert f"must have shape ({N},), one an item, got ({M},)" in said
    many = ["select", "farthest-first", *points, "--k", M + 1, *payload, *WHERE]
    assert f"1..{M} ({M} rows, of which 0 locked), got {M + 1}" in refused(*many)


@pytest.mark.parametrize(
    "name",
    [
        ["select", "farthest-first"],
        ["select", "active"],
        ["select", "rounds"],
        ["estimate"],
        ["estimate-groups"],
        ["plan-labels"],
        ["graph"],
    ],
)
def test_the_help_has_an_example(name, capsys):
    assert run([*name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--where CONDITION" in shown
    assert "--where" in shown[shown.index("Examples:") :]
