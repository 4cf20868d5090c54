"""Input that a session cannot use: refused by name, and nothing changes."""

import numpy as np
import pytest
from active_world import Exact, begin, rare

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    UnknownIdError,
)
from gleann.selection import ActiveParams, ActiveSession, run_active


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"neighbours": 0}, "neighbours must be at least 1, got 0"),
        ({"batch": 2.5}, "batch must be an integer"),
        ({"C": 0.0}, "C must be a finite number > 0, got 0.0"),
        ({"C": float("nan")}, "C must be"),
        ({"class_weight": "heavy"}, "class_weight"),
        ({"strategy": "luck"}, "strategy must be one of"),
        ({"pool": "sea"}, "pool must be one of"),
        ({"classes": (1,)}, "two or more"),
        ({"classes": (1, 0)}, "ascending"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"C": "1"}, "C must be a number, got '1'"),
        ({"C": True}, "C must be a number, got True"),
        ({"density_power": float("inf")}, "density_power must be in"),
        ({"classes": ("a", "a")}, "distinct words"),
        ({"classes": (0.5, 1.5)}, "distinct integers"),
        ({"concepts": ("",)}, "none of them empty"),
        ({"concepts": (1, 2)}, "must be names"),
        ({"concepts": "ab"}, "must be names"),
    ],
)
def test_impossible_parameters_are_refused(params, words):
    with pytest.raises(InvalidParamsError, match=words):
        ActiveParams(**params)


def test_seeds_that_cannot_train_are_refused():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    with pytest.raises(InvalidInputError, match="12 labels has 1 class 0"):
        begin(vectors, labels, seed[3:], near=near)
    with pytest.raises(InvalidInputError, match=r"no positive \(label 2\)"):
        begin(
            vectors,
            labels,
            seed,
            near=near,
            classes=(0, 1, 2),
            strategy="most_likely_positive",
        )
    with pytest.raises(InvalidInputError, match=r"labels 1 are outside .* \[0, 3\]"):
        begin(vectors, labels, seed, near=near, classes=(0, 3))


def test_input_that_does_not_fit_is_refused():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    with pytest.raises(InvalidParamsError, match="needs neighbours"):
        begin(vectors, labels, seed)
    with pytest.raises(DimensionMismatchError, match="400 rows, vectors of 399"):
        begin(vectors[:-1], labels, seed, near=near)
    with pytest.raises(DuplicateIdError, match="2 entries, of which 1"):
        begin(vectors, labels, np.array([3, 3]), near=near)
    with pytest.raises(InvalidInputError, match=r"0\.\.399, got 400"):
        ActiveSession.start(vectors, rows=[0, 400], labels=[0, 1], neighbours=near)
    with pytest.raises(DimensionMismatchError, match=r"\(3,\) for 2 rows"):
        ActiveSession.start(vectors, rows=[0, 1], labels=[0, 1, 1], neighbours=near)
    with pytest.raises(InvalidInputError, match="integers"):
        ActiveSession.start(vectors, rows=[0, 1], labels=[0.5, 1], neighbours=near)
    broken = vectors.copy()
    broken[7, 0] = np.nan
    with pytest.raises(NonFiniteError, match="row 7"):
        begin(broken, labels, seed, near=near)
    with pytest.raises(DimensionMismatchError, match="399 entries for 400"):
        begin(vectors, labels, seed, near=near, ids=np.arange(399))


def test_labels_that_do_not_fit_are_refused_and_change_nothing():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))
    with pytest.raises(InvalidInputError, match="1 of 1 labels are for ids that were"):
        session.submit_labels([399], [0])
    batch = session.next_batch()
    stranger = int(np.setdiff1d(np.arange(400), [*batch.rows, *seed])[0])
    before = session.state()
    with pytest.raises(InvalidInputError, match=f"not asked for: {stranger}"):
        session.submit_labels([batch.rows[0], stranger], [0, 0])
    with pytest.raises(InvalidInputError, match="labels 5 are outside"):
        session.submit_labels(batch.rows[:1], [5])
    with pytest.raises(UnknownIdError, match="400"):
        session.submit_labels([400], [0])
    with pytest.raises(DuplicateIdError):
        session.submit_labels(batch.rows[[0, 0]], [0, 0])
    with pytest.raises(DimensionMismatchError, match=r"\(1,\) for 2"):
        session.submit_labels(batch.rows[:2], [0])
    assert session.state() == before
    session.submit_labels(batch.rows[:1], [1])
    with pytest.raises(InvalidInputError, match="1 of 2 labels differ"):
        session.submit_labels(batch.rows[:2], [0, 0])
    assert session.next_batch().rows.tolist() == batch.rows[1:].tolist()


