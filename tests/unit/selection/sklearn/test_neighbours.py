"""`GleannNeighbors` beside scikit-learn's own transformer and brute force."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsTransformer
from sklearn.pipeline import make_pipeline

from gleann.index.errors import (
    InvalidParamsError,
    NonFiniteError,
    RecallWarning,
    ZeroVectorError,
)
from gleann.sklearn import GleannNeighbors

METRICS = ["euclidean", "l2", "sqeuclidean", "cosine"]


def theirs(metric, **params):
    return KNeighborsTransformer(algorithm="brute", metric=metric, **params)


def assert_same_graph(ours, expected, *, rtol=1e-5, atol=1e-5):
    assert ours.format == "csr"
    assert ours.shape == expected.shape
    assert np.array_equal(ours.indptr, expected.indptr)
    np.testing.assert_allclose(ours.data, expected.data, rtol=rtol, atol=atol)
    np.testing.assert_allclose(ours.toarray(), expected.toarray(), rtol=rtol, atol=atol)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("mode", ["distance", "connectivity"])
def test_graph_is_that_of_scikit_learn(blobs, metric, mode):
    rows = blobs[0].astype(np.float64)
    ours = GleannNeighbors(n_neighbors=7, metric=metric, mode=mode)
    expected = theirs(metric, n_neighbors=7, mode=mode)
    # Their own zero is rounded, and stands behind no other row here.
    assert_same_graph(ours.fit_transform(rows), expected.fit_transform(rows), atol=3e-3)
    new = rows[:40] + 0.25
    assert_same_graph(ours.transform(new), expected.transform(new), atol=1e-4)


def test_fitted_rows_come_first_themselves_at_zero_and_in_order_of_distance(blobs):
    rows = blobs[0]
    graph = GleannNeighbors(n_neighbors=4).fit(rows).transform(rows)
    columns = graph.indices.reshape(600, 5)
    distances = graph.data.reshape(600, 5)
    assert np.array_equal(columns[:, 0], np.arange(600))
    assert (distances[:, 0] == 0).all()
    assert (np.diff(distances, axis=1) >= 0).all()


def test_a_row_is_its_own_first_neighbour_among_duplicates():
    rows = np.repeat(np.eye(3, 4, dtype=np.float32), 5, axis=0)
    graph = GleannNeighbors(n_neighbors=3).fit_transform(rows)
    columns = graph.indices.reshape(15, 4)
    assert np.array_equal(columns[:, 0], np.arange(15))
    # Equal rows only, each once.
    assert (columns // 5 == np.arange(15)[:, None] // 5).all()
    assert all(len(set(line)) == 4 for line in columns.tolist())
    assert (graph.data == 0).all()
    assert graph.nnz == 60


def test_kneighbors_without_rows_leaves_out_the_row_itself(blobs):
    rows = blobs[0].astype(np.float64)
    ours = GleannNeighbors(n_neighbors=6).fit(rows)
    expected = theirs("euclidean", n_neighbors=6).fit(rows)
    distances, found = ours.kneighbors()
    their_distances, their_rows = expected.kneighbors()
    np.testing.assert_allclose(distances, their_distances, rtol=1e-5, atol=1e-4)
    assert np.array_equal(found, their_rows)
    assert np.array_equal(ours.kneighbors(return_distance=False), found)
    assert not (found == np.arange(600)[:, None]).any()


def test_many_rows_are_found_at_the_recall_that_is_asked_for(clustered):
    rows, asked = np.split(clustered(6300, 24, seed=3), [6000])
    ours = GleannNeighbors(n_neighbors=10, target_recall=0.9).fit(rows)
    exact = theirs("euclidean", n_neighbors=10).fit(rows)
    own = exact.kneighbors(return_distance=False)
    others = exact.kneighbors(asked, return_distance=False)
    assert share(ours.kneighbors(return_distance=False), own) >= 0.9
    assert share(ours.kneighbors(asked, return_distance=False), others) >= 0.9
    certain = GleannNeighbors(n_neighbors=10, target_recall=1).fit(rows)
    assert share(certain.kneighbors(asked, return_distance=False), others) > 0.999


def share(found, expected):
    both = (found[:, :, None] == expected[:, None, :]).any(axis=2)
    return both.mean()


def test_fit_transform_is_fit_then_transform_and_does_not_change_with_use(clustered):
    rows = clustered(3000, 16, seed=8)
    first = GleannNeighbors(n_neighbors=5).fit_transform(rows)
    fitted = GleannNeighbors(n_neighbors=5).fit(rows)
    fitted.transform(rows[:10] + 1)  # builds the index
    again = fitted.transform(rows)
    assert np.array_equal(first.indices, again.indices)
    assert np.array_equal(first.data, again.data)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_pickle_has_the_index_and_no_warning(clustered, metric):
    rows, asked = clustered(3000, 16, seed=8), clustered(20, 16, seed=9)
    fitted = GleannNeighbors(n_neighbors=5, metric=metric).fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unused = pickle.loads(pickle.dumps(fitted))
        expected = fitted.transform(asked)
        saved = pickle.dumps(fitted)
        used = pickle.loads(saved)
    for other in (unused, used):
        graph = other.transform(asked)
        assert np.array_equal(graph.indices, expected.indices)
        assert np.array_equal(graph.data, expected.data)
    assert len(saved) < 6 * rows.nbytes


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_dtypes(dtype):
    rows = (np.random.default_rng(0).normal(size=(80, 5)) * 10).astype(dtype)
    graph = GleannNeighbors(n_neighbors=3).fit_transform(rows)
    wide = rows.astype(np.float64)
    expected = theirs("euclidean", n_neighbors=3).fit_transform(wide)
    assert graph.dtype == (np.float32 if dtype == np.float32 else np.float64)
    np.testing.assert_allclose(graph.data, expected.data, rtol=1e-5, atol=1e-5)


def test_float64_rows_far_from_zero_keep_their_distances():
    near = np.random.default_rng(0).normal(size=(200, 6))
    far = near + 1e7
    exact = theirs("euclidean", n_neighbors=5).fit(near)
    ours = GleannNeighbors(n_neighbors=5).fit(far)
    distances, found = ours.kneighbors()
    expected, rows = exact.kneighbors()
    assert np.array_equal(found, rows)
    np.testing.assert_allclose(distances, expected, rtol=1e-5)
    asked, _ = ours.kneighbors(far[:3] + 0.1)
    expected, _ = exact.kneighbors(near[:3] + 0.1)
    np.testing.assert_allclose(asked, expected, rtol=1e-4)


def test_one_row_and_one_dimension():
    one = GleannNeighbors(n_neighbors=1, mode="connectivity").fit([[3.0]])
    assert one.transform([[3.0]]).toarray().tolist() == [[1.0]]
    assert one.transform([[9.0], [2.0]]).toarray().tolist() == [[1.0], [1.0]]
    with pytest.raises(InvalidParamsError, match=r"n_neighbors is 2, of 1 fitted rows"):
        GleannNeighbors(n_neighbors=1).fit_transform([[3.0]])
    with pytest.raises(InvalidParamsError, match=r"n_neighbors is 1.*<= 0"):
        one.kneighbors()


def test_what_is_refused_names_both_numbers(blobs):
    rows = blobs[0]
    with pytest.raises(InvalidParamsError, match="metric must be one of euclidean"):
        GleannNeighbors(metric="manhattan").fit(rows)
    with pytest.raises(InvalidParamsError, match="mode must be one of distance"):
        GleannNeighbors(mode="both").fit(rows)
    with pytest.raises(InvalidParamsError, match="n_neighbors must be at least 1"):
        GleannNeighbors(n_neighbors=0).fit(rows)
    with pytest.raises(InvalidParamsError, match="target_recall must be in"):
        GleannNeighbors(target_recall=1.5).fit(rows)
    with pytest.raises(ValueError, match="12 features"):
        GleannNeighbors().fit(rows).transform(rows[:, :5])
    with pytest.raises(NotFittedError):
        GleannNeighbors().transform(rows)
    with pytest.raises(ValueError, match="NaN"):
        GleannNeighbors().fit(np.where(rows == rows[3, 3], np.nan, rows))
    with pytest.raises(NonFiniteError, match="X"):
        GleannNeighbors(metric="cosine").fit(np.full((4, 3), 1e300))
    with pytest.raises(ZeroVectorError, match="row 2"):
        GleannNeighbors(metric="cosine").fit(np.eye(3, 2))


def test_a_recall_that_is_not_reached_is_said():
    rows = np.random.default_rng(0).normal(size=(2500, 64)).astype(np.float32)
    fitted = GleannNeighbors(n_neighbors=1500, target_recall=0.99999).fit(rows)
    with pytest.warns(RecallWarning):
        fitted.transform(rows[:5] + 1)


def test_columns_have_names(blobs):
    fitted = GleannNeighbors().fit(blobs[0][:3])
    names = fitted.get_feature_names_out().tolist()
    assert names == [f"gleannneighbors{at}" for at in range(3)]


def test_in_a_pipeline_and_a_search_for_parameters(blobs):
    rows, labels = blobs
    pipeline = make_pipeline(
        GleannNeighbors(n_neighbors=12),
        KNeighborsClassifier(n_neighbors=5, metric="precomputed"),
    )
    grid = {
        "gleannneighbors__metric": ["euclidean", "cosine"],
        "kneighborsclassifier__n_neighbors": [3, 9],
    }
    found = GridSearchCV(pipeline, grid, cv=3).fit(rows, labels)
    assert found.best_score_ > 0.99
    assert clone(pipeline).fit(rows, labels).predict(rows[:3]).tolist() == [0, 0, 0]


def test_repeats_with_any_number_of_jobs(clustered):
    rows = clustered(3000, 16, seed=8)
    graphs = [
        GleannNeighbors(n_jobs=jobs).fit_transform(rows) for jobs in (1, 2, -1, None)
    ]
    assert all(np.array_equal(graphs[0].indices, one.indices) for one in graphs)


def test_rows_of_the_caller_are_neither_kept_nor_changed(blobs):
    rows = blobs[0].copy()
    fitted = GleannNeighbors().fit(rows)
    expected = fitted.transform(blobs[0])
    rows[:] = 0
    assert rows.flags.writeable
    again = fitted.transform(blobs[0])
    assert np.array_equal(again.indices, expected.indices)


def test_precomputed_knn_has_the_row_first(blobs):
    rows, distances = GleannNeighbors().fit(blobs[0]).precomputed_knn(8)
    assert rows.shape == distances.shape == (600, 8)
    assert rows.dtype == np.int32
    assert distances.dtype == np.float32
    assert np.array_equal(rows[:, 0], np.arange(600))
    expected, _ = theirs("euclidean").fit(blobs[0]).kneighbors(n_neighbors=7)
    np.testing.assert_allclose(distances[:, 1:], expected, rtol=1e-4)
