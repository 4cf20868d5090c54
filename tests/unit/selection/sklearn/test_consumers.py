"""What takes a neighbour graph, run on ours: each with the real library.

Those that are not installed with the tests are skipped: umap-learn, hdbscan, openTSNE
and cleanlab.
"""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import DBSCAN, HDBSCAN, SpectralClustering
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE, Isomap, trustworthiness
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from threadpoolctl import threadpool_limits

from gleann.sklearn import GleannNeighbors, knn_kernel


@pytest.fixture(scope="module")
def digits():
    """Every second row of the handwritten digits, float32, and its label."""
    pixels, labels = load_digits(return_X_y=True)
    return pixels[::2].astype(np.float32), labels[::2]


@pytest.mark.slow
def test_tsne_of_scikit_learn(digits):
    rows = digits[0][:300]
    nearest = GleannNeighbors(n_neighbors=31)
    settings = {"perplexity": 10, "init": "random", "random_state": 0, "max_iter": 250}
    ours = make_pipeline(nearest, TSNE(metric="precomputed", **settings))
    with threadpool_limits(1):  # threads that wait for each other, on a busy machine
        placed = ours.fit_transform(rows)
        theirs = TSNE(**settings).fit_transform(rows)
    kept, theirs_kept = trustworthiness(rows, placed), trustworthiness(rows, theirs)
    assert kept > 0.85
    assert kept > theirs_kept - 0.05


def test_dbscan_of_scikit_learn_within_the_neighbours(blobs):
    rows, labels = blobs
    graph = GleannNeighbors(n_neighbors=30).fit_transform(rows)
    found = DBSCAN(eps=5.0, metric="precomputed", min_samples=5).fit_predict(graph)
    assert adjusted_rand_score(labels, found) > 0.97


def test_isomap_and_spectral_clustering_of_scikit_learn(blobs, digits):
    rows, labels = blobs
    graph = GleannNeighbors(n_neighbors=10, mode="connectivity").fit_transform(rows)
    clusters = SpectralClustering(
        n_clusters=6,
        affinity="precomputed_nearest_neighbors",
        n_neighbors=10,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # six separate components
        assert adjusted_rand_score(labels, clusters.fit_predict(graph)) > 0.97
    rows = digits[0][:300]
    ours = make_pipeline(
        GleannNeighbors(n_neighbors=12),
        Isomap(n_neighbors=10, metric="precomputed"),
    )
    theirs = Isomap(n_neighbors=10)
    apart = np.abs(ours.fit_transform(rows)) - np.abs(theirs.fit_transform(rows))
    assert np.abs(apart).max() < 0.05


def test_label_spreading_of_scikit_learn(digits):
    rows, labels = digits
    known = np.where(np.arange(len(labels)) < 90, labels, -1)
    ours = LabelSpreading(kernel=partial(knn_kernel, n_neighbors=7)).fit(rows, known)
    theirs = LabelSpreading(kernel="knn", n_neighbors=7).fit(rows, known)
    right = (ours.transduction_[90:] == labels[90:]).mean()
    assert right > 0.8
    assert right > (theirs.transduction_[90:] == labels[90:]).mean() - 0.01
    new = load_digits().data[1::2].astype(np.float32)[:200]
    truth = load_digits().target[1::2][:200]
    assert (ours.predict(new) == truth).mean() > 0.85


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_label_propagation_of_scikit_learn(digits):
    rows, labels = digits
    known = np.where(np.arange(len(labels)) < 90, labels, -1)
    ours = LabelPropagation(kernel=knn_kernel).fit(rows, known)
    theirs = LabelPropagation(kernel="knn").fit(rows, known)
    right = (ours.transduction_[90:] == labels[90:]).mean()
    assert right > 0.85
    assert right > (theirs.transduction_[90:] == labels[90:]).mean() - 0.01


def test_a_kernel_says_which_rows_are_near_which(blobs):
    rows, asked = blobs[0][:50], blobs[0][50:60]
    kernel = knn_kernel(rows, asked, n_neighbors=3)
    assert kernel.shape == (50, 10)
    apart = np.linalg.norm(rows[:, None] - asked, axis=2)
    nearest = np.argsort(apart, axis=0)[:3]
    expected = np.zeros((50, 10))
    np.put_along_axis(expected, nearest, 1, axis=0)
    assert np.array_equal(kernel.toarray(), expected)
    own = knn_kernel(rows, rows.copy(), n_neighbors=3)
    assert (own != own.T).nnz == 0
    assert (own.diagonal() == 1).all()


def brute_connected(rows, graph):
    """The lengths that single linkage would add to a graph's components."""
    count, labels = connected_components(graph, directed=False)
    apart = np.linalg.norm(rows[:, None].astype(np.float64) - rows, axis=2)
    added = []
    while count > 1:
        between = np.where(labels[:, None] == labels, np.inf, apart)
        source, target = np.unravel_index(between.argmin(), between.shape)
        added.append(between.min())
        labels[labels == labels[source]] = labels[target]
        count -= 1
    return sorted(added)


def test_a_connected_graph_has_the_edges_of_single_linkage(blobs):
    rows = blobs[0]
    fitted = GleannNeighbors(n_neighbors=5).fit(rows)
    own = fitted.kneighbors_graph(mode="distance")
    graph = fitted.connected()
    assert connected_components(own, directed=False)[0] >= 6
    assert connected_components(graph, directed=False)[0] == 1
    assert (graph != graph.T).nnz == 0
    assert graph.has_sorted_indices
    both = own.maximum(own.T)
    more = graph - both
    more.eliminate_zeros()
    lengths = sorted(more.data.tolist())[::2]
    np.testing.assert_allclose(lengths, brute_connected(rows, own), rtol=1e-6)


def test_a_connected_graph_keeps_equal_rows_apart_by_the_least_number():
    rows = np.repeat(np.array([[0.0, 0.0], [9.0, 0.0]]), 8, axis=0)
    graph = GleannNeighbors(n_neighbors=3).fit(rows).connected()
    assert connected_components(graph, directed=False)[0] == 1
    assert graph.data.min() == np.finfo(np.float32).tiny
    assert graph.data.max() == 9
    assert (graph.data == 9).sum() == 2
    with_own = GleannNeighbors(n_neighbors=3).fit(rows).connected(include_self=True)
    assert with_own.nnz == graph.nnz + 16
    assert (with_own.diagonal() == 0).all()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_hdbscan_of_scikit_learn(blobs, metric):
    rows, labels = blobs
    fitted = GleannNeighbors(n_neighbors=20, metric=metric).fit(rows)
    graph = fitted.connected(include_self=True)
    clusters = HDBSCAN(min_cluster_size=20, metric="precomputed", copy=True)
    found = clusters.fit_predict(graph)
    dense = HDBSCAN(min_cluster_size=20, metric=metric, copy=True, algorithm="brute")
    assert adjusted_rand_score(dense.fit_predict(rows), found) > 0.98
    assert adjusted_rand_score(labels, found) > 0.95


def test_hdbscan(blobs):
    hdbscan = pytest.importorskip("hdbscan")
    rows, labels = blobs
    graph = GleannNeighbors(n_neighbors=20).fit(rows).connected()
    settings = {"min_cluster_size": 20, "min_samples": 10}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = hdbscan.HDBSCAN(metric="precomputed", **settings).fit_predict(graph)
        expected = hdbscan.HDBSCAN(**settings).fit_predict(rows)
    assert adjusted_rand_score(expected, found) > 0.98
    assert adjusted_rand_score(labels, found) > 0.95


def test_hdbscan_takes_duplicates():
    hdbscan = pytest.importorskip("hdbscan")
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(30, 4)), 12, axis=0)
    graph = GleannNeighbors(n_neighbors=8).fit(rows).connected()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = hdbscan.HDBSCAN(
            min_cluster_size=10, metric="precomputed", min_samples=5
        )
        labels = found.fit_predict(graph)
    groups = labels.reshape(30, 12)
    assert (groups == groups[:, :1]).all()
    assert len(set(labels)) >= 30


