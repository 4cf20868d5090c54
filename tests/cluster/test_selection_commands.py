"""`gleann cluster select`, `curate` and `estimate` write what one machine does."""

import csv
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.shards.cut import cut
from gleann.service.cli.main import run
from tests.support.sharded import sharded

if TYPE_CHECKING:
    from gleann.service.cluster.session import Cluster


ONE = ("--workers", "1")
"""A worker, which takes a second or two to start."""


@pytest.fixture
def world(cluster: "Cluster", tmp_path):
    world = sharded(tmp_path / "cut", shards=3, n=500)
    world.index.save(tmp_path / "one")
    return world


def table(path):
    return pq.read_table(path).to_pydict()


def test_farthest_first(world, tmp_path, capsys):
    locked = tmp_path / "locked.csv"
    locked.write_text("id\n" + "\n".join(map(str, world.ids[[4, 300]].tolist())) + "\n")
    for command, name in ((["select"], "one"), (["cluster", "select"], "cut")):
        out = ["--out", str(tmp_path / f"{name}.parquet"), "--locked", str(locked)]
        source = str(tmp_path / name)
        more = ["--k", "60", "--seed", "3"]
        page = ["--report", str(tmp_path / f"{name}.html")]
        assert run([*command, "farthest-first", source, *more, *out, *page]) == 0
    assert table(tmp_path / "cut.parquet") == table(tmp_path / "one.parquet")
    said = capsys.readouterr().out
    assert "60 of 500 items in 3 shards" in said
    record = json.loads((tmp_path / "cut.parquet.manifest.json").read_text())
    one = json.loads((tmp_path / "one.parquet.manifest.json").read_text())
    assert record["results"]["radius"] == one["results"]["radius"]
    assert record["results"]["random_radius"] == one["results"]["random_radius"]
    page = " ".join((tmp_path / "cut.html").read_text().split())
    assert "chosen by farthest-first" in page


def test_weighted_k_center(world, tmp_path, capsys):
    out = tmp_path / "picks.parquet"
    asked = ["--k", "20", "--costs-column", "cost", "--cost-weight", "0.1"]
    command = ["cluster", "select", "weighted-k-center", str(tmp_path / "cut")]
    page = tmp_path / "picks.html"
    paths = ["--out", str(out), "--report", str(page)]
    assert run([*command, *asked, *ONE, *paths]) == 0
    assert "chosen by weighted-k-center" in " ".join(page.read_text().split())
    said = capsys.readouterr().out
    assert "times the best possible objective" in said
    assert "20 of 500 items in 3 shards" in said
    chosen = table(out)["id"]
    assert len(set(chosen)) == 20 <= len(set(chosen) & set(world.ids.tolist()))


def test_duplicates(world, tmp_path, capsys):
    asked = ["--radius", "1.5", "--where", "score > $1", "--param", "2"]
    lines = []
    for command, name in ((["curate"], "one"), (["cluster", "curate"], "cut")):
        out = ["--out", str(tmp_path / f"{name}.parquet")]
        kept = ["--pairs", str(tmp_path / f"{name}-pairs.parquet")]
        source = str(tmp_path / name)
        assert run([*command, "duplicates", source, *asked, *out, *kept]) == 0
        lines.append(capsys.readouterr().out.split("\n")[1:])
    assert table(tmp_path / "cut.parquet") == table(tmp_path / "one.parquet")
    pairs = [table(tmp_path / f"{name}-pairs.parquet") for name in ("one", "cut")]
    assert pairs[0] == pairs[1]
    assert lines[0] == lines[1]


def test_duplicates_beside_others_and_going_on(world, tmp_path, capsys):
    """--against shards and vectors, --known of a run on one machine, and a page."""
    other = sharded(tmp_path / "other", shards=2, n=500, ids="strings")
    other.index.save(tmp_path / "other-one")
    rows = world.vectors[::9] + np.float32(0.01)
    np.save(tmp_path / "rows.npy", rows)
    known = str(tmp_path / "known.npz")
    asked = ["curate", "duplicates", str(tmp_path / "one"), "--radius", "2"]
    asked += ["--state", known, "--out", str(tmp_path / "known.parquet")]
    assert run(asked) == 0
    page = tmp_path / "found.html"
    for here, there in (
        (["--against", str(tmp_path / "other-one")], ["--against", str(other.folder)]),
        (["--against", str(tmp_path / "rows.npy")],) * 2,
        (["--known", known], ["--known", known, "--report", str(page)]),
    ):
        tables = []
        for command, name, more in (
            (["curate"], "one", here),
            (["cluster", "curate"], "cut", there),
        ):
            words = [*command, "duplicates", str(tmp_path / name), *more, "--overwrite"]
            words += ["--radius", "1.5", "--out", str(tmp_path / f"{name}.parquet")]
            assert run(words) == 0
            tables.append(table(tmp_path / f"{name}.parquet"))
        assert tables[0] == tables[1]
    assert "gleann cluster curate duplicates" in page.read_text()
    capsys.readouterr()


def require_recorded(folder, files):
    """The estimate of the cluster says what it was made from."""
    record = json.loads((folder / "cluster.json.manifest.json").read_text())
    assert [(one["path"], one["sha256"]) for one in record["inputs"]] == [
        (str(file), hashlib.sha256(file.read_bytes()).hexdigest()) for file in files
    ]


