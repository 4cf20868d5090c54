import numpy as np
import pytest

from gleann import selection
from gleann.index import BuildParams, SoarIndex, knn_graph
from gleann.index.errors import DuplicateIdError, InvalidParamsError, UnknownIdError
from gleann.selection import GraphNeighbours, IndexNeighbours
from gleann.selection.checks import IdMap
from gleann.selection.neighbours import without_self
from gleann.selection.provenance import fingerprint


def test_every_public_name_is_there_and_sorted():
    assert selection.__all__ == sorted(selection.__all__)
    for name in selection.__all__:
        assert getattr(selection, name).__doc__


def test_a_row_is_dropped_from_its_own_neighbours_wherever_it_stands():
    found = np.array([[7, 1, 2], [1, 8, 2], [1, 2, 3], [9, -1, -1]])
    rows = np.array([7, 8, 6, 9])
    assert without_self(found, rows, k=2).tolist() == [
        [1, 2],
        [1, 2],
        [1, 2],
        [-1, -1],
    ]


def test_missing_neighbours_are_padded():
    found = np.array([[0, 1]])
    assert without_self(found, np.array([0]), k=4).tolist() == [[1, -1, -1, -1]]


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_index_neighbours_with_every_list_are_the_exact_ones(metric):
    rng = np.random.default_rng(1)
    index = SoarIndex.build(
        rng.normal(size=(200, 8)), BuildParams(metric=metric, nlist=8, tune_queries=0)
    )
    near = IndexNeighbours(index, nprobe=8)
    rows = np.array([3, 99, 150])
    x = index.vectors.astype(np.float64)
    if metric == "l2":
        distances = ((x[rows][:, None] - x[None]) ** 2).sum(-1)
    else:
        distances = -(x[rows] @ x.T)
    distances[np.arange(3), rows] = np.inf
    expected = np.argsort(distances, axis=1)[:, :5]
    assert near.neighbours(rows, k=5).tolist() == expected.tolist()
    assert len(near) == 200


def test_a_graph_answers_as_the_index_does():
    rng = np.random.default_rng(4)
    index = SoarIndex.build(
        rng.normal(size=(150, 6)), BuildParams(metric="l2", nlist=5, tune_queries=0)
    )
    near = GraphNeighbours(knn_graph(index, k=7, nprobe=5))
    rows = np.array([149, 3, 3])
    for k in (1, 7):
        wanted = IndexNeighbours(index, nprobe=5).neighbours(rows, k=k)
        assert near.neighbours(rows, k=k).tolist() == wanted.tolist()
    assert near.neighbours(np.empty(0, np.int64), k=3).shape == (0, 3)
    assert len(near) == 150
    with pytest.raises(
        InvalidParamsError, match="holds 7 neighbours a row, but k is 8"
    ):
        near.neighbours(rows, k=8)


def test_a_graph_of_all_others_pads_what_does_not_exist():
    index = SoarIndex.build(np.eye(3), BuildParams(nlist=1, tune_queries=0))
    near = GraphNeighbours(knn_graph(index, k=9))
    assert near.neighbours(np.array([1]), k=4).tolist() == [[0, 2, -1, -1]]


def test_more_neighbours_than_there_are_rows_come_padded():
    rng = np.random.default_rng(2)
    index = SoarIndex.build(
        rng.normal(size=(6, 4)), BuildParams(nlist=2, tune_queries=0)
    )
    near = IndexNeighbours(index, nprobe=2).neighbours(np.array([0, 5]), k=9)
    assert near.shape == (2, 9)
    assert sorted(near[0, :5].tolist()) == [1, 2, 3, 4, 5]
    assert (near[:, 5:] == -1).all()
    none = IndexNeighbours(index).neighbours(np.empty(0, np.int64), k=3)
    assert none.shape == (0, 3)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_an_index_finds_the_allowed_rows_along_a_direction(metric):
    rng = np.random.default_rng(4)
    index = SoarIndex.build(
        rng.normal(size=(200, 8)), BuildParams(metric=metric, nlist=8, tune_queries=0)
    )
    directions = (rng.normal(size=(2, 8)) * 7).astype(np.float32)
    allowed = rng.random(200) < 0.5
    products = np.where(allowed, directions @ index.vectors.T, -np.inf)
    expected = np.argsort(-products, axis=1)[:, :5]
    got = IndexNeighbours(index, nprobe=8).along(directions, k=5, allowed=allowed)
    assert got.tolist() == expected.tolist()


def test_the_fingerprint_of_an_index_is_its_data_hash():
    rng = np.random.default_rng(3)
    index = SoarIndex.build(
        rng.normal(size=(20, 4)), BuildParams(nlist=2, tune_queries=0)
    )
    assert fingerprint(index.vectors) == index.data_hash


@pytest.mark.parametrize("ids", [[30, 10, 20], ["c", "a", "b"]])
def test_ids_lead_back_to_rows(ids):
    names = IdMap(ids, n=3)
    assert names.rows_of([ids[2], ids[0]]).tolist() == [2, 0]
    assert names.rows_of([]).tolist() == []
    with pytest.raises(DuplicateIdError, match=r"2 times \(1 of 2"):
        names.rows_of([ids[0], ids[0]])


def test_unknown_ids_are_listed():
    with pytest.raises(UnknownIdError, match=r"no id 7, 8 in the 3 rows \(2 of 3"):
        IdMap([1, 2, 3], n=3).rows_of([7, 1, 8])
    with pytest.raises(
        UnknownIdError, match="no id '1' in the 3 rows, whose ids are integers"
    ):
        IdMap([1, 2, 3], n=3).rows_of(["1"])