def test_the_classifier_pool_needs_a_searcher():
    class Neighbourly:
        def __len__(self):
            return 400

        def neighbours(self, rows, *, k):
            return np.zeros((len(rows), k), np.int64)

    vectors, labels, seed = rare()
    with pytest.raises(InvalidParamsError, match=r"search along weights.*Neighbourly"):
        begin(vectors, labels, seed, near=Neighbourly(), pool="classifier")
    with pytest.raises(InvalidParamsError, match="'classifier' needs neighbours"):
        begin(vectors, labels, seed, pool="classifier")


def test_budgets_beyond_the_pool_are_refused():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))
    with pytest.raises(InvalidParamsError, match="budget is 401, but 400"):
        run_active(session, lambda ids: labels[ids], budget=401)
    session.ignore([399])
    with pytest.raises(InvalidParamsError, match="budget is 400, but 399"):
        run_active(session, lambda ids: labels[ids], budget=400)
    with pytest.raises(InvalidParamsError, match="at least 1, got 0"):
        run_active(session, lambda ids: labels[ids], budget=0)


def test_states_of_other_data_or_formats_are_refused():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    state = begin(vectors, labels, seed, near=near).state()
    with pytest.raises(CorruptDataError, match="state is of ids"):
        ActiveSession.resume(state, vectors, ids=np.arange(400) + 1, neighbours=near)
    with pytest.raises(CorruptDataError, match="state is of vectors"):
        ActiveSession.resume(state, vectors + 1, neighbours=near)
    with pytest.raises(CorruptDataError, match=r"gleann\.active/2, got 'other'"):
        ActiveSession.resume({**state, "format": "other"}, vectors, neighbours=near)
    for missing in ("params", "ledger", "docket", "data_hash"):
        cut = {name: part for name, part in state.items() if name != missing}
        with pytest.raises(CorruptDataError, match=f"the state has no {missing}"):
            ActiveSession.resume(cut, vectors, neighbours=near)
    params = dict(state["params"])
    del params["batch"]
    other = {**state, "params": params | {"luck": 1}}
    with pytest.raises(CorruptDataError, match="params is not as it was saved"):
        ActiveSession.resume(other, vectors, neighbours=near)
    del other["checksums"]
    with pytest.raises(CorruptDataError, match="lack or add batch, luck"):
        ActiveSession.resume(other, vectors, neighbours=near)


def test_labels_beyond_int64_are_refused_rather_than_wrapped():
    vectors, labels, seed = rare()
    with pytest.raises(InvalidInputError, match=r"at most 9223372036854775807, got"):
        ActiveSession.start(
            vectors,
            ActiveParams(pool="global"),
            rows=seed,
            labels=labels[seed].astype(np.uint64) * np.uint64(2**63 + 5),
        )


def test_an_oracle_that_answers_nonsense_changes_nothing():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, near=Exact(vectors))
    session.next_batch()
    before = session.state()
    for answer in (
        lambda ids: labels[ids][:2],
        lambda ids: None,
        lambda ids: np.full(len(ids), np.nan),
        lambda ids: labels[ids] + 5,
        lambda ids: [["a"] * len(ids)],
    ):
        with pytest.raises((InvalidInputError, DimensionMismatchError)):
            run_active(session, answer, budget=30)
        assert session.state() == before
    run_active(session, lambda ids: labels[ids], budget=30)
    assert len(session.labelled_rows) == 30
