"""Classes as words: numbered in one place, named in answers, and kept in states."""

import json
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum

import numpy as np
import pyarrow as pa
import pytest

from gleann.index.errors import CorruptDataError, InvalidInputError, InvalidParamsError
from gleann.index.ids.held import shown_id
from gleann.selection import ActiveParams, ActiveSession, run_active
from gleann.selection.rounds import RoundsParams, RoundsSession, run_rounds
from gleann.selection.words import Words, as_words

N = 60
RNG = np.random.default_rng(8)
ROWS = RNG.standard_normal((N, 3)).astype(np.float32)
TRUTH = (ROWS[:, 0] > 0).astype(int)
SEED = [int(np.flatnonzero(TRUTH == 0)[0]), int(np.flatnonzero(TRUTH == 1)[0])]


class Pet(Enum):
    DOG = "d"
    CAT = "c"


class Level(IntEnum):
    HIGH = 9
    LOW = 4


class Name(StrEnum):
    B = "b"
    A = "a"


@dataclass(frozen=True)
class Tag:
    text: str


PAIRS = {
    "texts": ("cat", "dog"),
    "bools": (False, True),
    "enum": (Pet.DOG, Pet.CAT),
    "integer enum": (Level.HIGH, Level.LOW),
    "text enum": (Name.B, Name.A),
    "tuples": (("a", 1), ("a", 2)),
    "dataclasses": (Tag("x"), Tag("y")),
    "mixed": ("none", 7),
}
OBJECTS = {"enum", "integer enum", "text enum", "dataclasses"}
"""Words that a state cannot hold."""


def params(**more):
    return ActiveParams(pool="global", batch=5, **more)


def start(words, **more):
    labels = [words[TRUTH[row]] for row in SEED]
    return ActiveSession.start(ROWS, params(**more), rows=SEED, labels=labels)


@pytest.mark.parametrize("kind", PAIRS)
def test_a_session_with_words_is_the_one_with_numbers(kind):
    words = PAIRS[kind]
    plain, worded = start((0, 1)), start(words)
    assert worded.classes == words
    assert worded.labels.tolist() == [words[TRUTH[row]] for row in sorted(SEED)]
    for _ in range(3):
        batch = worded.next_batch()
        assert batch.ids.tolist() == plain.next_batch().ids.tolist()
        plain.submit_labels(batch.ids, TRUTH[batch.ids])
        worded.submit_labels(batch.ids, [words[TRUTH[row]] for row in batch.ids])
    assert worded.probabilities().tolist() == plain.probabilities().tolist()
    assert worded.positives == plain.positives > 0
    json.dumps(batch.to_dict(), allow_nan=False)


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("stated", [False, True])
def test_the_words_are_kept_in_the_state(kind, stated):
    words = PAIRS[kind]
    session = start(words, classes=words if stated else None)
    batch = session.next_batch()
    state = json.loads(json.dumps(session.state()))
    given = words[::-1] if kind in OBJECTS else None
    again = ActiveSession.resume(state, ROWS, classes=given)
    assert again.classes == words
    if kind != "bools":  # which are the integers they equal
        assert list(map(type, again.classes)) == list(map(type, words))
    assert again.params == session.params
    assert again.labels.tolist() == session.labels.tolist()
    assert again.next_batch().ids.tolist() == batch.ids.tolist()
    again.submit_labels(batch.ids, [words[0]] * 5)
    assert ActiveSession.resume(again.state(), ROWS, classes=words).positives == 1


@pytest.mark.parametrize("kind", sorted(OBJECTS))
def test_words_that_a_state_cannot_hold_must_be_given(kind):
    words = PAIRS[kind]
    state = start(words).state()
    with pytest.raises(InvalidParamsError, match="give all classes to resume"):
        ActiveSession.resume(state, ROWS)
    with pytest.raises((InvalidParamsError, CorruptDataError), match="classes"):
        ActiveSession.resume(state, ROWS, classes=("other", "words"))


def test_a_state_of_integers_has_no_words():
    assert "words" not in start((0, 1)).state()
    assert "words" not in start((False, True)).state()