def test_an_estimate_in_rounds(world, tmp_path, capsys):
    answers, todo = tmp_path / "answers.csv", tmp_path / "todo.csv"
    order = np.argsort(world.ids)
    proxy = tmp_path / "proxy.parquet"
    import pyarrow as pa

    columns = {"id": world.ids[order], "proxy": world.payload["score"][order]}
    pq.write_table(pa.table(columns), proxy)
    truth = {one: one % 3 == 0 for one in world.ids.tolist()}
    found, cut = [], str(tmp_path / "cut")
    for source in (
        ["estimate", "--proxy", str(proxy)],
        ["cluster", "estimate", cut, "--proxy-column", "score", *ONE],
    ):
        out = tmp_path / f"{source[0]}.json"
        more = ["--oracle-csv", str(answers), "--budget", "100", "--todo", str(todo)]
        state = ["--state", str(tmp_path / f"{source[0]}-state.json")]
        labelled: list[int] = []
        answers.write_text("id,positive\n")
        while (code := run([*source, *more, *state, "--out", str(out)])) == 3:
            with todo.open() as file:
                asked = [int(line["id"]) for line in csv.DictReader(file)]
            assert not set(asked) & set(labelled)
            labelled += asked
            with answers.open("a") as file:
                file.writelines(f"{one},{int(truth[one])}\n" for one in asked)
        assert code == 0
        found.append((labelled, json.loads(out.read_text())["estimate"]["value"]))
    assert found[0] == found[1]
    assert len(found[0][0]) == 100
    require_recorded(tmp_path, [tmp_path / "cut" / "shards.json", answers])
    capsys.readouterr()


def test_items_to_label(cluster, tmp_path, capsys):
    """With --resume, and --where, as the same items in one index; its rows by id."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(600, 6)).astype(np.float32)
    one = SoarIndex.build(
        rows,
        BuildParams(nlist=9, tune_queries=16, codes="float32"),
        ids=np.arange(600) * 3,
        payload={"split": np.arange(600) % 4},
    )
    one.save(tmp_path / "one")
    cut(one, tmp_path / "cut", shards=3)
    truth = (rows[:, 0] > 0.5).astype(int).tolist()
    asked = ["--pool", "classifier", "--batch", "8", "--where", "split > 0"]
    for command, name in ((["select"], "one"), (["cluster", "select"], "cut")):
        labelled = list(range(20))
        for number in range(3):
            labels = tmp_path / "labels.csv"
            lines = [f"{3 * row},{truth[row]}" for row in labelled]
            labels.write_text("\n".join(["id,label", *lines, ""]))
            more = asked if not number else ["--resume"]
            files = ["--labels", str(labels), "--state", str(tmp_path / f"{name}.json")]
            out = tmp_path / f"{name}-{number}.parquet"
            words = [*command, "active", str(tmp_path / name), *files, *more]
            assert run([*words, "--out", str(out)]) == 0
            labelled += [one // 3 for one in table(out)["id"]]
        assert "36 are labelled" in capsys.readouterr().out
    for number in range(3):
        here, there = (
            table(tmp_path / f"{name}-{number}.parquet") for name in ("one", "cut")
        )
        assert there == here
        assert all(one // 3 % 4 for one in there["id"])
    states = [
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "cut")
    ]
    for state in states:
        del state["data_hash"]
    assert states[0] == states[1]
    record = json.loads((tmp_path / "cut-2.parquet.manifest.json").read_text())
    assert record["command"] == "cluster select active"
    assert record["inputs"][0]["data_hash"]


def test_what_is_refused(world, tmp_path, capsys):
    cut, out = str(tmp_path / "cut"), ["--out", str(tmp_path / "x.parquet")]
    one = str(tmp_path / "one")
    select = ["cluster", "select", "farthest-first"]
    curate = ["cluster", "curate", "duplicates"]
    active = ["cluster", "select", "active"]
    labels = tmp_path / "labels.csv"
    labels.write_text(f"id,label\n{world.ids[0]},0\n{world.ids[1]},1\n")
    session = ["--labels", str(labels), "--state", str(tmp_path / "s.json")]
    for command, said in (
        ([*select, one, "--k", "3"], "no index in shards"),
        ([*select, cut, "--k", "501", *ONE], "--k must be in 1..500"),
        (
            [*select, cut, "--k", "3", "--groups", "g.csv"],
            "--groups is not for an index in shards: give it to `gleann select"
            " farthest-first` on one machine",
        ),
        ([*select, cut, "--k", "3", "--where", "even"], "--where is not for"),
        ([*curate, cut, "--radius", "1", "--against", one], "not an index in shards"),
        ([*curate, cut], "--radius"),
        (
            [*curate, cut, "--radius", "1", "--keep-by", "newest"],
            "needs --score-column",
        ),
        ([*curate, cut, "--radius", "1", "--score-column", "score"], "--keep-by"),
        ([*curate, cut, "--radius", "1", "--where", "score > 99", *ONE], "0 of 500"),
        ([*active, one, *session], "no index in shards"),
        ([*active, cut, *session, "--show-column", "a"], "--report"),
        ([*active, cut, *session, "--where", "score > 99", *ONE], "0 of 500"),
    ):
        assert run([*command, *out]) != 0
        assert said in capsys.readouterr().err
        assert not (tmp_path / "x.parquet").exists()
