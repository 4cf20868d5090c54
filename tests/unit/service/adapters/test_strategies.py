"""Query strategies in the loops of modAL, small-text and scikit-activeml."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from gleann.index.errors import InvalidInputError
from gleann.selection.rounds import RoundsParams, pick_batch

PARAMS = RoundsParams(picker="cluster_margin", seed=2)


@pytest.fixture(scope="module")
def digits():
    """400 handwritten digits in 0..1, float32, with labels; and 20 rows to begin."""
    pixels, labels = load_digits(return_X_y=True)
    first = [np.flatnonzero(labels[:400] == at)[:2] for at in range(10)]
    return (pixels[:400] / 16).astype(np.float32), labels[:400], np.concatenate(first)


def expected_rows(rows, labels, known, k):
    model = LogisticRegression(max_iter=500).fit(rows[known], labels[known])
    free = np.setdiff1d(np.arange(len(rows)), known)
    order = np.concatenate([known, free])
    picked = pick_batch(
        rows[order],
        k=k,
        labelled=np.arange(len(known)),
        labels=labels[known],
        probabilities=model.predict_proba(rows[free]),
        params=PARAMS,
    )
    return order[picked.rows]


@pytest.mark.filterwarnings("ignore")
def test_modal(digits):
    models = pytest.importorskip("modAL.models")
    from gleann.service.adapters.modal import GleannStrategy

    rows, labels, known = digits

    def learner_of(known):
        # Made anew each round: `teach` of modAL 0.4 fails with scikit-learn 1.8.
        return models.ActiveLearner(
            estimator=LogisticRegression(max_iter=500),
            query_strategy=GleannStrategy(PARAMS),
            X_training=rows[known],
            y_training=labels[known],
        )

    learner = learner_of(known)
    free = np.setdiff1d(np.arange(400), known)
    for k in (2, 15):  # two instances are no pair of instances and measures
        expected = expected_rows(rows, labels, known, k)
        at, chosen = learner.query(rows[free], n_instances=k)
        assert free[at].tolist() == expected.tolist()
        assert np.array_equal(chosen, rows[expected])
    _, _, margins = learner.query(rows[free], n_instances=15, return_metrics=True)
    assert margins.shape == (15,)
    assert (margins >= 0).all()
    before = learner.score(rows, labels)
    for _ in range(4):
        at, _ = learner.query(rows[free], n_instances=15)
        known, free = np.concatenate([known, free[at]]), np.delete(free, at)
        learner = learner_of(known)
    assert learner.score(rows, labels) > before + 0.05


def test_modal_with_labels_of_one_class(digits):
    """Needs no modAL: a strategy reads three names of a learner."""
    from gleann.service.adapters.modal import GleannStrategy

    class Learner:
        X_training = digits[0][:3]
        y_training = np.zeros(3)

        def predict_proba(self, X):
            return np.ones((len(X), 1))

    rows, margins = GleannStrategy()(Learner(), digits[0][3:50], n_instances=4)
    assert len(set(rows.tolist())) == 4
    assert margins.tolist() == [1, 1, 1, 1]


@pytest.mark.filterwarnings("ignore")
def test_small_text(digits):
    small_text = pytest.importorskip("small_text")
    from gleann.service.adapters.small_text import GleannStrategy

    sparse = pytest.importorskip("scipy.sparse")
    rows, labels, known = digits
    dataset = small_text.SklearnDataset(sparse.csr_matrix(rows), labels)
    factory = small_text.SklearnClassifierFactory(
        small_text.ConfidenceEnhancedLinearSVC(), 10
    )
    strategy = GleannStrategy(rows, PARAMS)
    learner = small_text.PoolBasedActiveLearner(factory, strategy, dataset)
    learner.initialize_data(known, labels[known])
    seen = set(known.tolist())
    for _ in range(3):
        chosen = learner.query(num_samples=12)
        assert len(set(chosen.tolist())) == 12
        assert not seen & set(chosen.tolist())
        seen |= set(chosen.tolist())
        learner.update(labels[chosen])
    assert "cluster_margin" in str(strategy)
    with pytest.raises(InvalidInputError, match="400 items, and the strategy 5"):
        GleannStrategy(rows[:5]).query(
            learner.classifier, dataset, np.arange(100), known, labels[known], n=3
        )
    several = sparse.csr_matrix(np.eye(20))
    with pytest.raises(InvalidInputError, match="several labels"):
        strategy.query(learner.classifier, dataset, np.arange(100), known, several)


@pytest.fixture
def activeml(digits):
    """Rows, labels of which most are missing, the labelled rows, and a classifier."""
    classifier = pytest.importorskip("skactiveml.classifier")
    rows, labels, known = digits
    partly = np.full(400, np.nan)
    partly[known] = labels[known]
    model = classifier.SklearnClassifier(
        LogisticRegression(max_iter=500), classes=np.arange(10), random_state=0
    )
    return rows, partly, known, model


@pytest.mark.filterwarnings("ignore")
def test_scikit_activeml(activeml):
    from gleann.service.adapters.skactiveml import GleannStrategy

    rows, partly, known, model = activeml
    strategy = GleannStrategy(random_state=0)
    chosen, utilities = strategy.query(
        rows, partly, model, batch_size=8, return_utilities=True
    )
    assert len(set(chosen.tolist())) == 8
    assert not np.isin(chosen, known).any()
    assert utilities.shape == (8, 400)
    assert np.nanargmax(utilities, axis=1).tolist() == chosen.tolist()
    assert np.isnan(utilities[:, known]).all()
    assert np.isnan(utilities[3, chosen[:3]]).all()
    again = strategy.query(rows, partly, model, batch_size=8)
    assert again.tolist() == chosen.tolist()
    first = strategy.query(rows, np.full(400, np.nan), batch_size=4)
    assert len(set(first.tolist())) == 4


@pytest.mark.filterwarnings("ignore")
def test_candidates_of_scikit_activeml(activeml):
    from gleann.service.adapters.skactiveml import GleannStrategy

    rows, partly, known, model = activeml
    strategy = GleannStrategy(random_state=0)
    few = np.setdiff1d(np.arange(100), known)
    among = strategy.query(rows, partly, model, candidates=few, batch_size=8)
    assert np.isin(among, few).all()
    with pytest.raises(ValueError, match="labeled"):
        strategy.query(rows, partly, model, candidates=known)


@pytest.mark.filterwarnings("ignore")
def test_a_fitted_classifier_of_scikit_activeml(activeml):
    from gleann.service.adapters.skactiveml import GleannStrategy

    rows, partly, known, model = activeml
    margins = GleannStrategy("margin", random_state=0)
    fitted = model.fit(rows, partly)
    nearest = margins.query(rows, partly, fitted, fit_clf=False, batch_size=3)
    gaps = np.sort(fitted.predict_proba(rows), axis=1)
    gaps = gaps[:, -1] - gaps[:, -2]
    gaps[known] = np.inf
    assert nearest.tolist() == np.argsort(gaps, kind="stable")[:3].tolist()
