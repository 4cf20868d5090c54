"""`GleannUMAP` is UMAP on gleann's graph: as good as UMAP's own, and no other class."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from gleann.index.errors import InvalidParamsError
from gleann.selection.sklearn import GleannNeighbors

umap = pytest.importorskip("umap", reason="needs umap-learn (extra adapters)")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SETTINGS = {"n_neighbors": 15, "random_state": 0, "n_epochs": 100}


@pytest.fixture(scope="module")
def made():
    from gleann.service.adapters.umap import GleannUMAP

    return GleannUMAP


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)[0].astype(np.float32)


def test_places_are_as_good_as_umaps(made, digits):
    ours = made(**SETTINGS)
    kept = trustworthiness(digits, ours.fit_transform(digits))
    theirs = umap.UMAP(**SETTINGS).fit_transform(digits)
    assert kept > 0.95
    assert kept > trustworthiness(digits, theirs) - 0.02


def test_its_graph_is_gleanns(made, digits):
    ours = made(**SETTINGS).fit(digits)
    rows, _ = GleannNeighbors(n_neighbors=15).fit(digits).precomputed_knn()
    same = umap.UMAP(
        precomputed_knn=(
            *GleannNeighbors(n_neighbors=15).fit(digits).precomputed_knn(),
        ),
        **SETTINGS,
    ).fit(digits)
    assert (ours.graph_ != same.graph_).nnz == 0
    near = np.zeros((len(digits), len(digits)), np.bool_)
    near[np.repeat(np.arange(len(digits)), 15), rows.ravel()] = True
    assert not (ours.graph_.toarray().astype(bool) & ~(near | near.T)).any()


def test_a_fit_leaves_no_graph_among_its_parameters(made, digits):
    """Else a clone of it would take the graph of other rows."""
    ours = made(metric="cosine", **SETTINGS)
    before = ours.get_params()["precomputed_knn"]
    again = clone(ours.fit(digits[:300]))
    assert ours.get_params()["precomputed_knn"] == before
    assert again.get_params()["precomputed_knn"] == before
    assert type(again) is made
    assert again.fit(digits[:200]).embedding_.shape == (200, 2)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"metric": "manhattan"}, "metric"),
        ({"metric_kwds": {"p": 3}}, "metric_kwds is given, which umap.UMAP takes"),
        ({"precomputed_knn": (np.zeros((300, 15)), 0, None)}, "precomputed_knn is giv"),
    ],
)
def test_what_umap_alone_takes(made, digits, wrong, says):
    with pytest.raises(InvalidParamsError, match=says):
        made(**wrong).fit(digits[:300])


@pytest.mark.parametrize("rows", [1, 14])
def test_fewer_rows_than_neighbours(made, digits, rows):
    says = f"n_neighbors is 15, of {rows} fitted rows"
    with pytest.raises(InvalidParamsError, match=says):
        made(**SETTINGS).fit(digits[:rows])


def test_new_rows_are_refused(made, digits):
    ours = made(**SETTINGS).fit(digits)
    with pytest.raises(NotImplementedError):
        ours.transform(digits[:5])