@pytest.mark.parametrize(
    "damage", [["cat"], ["cat", "cat"], ["cat", 1.5], [{"tuple": 3}, "cat"], "cat"]
)
def test_damaged_words_are_refused(damage):
    state = {**start(("cat", "dog")).state(), "words": damage}
    del state["checksums"]
    with pytest.raises(CorruptDataError):
        ActiveSession.resume(state, ROWS)


@pytest.mark.parametrize("kind", sorted(set(PAIRS) - {"bools"}))
def test_a_class_that_turns_up_later_is_named_with_the_known_ones(kind):
    words = PAIRS[kind]
    session = start(words)
    batch = session.next_batch()
    with pytest.raises(InvalidInputError) as refused:
        session.submit_labels(batch.ids, [words[0]] * 4 + ["bird"])
    for word in ("bird", *words):
        assert shown_id(word) in str(refused.value)
    assert session.next_batch().ids.tolist() == batch.ids.tolist()


def test_words_in_a_session_of_integers_are_refused_and_the_other_way_round():
    plain, worded = start((0, 1)), start(("cat", "dog"))
    ids = plain.next_batch().ids
    worded.next_batch()
    with pytest.raises(InvalidInputError, match=r"'cat' are outside .* \[0, 1\]"):
        plain.submit_labels(ids, ["cat"] * 5)
    with pytest.raises(InvalidInputError, match=r"0, 1 are outside .*'cat', 'dog'"):
        worded.submit_labels(ids, [0, 1, 0, 1, 0])


def test_members_of_an_integer_enum_are_the_integers_they_equal():
    session = start((4, 9))
    batch = session.next_batch()
    session.submit_labels(batch.ids, [Level.HIGH] * 5)
    assert session.positives == 6


def test_the_last_stated_word_is_the_positive_one():
    session = start(
        ("yes", "no"), classes=("yes", "no"), strategy="most_likely_positive"
    )
    assert session.classes == ("yes", "no")
    sorted_ = start(("yes", "no"))
    assert sorted_.classes == ("no", "yes")
    rows = np.array([3, 4])
    assert np.allclose(
        session.probabilities(rows), sorted_.probabilities(rows)[:, ::-1]
    )


def test_scores_are_columns_by_class():
    session = start(("dog", "id"))
    table = session.scores([5, 2]).to_arrow()
    assert table.column_names == ["id", "dog", "class id"]
    assert table["id"].to_pylist() == [5, 2]
    expected = session.probabilities([5, 2])
    assert table["dog"].to_pylist() == expected[:, 0].tolist()
    assert start(PAIRS["enum"]).scores([1]).to_arrow().column_names[1:] == [
        "DOG",
        "CAT",
    ]


def test_one_word_is_no_seed():
    with pytest.raises(
        InvalidInputError, match=r"1 class 'cat': a classifier needs two"
    ):
        start(("cat", "cat"))
    with pytest.raises(InvalidInputError, match=r"no positive .label yes"):
        start(
            ("no", "maybe"),
            classes=("no", "maybe", "yes"),
            strategy="most_likely_positive",
        )


def test_an_oracle_may_answer_in_words():
    def oracle(ids):
        return np.array(PAIRS["texts"])[TRUTH[ids]]

    session = start(PAIRS["texts"])
    run = run_active(session, oracle, budget=20)
    assert run.history[-1].positives == session.positives
    assert set(session.labels.tolist()) == {"cat", "dog"}


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b"],
        ("a", "b"),
        np.array(["a", "b"]),
        np.array(["a", "b"], object),
        pa.array(["a", "b"]),
    ],
    ids=["list", "tuple", "array", "objects", "arrow"],
)
def test_words_come_in_any_array(labels):
    assert as_words(labels, name="labels") == ["a", "b"]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["a", None], "labels row 1 is None, which is no class"),
        (["a", float("nan")], "labels row 1 is nan"),
        (["a", ["b"]], "labels row 1 is .* cannot be a class: unhashable"),
        ([object(), "a"], "labels row 0 .* needs a repr"),
    ],
)
def test_what_is_no_word_is_refused_by_row(labels, says):
    with pytest.raises(InvalidInputError, match=says):
        as_words(labels, name="labels")


@pytest.mark.parametrize(
    "values", [[1, 2], [0.5], np.arange(3), [[1], [2]], [], [True]]
)
def test_numbers_are_no_words(values):
    assert as_words(values, name="labels") is None


