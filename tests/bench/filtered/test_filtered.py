"""`bench filters --peers` and `bench tenants`: all is measured, and recorded."""

import json

import numpy as np
import pytest

from bench.__main__ import make_parser
from bench.filtered.contenders import CONTENDERS, data_of
from bench.filtered.masks import filters_of
from bench.filtered.speed import recall_of, speed_table
from bench.filtered.tenants import tenants_of, tenants_table
from gleann.index import exact_search

OURS = ["gleann", "gleann-mask", "exact-scan", "over-fetching"]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(2)
    np.save(tmp_path / "base.npy", rng.normal(size=(3000, 8)).astype(np.float32))
    np.save(tmp_path / "queries.npy", rng.normal(size=(40, 8)).astype(np.float32))
    (tmp_path / "meta.json").write_text(json.dumps({"metric": "l2"}))
    return tmp_path


def run(line):
    arguments = make_parser().parse_args(line.split())
    assert arguments.run(arguments) == 0


def test_filters_let_through_what_they_say():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(2000, 4)).astype(np.float32) * [5, 1, 1, 1]
    kinds = ["independent", "along", "against"]
    made = list(filters_of(rows, rows[:50], [0.3, 0.1], kinds, rng))
    assert [(one.kind, one.share) for one in made] == [
        (kind, share) for kind in kinds for share in (0.3, 0.1)
    ]
    for one in made:
        assert abs(one.mask.mean() - one.share) < 0.05
        assert len(one.queries) == (50 if one.kind == "independent" else 20)
    assert not (made[2].mask & made[4].mask).any()


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_contender_at_its_greatest_effort_finds_the_rows(name, metric):
    if name == "lancedb":
        pytest.skip("its index takes seconds, and warns of so few rows")
    pytest.importorskip({"hnswlib": "hnswlib"}.get(name, "faiss"))
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(2000, 8)).astype(np.float32)
    data = data_of(rows, metric, recall=0.95, seed=0)
    queries = data.rows[:30]
    mask = rng.random(2000) < 0.3
    near, _ = exact_search(queries, data.rows, metric=metric, k=10, allowed=mask)
    ready = CONTENDERS[name](data)(mask)
    found = ready.search(queries, ready.efforts[-1])
    assert mask[found[found >= 0]].all()
    assert recall_of(found, near) > 0.9


def test_a_folder_is_timed_and_recorded(folder, capsys):
    out = folder / "out.json"
    run(
        f"filters --data {folder} --rows 2500 --recall 0.9 --rounds 2 --out {out}"
        f" --shares 0.5 0.02 --kinds independent against --peers {' '.join(OURS)}"
    )
    result = json.loads(out.read_text())
    assert {"commit", "mode", "machine"} <= result.keys()
    assert len(result["rows"]) <= 4 * len(OURS)
    for row in result["rows"]:
        assert row["name"] in OURS
        assert row["recall"] > 0.85
        if row["name"] == "gleann":
            assert row["single_ratio"] == row["batch_ratio"] == [1, 1, 1]
    assert speed_table(result) in capsys.readouterr().out


def test_tenants_are_compared_and_recorded(folder, capsys):
    out = folder / "out.json"
    run(
        f"tenants --data {folder} --rows 2500 --tenants 20 --compared 4 --queries 5"
        f" --rounds 2 --out {out}"
    )
    result = json.loads(out.read_text())
    assert [row["tenant"] for row in result["rows"]] == [0, 6, 12, 19]
    sizes = [row["size"] for row in result["rows"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(row["shared_us"] > 0 and row["own_us"] > 0 for row in result["rows"])
    assert tenants_table(result) in capsys.readouterr().out


def test_tenants_have_zipf_sizes():
    sizes = np.bincount(tenants_of(100_000, 100, np.random.default_rng(0)))
    assert sizes.sum() == 100_000
    assert abs(sizes[0] / sizes[9] - 10) < 1.5