def assert_edges_are_of(graph, neighbours):
    """Every edge of a graph goes from a row to one of its neighbours, or back."""
    n, k = neighbours.shape
    near = np.zeros((n, n), np.bool_)
    near[np.repeat(np.arange(n), k), neighbours.ravel()] = True
    assert graph.nnz > n
    assert not (graph.toarray().astype(bool) & ~(near | near.T)).any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_umap(digits):
    umap = pytest.importorskip("umap")
    rows, _ = digits
    knn = GleannNeighbors(n_neighbors=15).fit(rows).precomputed_knn()
    settings = {"n_neighbors": 15, "random_state": 0, "n_epochs": 100}
    ours = umap.UMAP(precomputed_knn=knn, **settings)
    placed = ours.fit_transform(rows)
    theirs = umap.UMAP(**settings).fit_transform(rows)
    assert_edges_are_of(ours.graph_, knn[0])
    kept = trustworthiness(rows, placed)
    assert kept > 0.95
    assert kept > trustworthiness(rows, theirs) - 0.02


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_opentsne(digits):
    open_tsne = pytest.importorskip("openTSNE")
    nearest = pytest.importorskip("openTSNE.nearest_neighbors")
    affinity = pytest.importorskip("openTSNE.affinity")
    rows, _ = digits
    distances, found = GleannNeighbors().fit(rows).kneighbors(n_neighbors=60)
    near = affinity.PerplexityBasedNN(
        knn_index=nearest.PrecomputedNeighbors(found, distances), perplexity=20
    )
    placed = open_tsne.TSNE(random_state=0, n_iter=250).fit(affinities=near)
    assert trustworthiness(rows, np.asarray(placed)) > 0.9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_cleanlab(digits):
    pytest.importorskip("datasets")
    cleanlab = pytest.importorskip("cleanlab")
    rows, labels = digits
    rows = np.concatenate([rows[:400], rows[:2], np.full((1, 64), 200, np.float32)])
    labels = np.concatenate([labels[:400], labels[:2], [0]])
    nearest = GleannNeighbors(n_neighbors=10).fit(rows)
    graph = nearest.kneighbors_graph(mode="distance")
    lab = cleanlab.Datalab({"y": labels.tolist()}, label_name="y", verbosity=0)
    lab.find_issues(knn_graph=graph, issue_types={"near_duplicate": {}, "outlier": {}})
    issues = lab.get_issues()
    assert issues["is_near_duplicate_issue"][[0, 1, 400, 401]].all()
    assert issues["outlier_score"].idxmin() == 402
