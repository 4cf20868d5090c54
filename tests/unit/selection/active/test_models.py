"""Own classifiers, what they say, and information density."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from active_world import Exact, begin, outside, picks, rare
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils import check_random_state

from gleann.index.errors import (
    CorruptDataError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.selection import ActiveSession, entropy
from gleann.selection.active.models.classifier import FittedClassifier
from gleann.selection.checks import as_probabilities


def test_our_logistic_regression_handed_over_picks_the_same():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    ours = begin(vectors, labels, seed, near=near, C=3.0, class_weight="balanced")
    own = begin(
        vectors,
        labels,
        seed,
        near=near,
        model="own",
        classifier=LogisticRegression(C=3.0, class_weight="balanced", max_iter=1000),
    )
    assert picks(ours, labels, 4) == picks(own, labels, 4)


@pytest.mark.parametrize(
    "classifier",
    [
        GaussianNB(),
        RandomForestClassifier(n_estimators=5, random_state=0),
        SGDClassifier(loss="log_loss", random_state=0),
    ],
    ids=lambda one: type(one).__name__,
)
def test_any_classifier_of_scikit_learn_will_do_and_resumes(classifier):
    vectors, labels, seed = rare()
    near = Exact(vectors)
    own = {"model": "own", "classifier": classifier, "near": near}
    whole, half = (begin(vectors, labels, seed, **own) for _ in range(2))
    expected = picks(whole, labels, 4)
    got = picks(half, labels, 2)
    state = json.loads(json.dumps(half.state()))
    again = ActiveSession.resume(state, vectors, neighbours=near, classifier=classifier)
    assert got + picks(again, labels, 2) == expected
    assert not hasattr(classifier, "classes_")
    with pytest.raises(CorruptDataError, match=r"got GaussianNB.var_smoothing=0.5"):
        ActiveSession.resume(
            state,
            vectors,
            neighbours=near,
            classifier=GaussianNB(var_smoothing=0.5),
        )


def test_classifiers_that_do_not_fit_the_request_are_refused():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    with pytest.raises(InvalidParamsError, match=r"'own', but the classifier .* None"):
        begin(vectors, labels, seed, near=near, model="own")
    with pytest.raises(InvalidParamsError, match=r"'logistic_regression', but .*NB"):
        begin(vectors, labels, seed, near=near, classifier=GaussianNB())
    with pytest.raises(InvalidParamsError, match=r"'given' takes probabilities.*NB"):
        begin(vectors, labels, seed, near=near, model="given", classifier=GaussianNB())
    with pytest.raises(InvalidParamsError, match=r"predict_proba.*got LinearSVC"):
        begin(vectors, labels, seed, near=near, model="own", classifier=LinearSVC())


def test_without_a_linear_classifier_the_pool_is_that_of_seals_and_says_so():
    vectors, labels, seed = rare()
    own = {"near": Exact(vectors), "model": "own", "classifier": GaussianNB()}
    asking = begin(vectors, labels, seed, pool="classifier", **own)
    seals = begin(vectors, labels, seed, pool="seals", **own)
    assert asking.next_batch().summary["note"] == (
        "no linear classifier to ask: the pool is that of SEALS"
    )
    assert seals.next_batch().summary["note"] == ""
    assert picks(asking, labels, 3) == picks(seals, labels, 3)
    linear = begin(vectors, labels, seed, near=Exact(vectors), pool="classifier")
    assert linear.next_batch().summary["note"] == ""
    given = begin(
        vectors, labels, seed, near=Exact(vectors), pool="classifier", model="given"
    )
    wanted = given.wanted()
    given.submit_probabilities(wanted, outside(given)(vectors[wanted]))
    assert "that of SEALS" in given.next_batch().summary["note"]


class Broken(GaussianNB):
    """Says what it was told to say."""

    said = (0.4, 0.4)

    def predict_proba(self, X):  # noqa: N803
        return np.tile(self.said, (len(X), 1))


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ((0.4, 0.4), InvalidInputError, "predict_proba of Broken: .* sum to 0.8"),
        ((np.nan, 1.0), InvalidInputError, "predict_proba of Broken: .* has NaN"),
        ((-0.5, 1.5), InvalidInputError, "predict_proba of Broken: .* at least 0"),
    ],
)
def test_what_a_classifier_says_is_checked(said, error, words, monkeypatch):
    monkeypatch.setattr(Broken, "said", said)
    vectors, labels, seed = rare()
    session = begin(
        vectors, labels, seed, near=Exact(vectors), model="own", classifier=Broken()
    )
    before = session.state()
    with pytest.raises(error, match=words):
        session.next_batch()
    assert session.state() == before
    drawn = begin(
        vectors, labels, seed, pool="random", model="own", classifier=Broken()
    )
    with pytest.raises(error, match=words):
        drawn.next_batch()
    monkeypatch.setattr(Broken, "said", (0.5, 0.5))
    sound = begin(vectors, labels, seed, pool="random")
    assert drawn.next_batch().rows.tolist() == sound.next_batch().rows.tolist()


def test_information_density_is_entropy_times_the_mean_cosine_to_the_pool():
    vectors, labels, seed = rare()
    session = begin(
        vectors,
        labels,
        seed,
        pool="global",
        strategy="information_density",
        density_power=2.0,
    )
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pool = np.setdiff1d(np.arange(400), seed)
    density = np.array([np.mean([unit[r] @ unit[s] for s in pool]) for r in pool])
    expected = entropy(session.probabilities(pool)) * np.maximum(density, 0) ** 2
    batch = session.next_batch()
    assert batch.rows.tolist() == pool[np.argsort(-expected)[:5]].tolist()
    assert batch.scores == pytest.approx(np.sort(expected)[::-1][:5], rel=1e-4)
    doubtful = begin(vectors, labels, seed, pool="global").next_batch()
    assert batch.rows.tolist() != doubtful.rows.tolist()


class Draws(GaussianNB):
    """Says at random, so that its random state shows."""

    def __init__(self, random_state=None, priors=None, var_smoothing=1e-9):
        super().__init__(priors=priors, var_smoothing=var_smoothing)
        self.random_state = random_state

    def predict_proba(self, X):  # noqa: N803
        p = check_random_state(self.random_state).random(len(X))
        return np.stack([1 - p, p], axis=1)


def test_the_seed_reaches_a_classifier_that_leaves_its_random_state_open():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    own = {"near": near, "model": "own"}
    open_one, open_two, other, bound = (
        begin(vectors, labels, seed, **own, classifier=classifier, seed=number)
        for classifier, number in (
            (Draws(), 5), (Draws(), 5), (Draws(), 6), (Draws(random_state=5), 0),
        )
    )  # fmt: skip
    asked = [picks(one, labels, 3) for one in (open_one, open_two, other, bound)]
    assert asked[0] == asked[1] == asked[3]
    assert asked[0] != asked[2]
    nested = make_pipeline(StandardScaler(), Draws())
    picks(begin(vectors, labels, seed, **own, classifier=nested), labels, 1)
    assert nested.get_params()["draws__random_state"] is None


def halved(vectors):
    return vectors / 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomForestClassifier(
            n_estimators=4, random_state=np.random.RandomState(3)
        ),
        lambda: make_pipeline(FunctionTransformer(halved), GaussianNB()),
        lambda: GaussianNB(priors=np.array([0.7, 0.3])),
        lambda: LogisticRegression(class_weight={np.int64(0): 1, np.int64(1): 2}),
    ],
)
def test_a_classifier_is_known_again_without_its_addresses(make):
    vectors, labels, seed = rare()
    near = Exact(vectors)
    own = {"near": near, "model": "own"}
    session = begin(vectors, labels, seed, **own, classifier=make())
    state = json.loads(json.dumps(session.state()))
    again = ActiveSession.resume(state, vectors, neighbours=near, classifier=make())
    assert picks(again, labels, 2) == picks(session, labels, 2)
    with pytest.raises(CorruptDataError, match="state is of the classifier"):
        ActiveSession.resume(
            state, vectors, neighbours=near, classifier=GaussianNB(var_smoothing=0.5)
        )


class Pairs(SVC):
    """Linear, with a plane between each two classes."""

    def predict_proba(self, X):  # noqa: N803
        scores = np.exp(self.decision_function(X))
        return scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [3, 4])
def test_planes_between_pairs_are_not_read_as_one_a_class(classes):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, classes)).astype(np.float32)
    labels = vectors.argmax(axis=1)
    fitted = FittedClassifier(
        Pairs(kernel="linear", decision_function_shape="ovr"),
        vectors,
        labels,
        classes=tuple(range(classes)),
    )
    assert fitted.hyperplanes() is None
    apart = FittedClassifier(
        LogisticRegression(), vectors, labels, classes=tuple(range(classes))
    ).hyperplanes()
    assert apart.directions.shape == (classes, classes)
    two = FittedClassifier(Pairs(kernel="linear"), vectors, labels > 0, classes=(0, 1))
    assert two.hyperplanes().directions.shape == (1, classes)


def test_two_fits_never_overlap():
    vectors, labels, _ = rare()
    inside, most = [], []

    class Slow(GaussianNB):
        def fit(self, X, y):  # noqa: N803
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()
            return super().fit(X, y)

    with ThreadPoolExecutor(4) as threads:
        made = [
            threads.submit(FittedClassifier, Slow(), vectors, labels, classes=(0, 1))
            for _ in range(6)
        ]
    assert all(one.result().converged for one in made)
    assert max(most) == 1
    assert len(most) == 6


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_those_of_scikit_learn_bit_for_bit(classes):
    """Two classes are computed without scikit-learn's checks of the input."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(300, 7)).astype(np.float32)
    labels = rng.integers(classes, size=300)
    model = LogisticRegression()
    named = tuple(range(classes))
    fitted = FittedClassifier(model, vectors[:90], labels[:90], classes=named)
    ours = fitted.probabilities(vectors)
    theirs = as_probabilities(
        model.fit(vectors[:90], labels[:90]).predict_proba(vectors)
    )
    assert ours.tobytes() == theirs.tobytes()


def test_a_regression_with_other_probabilities_is_asked_for_them():
    """A subclass may define its own `predict_proba`."""

    class Flat(LogisticRegression):
        def predict_proba(self, X):  # noqa: N803
            return np.full((len(X), 2), 0.5)

    vectors, labels, _ = rare()
    fitted = FittedClassifier(Flat(), vectors, labels, classes=(0, 1))
    assert (fitted.probabilities(vectors) == 0.5).all()


def test_nearly_all_rows_have_the_probabilities_of_few():
    """They are scored in place; the order of the rows is kept."""
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, pool="global")
    rows = np.random.default_rng(0).permutation(len(vectors))[:380]
    parts = [session.probabilities(part) for part in np.array_split(rows, 4)]
    np.testing.assert_allclose(
        session.probabilities(rows), np.concatenate(parts), rtol=1e-6
    )
