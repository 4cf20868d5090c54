"""Results of a client as tables, and what it accepts, in process and through gRPC."""

import json
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest

from gleann.index import SearchParams, exact_search
from gleann.index.errors import InvalidInputError
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams, GroupEstimates


@pytest.fixture
def built(client, rows, quick):
    client.create_index("a", dim=8, metric="l2")
    client.upsert("a", np.arange(len(rows)), rows)
    client.build("a", quick).wait(timeout=60)
    return client


def test_a_selection_is_a_table(built, tmp_path):
    chosen = built.coresets.farthest_first("a", k=5, seed=1).wait(timeout=60)
    table = chosen.to_arrow()
    assert table["id"].to_pylist() == chosen.ids.tolist()
    assert {"rank", "score", "weight", "covers"} <= set(table.column_names)
    assert json.loads(table.schema.metadata[b"summary"]) == chosen.summary
    assert json.loads(json.dumps(chosen.to_dict()))["name"] == chosen.name
    chosen.to_csv(tmp_path / "chosen.csv")
    assert len((tmp_path / "chosen.csv").read_text().splitlines()) == 6


def test_batches_and_scores_are_tables(built, rows):
    held = (rows[:, 0] > 0).astype(int)
    params = ActiveParams(batch=4, pool="global")
    session = built.active.start("a", ids=range(60), labels=held[:60], params=params)
    batch = built.active.next_batch(session)
    assert batch.to_dict()["columns"]["id"] == batch.ids.tolist()
    scores = built.active.score_items(session, [7, 3]).to_arrow()
    assert scores.column_names == ["id", "0", "1"]
    lines = scores.to_pylist()
    assert [line["id"] for line in lines] == [7, 3]
    assert lines[0]["0"] + lines[0]["1"] == pytest.approx(1)


def test_estimates_of_groups_are_a_table(built, rows):
    ids = np.arange(len(rows))
    group = (rows[:, 0] > 0).astype(int)
    proxies = {"low": (ids, 1.0 - group), "high": (ids, group.astype(float))}
    params = EstimateParams(budget=40, strata=2)
    session = built.groups.start("a", params=params, proxies=proxies)
    while batches := built.groups.next_batches(session):
        asked = batches[""].ids
        built.groups.submit_labels(session, asked, group[asked])
    made = built.groups.get(session)
    assert isinstance(made, GroupEstimates)
    lines = made.to_arrow().to_pylist()
    assert [line["group"] for line in lines] == ["low", "high"]
    assert [line["value"] for line in lines] == [one.value for one in made.values()]


@pytest.mark.parametrize("newer", [False, True])
def test_more_neighbours_than_rows_end_in_none(built, rows, newer):
    there = rows
    if newer:
        there = np.concatenate([rows, rows[:3] + 9])
        built.upsert("a", [240, 241, 242], rows[:3] + 9)
    for params in (SearchParams(k=250), SearchParams(k=250, rerank=400)):
        found = built.search("a", rows[:2], params)
        assert found.ids.shape == (2, 250)
        want, _ = exact_search(rows[:2], there, metric="l2", k=len(there))
        assert found.ids[:, : len(there)].tolist() == want.tolist()
        assert (found.ids[:, len(there) :] == -1).all()
        assert np.isposinf(found.distances[:, len(there) :]).all()
    assert len(found.to_dict()["columns"]["id"]) == 2 * len(there)


def test_rows_that_were_deleted_are_no_neighbours(built, rows):
    built.delete_vectors("a", np.arange(230))
    found = built.search("a", rows[:2], SearchParams(k=12))
    assert (np.sort(found.ids[:, :10], axis=1) == np.arange(230, 240)).all()
    assert (found.ids[:, 10:] == -1).all()


def test_texts_end_in_the_empty_text(client):
    client.create_index("t", dim=2, metric="l2")
    client.upsert("t", ["one", "two"], [[0, 1], [1, 0]])
    found = client.search("t", [0, 1], SearchParams(k=3))
    assert found.ids.tolist() == [["one", "two", ""]]
    assert found.to_arrow()["id"].to_pylist() == ["one", "two"]


def test_columns_of_lists_uuids_and_integers_are_stored(client):
    ids = [UUID(int=1), UUID(int=2)]
    client.create_index("u", dim=2, metric="l2")
    client.upsert("u", ids, pa.array([[0, 1], [1, 0]], pa.list_(pa.int64(), 2)))
    assert client.get_vectors("u", ids).tolist() == [[0, 1], [1, 0]]
    (nearest,) = client.search("u", [1, 0], SearchParams(k=1)).ids
    assert nearest.tolist() == [str(ids[1])]
    with pytest.raises(InvalidInputError, match="row 1 has 33554433"):
        client.upsert("u", ids, np.array([[0, 1], [2**25 + 1, 0]]))


@pytest.mark.parametrize(("name", "target"), [("share", "share"), ("mean", "avg")])
def test_other_names_of_targets_travel(built, rows, name, target):
    ids, held = np.arange(len(rows)), rows[:, 0] > 0
    params = EstimateParams(budget=60, strata=2, target=name)
    session = built.estimates.start("a", params=params, proxy=(ids, held * 0.5))
    while len(batch := built.estimates.next_batch(session)):
        built.estimates.submit_labels(
            session, batch.ids, held[batch.ids], values=rows[batch.ids, 1]
        )
    made = built.estimates.get(session)
    assert (made.target, made.rows) == (target, len(rows))
    if name == "share":
        assert made.low <= held.mean() <= made.high <= 1
    assert json.loads(json.dumps(made.to_dict()))["target"] == target
