"""`GleannRadiusNeighbors` beside scikit-learn's own transformer."""

import numpy as np
import pytest
from sklearn.cluster import DBSCAN
from sklearn.neighbors import RadiusNeighborsTransformer

from gleann.index.errors import InvalidParamsError
from gleann.sklearn import GleannRadiusNeighbors

RADII = {"euclidean": 3.5, "sqeuclidean": 12.0, "cosine": 0.05}


def edges(graph):
    source = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    return set(zip(source.tolist(), graph.indices.tolist(), strict=True))


@pytest.mark.parametrize("metric", RADII)
def test_graph_is_that_of_scikit_learn(blobs, metric):
    rows, radius = blobs[0].astype(np.float64), RADII[metric]
    ours = GleannRadiusNeighbors(radius=radius, metric=metric)
    theirs = RadiusNeighborsTransformer(radius=radius, metric=metric, algorithm="brute")
    graph, expected = ours.fit_transform(rows), theirs.fit_transform(rows)
    assert expected.nnz > 5000
    assert edges(graph) == edges(expected)
    np.testing.assert_allclose(graph.toarray(), expected.toarray(), atol=3e-3)
    new = rows[::7] + 0.1
    graph, expected = ours.transform(new), theirs.transform(new)
    assert edges(graph) == edges(expected)
    np.testing.assert_allclose(graph.toarray(), expected.toarray(), atol=1e-4)
    own = ours.radius_neighbors_graph()
    assert edges(own) == edges(theirs.radius_neighbors_graph())
    assert (own.data == 1).all()


def test_rows_come_nearest_first_and_themselves_before_their_equals():
    rows = np.repeat(np.arange(6.0)[:, None], 3, axis=0)
    graph = GleannRadiusNeighbors(radius=1.5).fit_transform(rows)
    for at in range(18):
        line = slice(graph.indptr[at], graph.indptr[at + 1])
        assert graph.indices[line][0] == at
        assert (np.diff(graph.data[line]) >= 0).all()
    assert graph.nnz == 3 * 3 * (2 * 2 + 4 * 3)


def test_dbscan_on_the_graph_is_dbscan(blobs):
    rows = blobs[0].astype(np.float64)
    graph = GleannRadiusNeighbors(radius=4.0).fit_transform(rows)
    ours = DBSCAN(eps=4.0, metric="precomputed", min_samples=4).fit_predict(graph)
    theirs = DBSCAN(eps=4.0, min_samples=4).fit_predict(rows)
    assert len(set(theirs)) > 5
    assert -1 in theirs
    assert np.array_equal(ours, theirs)


def test_nothing_within_the_radius():
    fitted = GleannRadiusNeighbors(radius=0.5).fit([[0.0], [1.0], [2.0]])
    assert fitted.radius_neighbors_graph().nnz == 0
    assert fitted.transform([[0.0], [1.0], [2.0]]).toarray().sum() == 0
    assert fitted.transform([[0.0], [1.0], [2.0]]).nnz == 3
    assert fitted.transform([[9.0]]).nnz == 0
    one = GleannRadiusNeighbors(radius=0.5).fit([[0.0, 1.0]])
    assert one.radius_neighbors_graph().shape == (1, 1)
    assert one.transform([[0.0, 1.0]]).nnz == 1


@pytest.mark.parametrize("radius", [-1, float("nan"), float("inf"), "2", True])
def test_a_radius_that_none_can_be_within_is_refused(radius):
    with pytest.raises(InvalidParamsError, match="radius must be a"):
        GleannRadiusNeighbors(radius=radius).fit([[0.0], [1.0]])
