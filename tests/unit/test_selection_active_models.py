"""Own classifiers, outside probabilities, information density, several concepts."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from active_world import Exact, begin, picks, rare
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils import check_random_state

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    NotReadyError,
)
from gleann.selection import ActiveParams, ActiveSession, entropy, run_active
from gleann.selection.active.model import Model


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


def outside(session):
    """A model of someone else's: the distance to a spot, as a probability."""

    def table(vectors):
        away = np.linalg.norm(vectors - [1.2, 0.8], axis=1)
        p = 1 / (1 + np.exp(4 * (away - 0.5)))
        return np.stack([1 - p, p], axis=1)

    return table


def test_probabilities_from_outside_are_asked_for_and_decide():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near, model="given", batch=4)
    table = outside(session)
    for _ in range(3):
        wanted = session.wanted()
        pool = set(session.state()["picker"]["pool"]["entered"])
        assert set(wanted.tolist()) == pool - set(session.labelled_rows.tolist())
        with pytest.raises(NotReadyError, match=f"{len(wanted)} of {len(wanted)} cand"):
            session.next_batch()
        session.submit_probabilities(wanted, table(vectors[wanted]))
        assert not len(session.wanted())
        batch = session.next_batch()
        best = entropy(table(vectors[wanted]))
        assert batch.scores == pytest.approx(np.sort(best)[::-1][:4])
        # What joined within the batch had no probabilities, so it was not picked.
        assert set(batch.rows.tolist()) <= set(wanted.tolist())
        assert not len(session.wanted())
        session.submit_labels(batch.ids, labels[batch.rows])


def test_with_probabilities_of_all_rows_late_comers_are_picked_too():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    model = GaussianNB()
    trained = begin(vectors, labels, seed, near=near, model="own", classifier=model)
    given = begin(vectors, labels, seed, near=near, model="given")
    for _ in range(4):
        given.submit_probabilities(np.arange(400), trained.probabilities())
        batch = given.next_batch()
        assert batch.rows.tolist() == trained.next_batch().rows.tolist()
        for session in (trained, given):
            session.submit_labels(batch.ids, labels[batch.rows])


def test_a_killed_session_remembers_what_it_was_given():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near, model="given")
    wanted = session.wanted()
    table = outside(session)
    session.submit_probabilities(wanted[:9], table(vectors[wanted[:9]]))
    state = json.loads(json.dumps(session.state()))
    again = ActiveSession.resume(state, vectors, neighbours=near)
    assert again.wanted().tolist() == wanted[9:].tolist()
    for one in (session, again):
        one.submit_probabilities(wanted[9:], table(vectors[wanted[9:]]))
    assert again.next_batch().rows.tolist() == session.next_batch().rows.tolist()
    assert again.probabilities(wanted).tolist() == table(vectors[wanted]).tolist()


def test_probabilities_that_do_not_fit_are_refused():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near, model="given")
    ids = session.wanted()[:2]
    with pytest.raises(InvalidInputError, match=r"sum to 1.2"):
        session.submit_probabilities(ids, [[0.6, 0.6], [0.5, 0.5]])
    with pytest.raises(NonFiniteError, match="NaN"):
        session.submit_probabilities(ids, [[0.5, np.nan], [0.5, 0.5]])
    with pytest.raises(DimensionMismatchError, match=r"\(1, 2\), expected \(2, 2\)"):
        session.submit_probabilities(ids, [[0.5, 0.5]])
    with pytest.raises(DimensionMismatchError, match=r"\(2, 3\), expected \(2, 2\)"):
        session.submit_probabilities(ids, [[0.5, 0.25, 0.25]] * 2)
    with pytest.raises(NotReadyError, match="1 of 1 rows have no probabilities"):
        session.probabilities([5])
    with pytest.raises(InvalidParamsError, match="no classifier to score"):
        session.score_vectors(vectors[:2])
    trained = begin(vectors, labels, seed, near=near)
    with pytest.raises(InvalidParamsError, match="only 'given' takes probabilities"):
        trained.submit_probabilities(ids, [[0.5, 0.5]] * 2)
    assert not len(trained.wanted())