def test_words_are_sorted_where_they_have_an_order():
    def order(values):
        return Words.of_values(values, name="labels").words

    assert order(["b", "a", "b"]) == ("a", "b")
    assert order([Pet.CAT, Pet.DOG]) == (Pet.DOG, Pet.CAT)
    assert order([("b", 1), ("a", 2)]) == (("a", 2), ("b", 1))
    assert order(["b", 3, "a"]) == ("b", 3, "a")


def test_stated_words_must_differ():
    with pytest.raises(InvalidParamsError, match="distinct words"):
        ActiveParams(classes=("a", "a"))
    with pytest.raises(InvalidParamsError, match="ascending"):
        ActiveParams(classes=(1, 0))
    with pytest.raises(InvalidParamsError, match="two or more"):
        ActiveParams(classes=("a",))


def rounds(words, **more):
    labels = [words[TRUTH[row]] for row in SEED]
    params = RoundsParams(batch=6, picker="margin")
    return RoundsSession.start(ROWS, params, rows=SEED, labels=labels, **more)


@pytest.mark.parametrize("kind", sorted(set(PAIRS) - {"bools"}))
def test_rounds_take_words_and_new_ones(kind):
    words = PAIRS[kind]
    plain, worded = rounds((0, 1)), rounds(words)
    for _ in range(2):
        batch = worded.next_batch()
        assert batch.ids.tolist() == plain.next_batch().ids.tolist()
        plain.submit_labels(batch.ids, TRUTH[batch.ids])
        worded.submit_labels(batch.ids, [words[TRUTH[row]] for row in batch.ids])
    assert worded.classes == words
    assert worded.labels.tolist() == [words[x] for x in plain.labels.tolist()]
    assert worded.probabilities().tolist() == plain.probabilities().tolist()
    last = worded.next_batch().ids
    worded.submit_labels(last[:1], ["bird"])
    assert worded.classes == (*words, "bird")
    state = json.loads(json.dumps(worded.state()))
    given = ("bird", *words) if kind in OBJECTS else None
    again = RoundsSession.resume(state, ROWS, classes=given)
    assert again.classes == (*words, "bird")
    assert again.next_batch().ids.tolist() == last[1:].tolist()


def test_rounds_refuse_words_after_integers_and_the_other_way_round():
    with pytest.raises(
        InvalidInputError, match="must be integers, as those before; got 'a'"
    ):
        rounds((0, 1)).submit_labels([5, 6], ["a", "b"])
    worded = rounds(("cat", "dog"))
    with pytest.raises(InvalidInputError, match="must be words, as 'cat', 'dog'; got"):
        worded.submit_labels([5, 6], [0, 1])
    empty = RoundsSession.start(ROWS, RoundsParams(batch=4))
    assert "words" not in empty.state()
    empty.submit_labels([1], ["late"])
    assert empty.classes == ("late",)


def test_labels_that_are_refused_add_no_word():
    session = rounds(("cat", "dog"))
    with pytest.raises(InvalidInputError, match="differ from those given before"):
        session.submit_labels([SEED[0], 9], ["bird", "bird"])
    assert session.state()["words"] == ["cat", "dog"]


def test_rounds_run_to_a_table():
    def oracle(ids):
        return np.array(["cat", "dog"])[TRUTH[ids]]

    run = run_rounds(
        rounds(("cat", "dog")), oracle, budget=20, evaluate=lambda _: {"one": 1.0}
    )
    lines = run.to_arrow().to_pylist()
    assert [line["labelled"] for line in lines] == [r.labelled for r in run.history]
    assert lines[-1]["one"] == 1.0
    assert lines[-1]["weight"] is None


def test_damaged_words_of_rounds_are_refused():
    state = {**rounds(("cat", "dog")).state(), "words": ["cat"]}
    del state["checksums"]
    with pytest.raises(CorruptDataError, match="words are 1, labels go to 1"):
        RoundsSession.resume(state, ROWS)


def test_words_that_differ_by_a_final_nul_stay_apart():
    words = Words.of_values(["a", "a\0"], name="labels")
    assert words.numbers_of(words.array.tolist()).tolist() == [0, 1]
