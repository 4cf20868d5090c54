"""Pairs of two collections over RPC, compared with all distances."""

from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.service.jobs.curation import join as job

QUICK = BuildParams(metric="l2", nlist=6, tune_queries=0)


def squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((x[:, None].astype(np.float64) - y[None]) ** 2).sum(axis=2)


def pairs_of(curation: Any) -> set[tuple[Any, Any]]:
    table = curation.table("pairs", columns=["id", "other_id"])
    columns = [table.column(name).to_pylist() for name in table.column_names]
    found = list(zip(*columns, strict=True))
    assert len(set(found)) == len(found)
    return set(found)


@pytest.fixture
def two(client: gleann.Client, twins: np.ndarray) -> gleann.Client:
    """Index "a" with ids 0.., partly newer; "b" with text ids, 200 to 299."""
    client.create_index("a", dim=8, metric="l2", columns={"n": "int64"})
    client.upsert("a", np.arange(150), twins[:150], {"n": list(range(150))})
    client.build("a", QUICK).wait(timeout=60)
    client.upsert("a", np.arange(150, 200), twins[150:200], {"n": [0] * 50})
    client.delete_vectors("a", [4])
    client.create_index("b", dim=8, metric="l2")
    client.upsert("b", [f"b{i}" for i in range(200, 300)], twins[200:])
    return client


def test_pairs_of_two_indexes(two: gleann.Client, twins: np.ndarray) -> None:
    near = squares(twins[:200], twins[200:]) <= 0.5
    near[4] = False
    expected = {(i, f"b{j + 200}") for i, j in np.argwhere(near).tolist()}
    assert len(expected) > 80
    made = two.curation.join("a", "b", radius=0.5).wait(timeout=60)
    assert pairs_of(made) == expected
    assert made.summary == {"rows": 199, "radius": 0.5}
    assert made.info.tables["pairs"].rows == len(expected)
    assert made.info.tables["pairs"].columns["distance"] == "float"
    few = two.curation.join("a", "b", radius=0.5, where="n BETWEEN 1 AND 50")
    assert pairs_of(few.wait(timeout=60)) == {
        (i, j) for i, j in expected if 1 <= i <= 50
    }


def test_an_index_with_itself(two: gleann.Client, twins: np.ndarray) -> None:
    near = np.triu(squares(twins[:200], twins[:200]) <= 2.0, 1)
    near[4] = near[:, 4] = False
    made = two.curation.join("a", radius=2.0).wait(timeout=60)
    expected = {(i, j) for i, j in np.argwhere(near).tolist()}
    assert {tuple(sorted(pair)) for pair in pairs_of(made)} == expected
    assert len(pairs_of(made)) == len(expected) > 5


def test_an_index_with_vectors(two: gleann.Client, twins: np.ndarray) -> None:
    near = squares(twins[:200], twins[200:]) <= 0.5
    near[4] = False
    made = two.curation.join("a", twins[200:], radius=0.5).wait(timeout=60)
    assert pairs_of(made) == {tuple(pair) for pair in np.argwhere(near).tolist()}


def test_the_nearest_of_each(two: gleann.Client, twins: np.ndarray) -> None:
    nearest = np.argsort(squares(twins[:200], twins[200:]), axis=1)[:, :3]
    made = two.curation.join("a", "b", k=3, target_recall=1.0).wait(timeout=60)
    table = made.table("pairs").to_pydict()
    assert table["id"] == np.repeat(np.delete(np.arange(200), 4), 3).tolist()
    got = np.array([int(one[1:]) - 200 for one in table["other_id"]]).reshape(-1, 3)
    assert np.array_equal(np.sort(got), np.sort(np.delete(nearest, 4, 0)))
    assert made.summary["radius"] is None
    many = two.curation.join("a", "b", k=500, where="n = 7", target_recall=1.0)
    assert len(pairs_of(many.wait(timeout=60))) == 100


def test_no_pair_is_an_empty_table(two: gleann.Client) -> None:
    made = two.curation.join("a", "b", radius=0.0, where="n = 149").wait(timeout=60)
    table = made.table("pairs")
    assert (len(table), table.column_names) == (0, ["id", "other_id", "distance"])
    assert [len(page) for page in made.pages("pairs")] == [0]


def test_more_pairs_than_there_may_be(two: gleann.Client) -> None:
    operation = two.curation.join("a", radius=1e6, max_pairs=10_000)
    with pytest.raises(errors.LimitError, match=r"more than 10000 pairs .* 19701"):
        operation.wait(timeout=60)
    assert two.curation.list() == []
    with pytest.raises(errors.LimitError, match="bytes of 100000000 pairs: 1200000000"):
        two.curation.join("a", radius=1e6, max_pairs=10**8)
    with pytest.raises(errors.LimitError, match="199000000 is over the limit"):
        two.curation.join("a", "b", k=1_000_000)
    everything = two.curation.join("a", radius=1e6).wait(timeout=60)
    assert everything.info.tables["pairs"].rows == 199 * 198 // 2


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, errors.InvalidParamsError, "give one of radius, similarity, k"),
        ({"radius": 1, "k": 2}, errors.InvalidParamsError, "radius=1 and k=2"),
        ({"radius": -1}, errors.InvalidParamsError, "at least 0 under l2, got -1"),
        ({"radius": np.inf}, errors.InvalidParamsError, "finite"),
        ({"similarity": 0.9}, errors.InvalidParamsError, "is of cosine, but .* l2"),
        ({"k": 3}, errors.InvalidParamsError, "k=3 needs other_index"),
        ({"other": "a", "k": 3}, errors.InvalidParamsError, "finds each vector first"),
        ({"other": "b", "k": 0}, errors.InvalidParamsError, "at least 1, got 0"),
        (
            {"radius": 1, "target_recall": 0.9},
            errors.InvalidParamsError,
            "target_recall is for k",
        ),
        ({"radius": 1, "max_pairs": -1}, errors.InvalidParamsError, "got -1"),
        ({"other": "no", "radius": 1}, errors.UnknownIndexError, "no index 'no'"),
        (
            {"other": np.zeros((3, 5)), "radius": 1},
            errors.DimensionMismatchError,
            "5 dimensions, the index has 8",
        ),
        ({"other": "c", "radius": 1}, errors.InvalidParamsError, "cosine, 'a' l2"),
        ({"other": "d", "radius": 1}, errors.DimensionMismatchError, "3 dim.* 8"),
        ({"radius": 1, "where": "m = 3"}, errors.InvalidFilterError, "m"),
    ],
)
def test_bad_requests(
    two: gleann.Client, options: dict[str, Any], error: Any, text: str
) -> None:
    two.create_index("c", dim=8, metric="cosine")
    two.create_index("d", dim=3, metric="l2")
    with pytest.raises(error, match=text):
        two.curation.join("a", **options)
    assert two.list_operations()[-1].kind == "build"  # nothing was queued


def test_too_many_nearest_among_those_that_pass(
    two: gleann.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[Any] = []
    monkeypatch.setattr(job, "nearest_join", lambda *_, **__: searched.append(1))
    made = two.curation.join("a", "b", k=5, where="n BETWEEN 1 AND 20", max_pairs=94)
    text = "pairs of 19 vectors and their 5 nearest: 95 is over the limit of 94"
    with pytest.raises(errors.LimitError, match=text):
        made.wait(timeout=60)
    assert not searched