def test_probabilities_from_outside_need_no_positive_in_the_seed():
    vectors, labels, seed = rare()
    session = begin(
        vectors,
        labels,
        seed[3:],
        near=Exact(vectors),
        model="given",
        classes=(0, 1),
        strategy="most_likely_positive",
    )
    wanted = session.wanted()
    session.submit_probabilities(wanted, outside(session)(vectors[wanted]))
    assert len(session.next_batch()) == 5


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


def two_concepts(n=400):
    """A labelled pool with two spots, and a seed with both answers to both."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(n, 2)).astype(np.float32)
    spots = np.array([[1.2, 0.8], [-1.0, 1.0]])
    labels = np.stack(
        [np.linalg.norm(vectors - spot, axis=1) < 0.5 for spot in spots], axis=1
    ).astype(np.int64)
    first, second = (np.flatnonzero(labels[:, j])[:3] for j in range(2))
    rest = np.flatnonzero(labels.sum(axis=1) == 0)[:12]
    return vectors, labels, np.concatenate([first, second, rest])


def test_concepts_share_the_batch_fairly_and_the_labels():
    vectors, labels, seed = two_concepts()
    near = Exact(vectors)
    session = begin(
        vectors, labels, seed, near=near, concepts=("east", "west"), batch=5
    )
    asked = []
    for _ in range(4):
        batch = session.next_batch()
        by = batch.why["concept"]
        asked.append([int((by == name).sum()) for name in ("east", "west")])
        for column, name in enumerate(("east", "west")):
            p = session.probabilities(batch.rows[by == name], concept=name)
            assert batch.why["probability"][by == name] == pytest.approx(p[:, 1])
            alone = ActiveSession.start(
                vectors,
                session.params.__class__(pool="global"),
                rows=session.labelled_rows,
                labels=session.labels[:, column],
            )
            # Every answer teaches its concept, whichever concept asked.
            assert alone.probabilities(batch.rows[by == name]) == pytest.approx(p)
        session.submit_labels(batch.ids, labels[batch.rows])
    assert asked == [[3, 2], [2, 3], [3, 2], [2, 3]]
    assert sorted(near.asked) == session.labelled_rows.tolist()
    assert session.labels.tolist() == labels[session.labelled_rows].tolist()


def test_a_concept_picks_its_best_of_the_shared_pool():
    vectors, labels, seed = two_concepts()
    session = begin(
        vectors, labels, seed, pool="global", concepts=("east", "west"), batch=6
    )
    batch = session.next_batch()
    left = np.setdiff1d(np.arange(400), seed).tolist()
    score = {
        name: dict(
            zip(left, entropy(session.probabilities(left, concept=name)), strict=True)
        )
        for name in ("east", "west")
    }
    for turn, row in enumerate(batch.rows.tolist()):
        name = ("east", "west")[turn % 2]
        assert batch.why["concept"][turn] == name
        assert score[name][row] == pytest.approx(max(score[name][r] for r in left))
        left.remove(row)


@pytest.mark.parametrize("pool", ["seals", "classifier", "anchors", "global", "random"])
def test_concepts_resume_where_they_were(pool):
    vectors, labels, seed = two_concepts()
    near = Exact(vectors)
    concepts = {"concepts": ("east", "west"), "near": near, "pool": pool, "batch": 5}
    whole, half = (begin(vectors, labels, seed, **concepts) for _ in range(2))
    expected = picks(whole, labels, 5)
    got = picks(half, labels, 2)
    state = json.loads(json.dumps(half.state()))
    again = ActiveSession.resume(state, vectors, neighbours=near)
    assert got + picks(again, labels, 3) == expected
    assert again.state() == whole.state()


def test_a_run_answers_all_concepts_at_once():
    vectors, labels, seed = two_concepts()
    session = begin(
        vectors,
        labels,
        seed,
        near=Exact(vectors),
        concepts=("east", "west"),
        strategy="most_likely_positive",
    )
    run = run_active(session, lambda ids: labels[ids], budget=120)
    assert run.history[-1].positives == labels[session.labelled_rows].sum()
    share = labels[session.labelled_rows].sum(axis=0) / labels.sum(axis=0)
    assert (share > 0.6).all()  # a random draw of 120 would find 0.3


def test_labels_and_names_of_concepts_are_checked():
    vectors, labels, seed = two_concepts()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, near=near, concepts=("east", "west"))
    with pytest.raises(InvalidParamsError, match=r"no concept 'north'.* east, west"):
        session.probabilities([0], concept="north")
    with pytest.raises(InvalidParamsError, match="no concept None"):
        session.probabilities([0])
    batch = session.next_batch()
    with pytest.raises(DimensionMismatchError, match=r"\(5,\) for 5 rows of 2 conc"):
        session.submit_labels(batch.ids, labels[batch.rows, 0])
    with pytest.raises(InvalidInputError, match=r"labels 2 are outside .*\[0, 1\]"):
        session.submit_labels(batch.ids, labels[batch.rows] + 1)
    session.submit_labels(batch.ids, labels[batch.rows])
    with pytest.raises(InvalidInputError, match="1 of 1 labels differ"):
        session.submit_labels(batch.ids[:1], 1 - labels[batch.rows[:1]])
    assert session.submit_labels(batch.ids[:1], labels[batch.rows[:1]]) == 0
    with pytest.raises(InvalidInputError, match="of concept 'west' has 1 class 0"):
        begin(
            vectors,
            labels,
            np.r_[seed[:3], seed[6:]],
            near=near,
            concepts=("east", "west"),
        )
    with pytest.raises(InvalidParamsError, match="distinct names"):
        ActiveParams(concepts=("east", "east"))
    with pytest.raises(InvalidParamsError, match="answered by 0 or 1"):
        ActiveParams(concepts=("east",), classes=(0, 2))
    single = begin(vectors, labels[:, 0], seed, near=near)
    with pytest.raises(InvalidParamsError, match=r"no concept 'east'.* none"):
        single.probabilities([0], concept="east")


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
    fitted = Model(
        Pairs(kernel="linear", decision_function_shape="ovr"),
        vectors,
        labels,
        classes=tuple(range(classes)),
    )
    assert fitted.boundaries() is None
    apart = Model(
        LogisticRegression(), vectors, labels, classes=tuple(range(classes))
    ).boundaries()
    assert apart.towards.shape == (classes, classes)
    two = Model(Pairs(kernel="linear"), vectors, labels > 0, classes=(0, 1))
    assert two.boundaries().towards.shape == (1, classes)


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
            threads.submit(Model, Slow(), vectors, labels, classes=(0, 1))
            for _ in range(6)
        ]
    assert all(one.result().converged for one in made)
    assert max(most) == 1
    assert len(most) == 6


def test_a_random_draw_needs_no_probabilities():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, pool="random", model="given")
    drawn = begin(vectors, labels, seed, pool="random")
    for number in range(4):
        assert not len(session.wanted())
        if number == 3:
            session.submit_probabilities([0], [[0.5, 0.5]])
        batch = session.next_batch()
        assert batch.rows.tolist() == drawn.next_batch().rows.tolist()
        assert np.isnan(batch.why["probability"]).all()
        assert np.isnan(batch.why["uncertainty"]).all()
        state = json.loads(json.dumps(session.state(), allow_nan=False))
        session = ActiveSession.resume(state, vectors)
        again = session.next_batch()
        assert np.isnan(again.why["probability"]).all()
        for one in (session, drawn):
            one.submit_labels(batch.rows, labels[batch.rows])
    assert session.stop_advice().recent_uncertainty is None
    assert "nobody said" in session.stop_advice().reason
