"""Sessions of active learning as the service keeps them: what is new over the wire."""

# ruff: noqa: E501  (a row of the table is a line)

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, errors
from gleann.selection.active import ActiveParams, ActiveSession
from gleann.selection.active.params import PoolName
from gleann.service.server import Server

EVERY = np.arange(240) * 10
SEED = EVERY[:40]
TWO = ActiveParams(batch=6, neighbours=8, concepts=("right", "third"))
GIVEN = ActiveParams(batch=5, neighbours=6, model="given")


def answers_of(labels_of: Any, ids: np.ndarray) -> np.ndarray:
    return np.stack([labels_of(ids), ids % 30 == 0], axis=1).astype(np.int64)


def told(ids: np.ndarray) -> np.ndarray:
    """What somebody's own model might say."""
    p = (ids * 7 % 101) / 101
    return np.stack([1 - p, p], axis=1)


def test_concepts_are_asked_and_answered_as_in_the_library(
    built: gleann.Client, rows: np.ndarray, labels_of: Any
) -> None:
    session = built.active.start(
        "built", ids=SEED, labels=answers_of(labels_of, SEED), params=TWO
    )
    assert session.labelled == 40
    here = ActiveSession.start(
        rows,
        ActiveParams(batch=6, pool="global", concepts=TWO.concepts),
        ids=EVERY,
        rows=np.arange(40),
        labels=answers_of(labels_of, SEED),
    )
    for _ in range(3):
        batch = built.next_batch(session)
        names = batch.why["concept"].tolist()
        assert names.count("right") == names.count("third") == 3
        info = built.submit_labels(session, batch.ids, answers_of(labels_of, batch.ids))
    assert info.labelled == 58
    # The classifiers are those of the library, given the same answers.
    scores = built.active.score_items(session, EVERY[100:110], concept="third")
    assert scores.classes.tolist() == [0, 1]
    asked = np.setdiff1d(EVERY, SEED)
    assert len(asked) == 200
    one = built.active.start(
        "built",
        ids=SEED,
        labels=answers_of(labels_of, SEED),
        params=ActiveParams(batch=6, concepts=TWO.concepts, pool="global"),
    )
    for _ in range(2):
        batch, expected = built.next_batch(one), here.next_batch()
        assert batch.ids.tolist() == expected.ids.tolist()
        assert batch.why["concept"].tolist() == expected.why["concept"].tolist()
        for concept in TWO.concepts:
            assert built.active.coverage(one, concept=concept) == here.coverage(
                concept=concept
            )
        built.submit_labels(one, batch.ids, answers_of(labels_of, batch.ids))
        here.submit_labels(batch.ids, answers_of(labels_of, batch.ids))


def test_probabilities_from_outside_decide(
    built: gleann.Client, labels_of: Any
) -> None:
    session = built.active.start(
        "built", ids=SEED, labels=labels_of(SEED), params=GIVEN
    )
    wanted = built.active.wanted_ids(session)
    assert len(wanted)
    with pytest.raises(errors.NotReadyError, match=f"{len(wanted)} of {len(wanted)}"):
        built.next_batch(session)
    # All of them: those that join within the batch can then be picked in it.
    built.active.submit_probabilities(session, EVERY, told(EVERY))
    batch = built.next_batch(session)
    said = told(batch.ids)[:, 1]
    assert np.allclose(batch.why["probability"], said)
    best = np.sort(np.abs(told(wanted)[:, 1] - 0.5))[:5].max()
    assert np.abs(said - 0.5).max() <= best
    covered = built.active.coverage(session)
    assert covered.random_score < covered.score <= covered.baseline_score
    assert not len(built.active.wanted_ids(session))
    built.submit_labels(session, batch.ids, labels_of(batch.ids))
    assert len(built.active.wanted_ids(session)) >= len(wanted) - 5


def test_the_latest_probabilities_count(built: gleann.Client, labels_of: Any) -> None:
    session = built.active.start(
        "built", ids=SEED, labels=labels_of(SEED), params=GIVEN
    )
    built.active.submit_probabilities(session, EVERY, np.tile([0.9, 0.1], (240, 1)))
    wanted = built.active.wanted_ids(session)
    assert not len(wanted)
    built.active.submit_probabilities(session, EVERY, told(EVERY))
    assert np.allclose(
        built.active.score_items(session, EVERY[7:9]).probabilities, told(EVERY[7:9])
    )


def ask(client: gleann.Client, session: str, _: Any) -> list[Any]:
    return client.next_batch(session).ids.tolist()


def give(client: gleann.Client, session: str, _: Any) -> list[Any]:
    wanted = client.active.wanted_ids(session)
    if len(wanted):
        client.active.submit_probabilities(session, wanted, told(wanted))
    return wanted.tolist()


def label_half(client: gleann.Client, session: str, answer: Any) -> list[Any]:
    ids = client.next_batch(session).ids[::2]
    client.submit_labels(session, ids, answer(ids))
    return ids.tolist()


def label_rest(client: gleann.Client, session: str, answer: Any) -> list[Any]:
    ids = client.next_batch(session).ids
    client.submit_labels(session, ids, answer(ids))
    return ids.tolist()


@pytest.mark.parametrize("params", [TWO, GIVEN], ids=["concepts", "given"])
def test_a_restart_goes_on_with_the_same_sequence(
    params: ActiveParams,
    tmp_path: Path,
    rows: np.ndarray,
    quick: BuildParams,
    labels_of: Any,
) -> None:
    """Cut off after every single call, against never."""
    answer = partial(answers_of, labels_of) if params.concepts else labels_of
    sequences = []
    for folder, restarts in ((tmp_path / "whole", False), (tmp_path / "cut", True)):
        client = gleann.Client(folder)
        client.create_index("a", dim=8, metric="l2")
        client.upsert("a", EVERY, rows)
        client.build("a", quick).wait(timeout=60)
        session = client.active.start(
            "a", ids=SEED, labels=answer(SEED), params=params
        ).name
        sequence = []
        for call in [give, ask, label_half, ask, label_rest] * 3:
            if restarts:
                client.close()
                client = gleann.Client(folder)
            sequence.append(call(client, session, answer))
        client.close()
        sequences.append(sequence)
    assert sequences[0] == sequences[1]
    assert len({i for batch in sequences[0][1::5] for i in batch}) == 3 * params.batch


def test_probabilities_sent_twice_count_once(
    built: gleann.Client, labels_of: Any
) -> None:
    session = built.active.start(
        "built", ids=SEED, labels=labels_of(SEED), params=GIVEN
    )
    one, other = (
        built.active.submit_probabilities(session, EVERY, told(EVERY), request_id="p")
        for _ in range(2)
    )
    assert one == other
    with pytest.raises(errors.AlreadyExistsError, match="different request"):
        built.active.submit_probabilities(session, SEED, told(SEED), request_id="p")
    batch = built.next_batch(session)
    built.submit_labels(session, batch.ids, labels_of(batch.ids))
    # A repeat of the old request changes nothing, so they are wanted all the same.
    built.active.submit_probabilities(session, EVERY, told(EVERY), request_id="p")
    assert len(built.active.wanted_ids(session))


def test_two_clients_at_once_lose_no_label_and_ask_for_nothing_twice(
    start_server: Callable[..., Server],
    rows: np.ndarray,
    quick: BuildParams,
    labels_of: Any,
) -> None:
    """Both label the same batches at the same time, in opposite order."""
    server = start_server()
    with gleann.Client(server.target) as one, gleann.Client(server.target) as two:
        one.create_index("a", dim=8, metric="l2")
        one.upsert("a", EVERY, rows)
        one.build("a", quick).wait(timeout=60)
        params = ActiveParams(batch=6, neighbours=8)
        names = [
            one.active.start("a", ids=SEED, labels=labels_of(SEED), params=params).name
            for _ in range(2)
        ]

        def label(client: gleann.Client, *, backwards: bool) -> list[list[int]]:
            seen = []
            while one.sessions.get(names[0]).labelled < 100:
                ids = client.next_batch(names[0]).ids
                seen.append(ids.tolist())
                for i in ids[::-1] if backwards else ids:
                    client.submit_labels(names[0], [i], labels_of(np.array([i])))
            return seen

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(label, one, backwards=False)
            second = pool.submit(label, two, backwards=True)
            seen = first.result(timeout=60) + second.result(timeout=60)
        alone: list[list[int]] = []
        while one.sessions.get(names[1]).labelled < 100:
            batch = one.next_batch(names[1]).ids
            alone.append(batch.tolist())
            one.submit_labels(names[1], batch, labels_of(batch))
        # Whoever came first, the batches are those of one client alone.
        for ids in seen:
            assert any(set(ids) <= set(batch) for batch in alone)
        assert {i for ids in seen for i in ids} == {i for ids in alone for i in ids}
        assert one.sessions.get(names[0]).labelled == 100


def test_clients_that_disagree_are_told(built: gleann.Client, labels_of: Any) -> None:
    session = built.active.start(
        "built",
        ids=SEED,
        labels=labels_of(SEED),
        params=ActiveParams(batch=4, neighbours=8),
    )
    ids = built.next_batch(session).ids
    labels = labels_of(ids)

    def submit(given: np.ndarray) -> str:
        try:
            built.submit_labels(session, ids, given)
        except errors.InvalidInputError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(submit, [labels, 1 - labels]))
    assert said[0] == ""
    assert "4 of 4 labels differ" in said[1]
    assert built.sessions.get(session).labelled == 44


@pytest.mark.parametrize("pool", ["seals", "classifier", "anchors", "global"])
def test_every_pool_takes_concepts_and_probabilities(
    pool: PoolName, built: gleann.Client, labels_of: Any
) -> None:
    params = ActiveParams(
        batch=4, neighbours=8, pool=pool, model="given", concepts=("a", "b")
    )
    session = built.active.start(
        "built", ids=SEED, labels=answers_of(labels_of, SEED), params=params
    )
    for _ in range(2):
        wanted = built.active.wanted_ids(session)
        for concept in ("a", "b"):
            built.active.submit_probabilities(
                session, wanted, told(wanted), concept=concept
            )
        batch = built.next_batch(session)
        assert len(batch) == 4
        assert sorted(batch.why["concept"].tolist()) == ["a", "a", "b", "b"]
        built.submit_labels(session, batch.ids, answers_of(labels_of, batch.ids))


def test_a_session_by_default_says_which_pool_it_took_and_keeps_it(
    built: gleann.Client, labels_of: Any
) -> None:
    session = built.active.start("built", ids=SEED, labels=labels_of(SEED))
    batch = built.next_batch(session)
    assert len(batch) == 25
    assert batch.summary["pool"] == "global"
    assert "ms a round by the cost model" in str(batch.summary["pool_reason"])
    assert batch.provenance["pool_choice"] == {
        "asked": "auto",
        "pool": "global",
        "reason": batch.summary["pool_reason"],
    }
    asked = built.active.start(
        "built",
        ids=SEED,
        labels=labels_of(SEED),
        params=ActiveParams(pool="auto"),
    )
    assert built.next_batch(asked).ids.tolist() == batch.ids.tolist()


BAD: list[tuple[Callable[[gleann.Client, Any], object], type[Exception], str]] = [
    (lambda c, s: c.active.submit_probabilities(s, EVERY[:2], [[0.5, 0.6], [0.5, 0.5]]), errors.InvalidInputError, "row 0 sum to 1.1, not to 1"),
    (lambda c, s: c.active.submit_probabilities(s, EVERY[:1], [[1.5, -0.5]]), errors.InvalidInputError, "at least 0, got -0.5"),
    (lambda c, s: c.active.submit_probabilities(s, EVERY[:1], [[np.nan, 0.5]]), errors.NonFiniteError, "nan"),
    (lambda c, s: c.active.submit_probabilities(s, EVERY[:2], [[0.5, 0.5]]), errors.DimensionMismatchError, "1 rows for 2 ids"),
    (lambda c, s: c.active.submit_probabilities(s, EVERY[:1], [[0.2, 0.3, 0.5]]), errors.DimensionMismatchError, "3 entries for 1 ids and 2 classes"),
    (lambda c, s: c.active.submit_probabilities(s, EVERY[:1], [0.5, 0.5]), errors.InvalidInputError, r"must be \(m, c\)"),
    (lambda c, s: c.active.submit_probabilities(s, [3], [[0.5, 0.5]]), errors.UnknownIdError, "3"),
    (lambda c, s: c.active.submit_probabilities(s, EVERY[[0, 0]], [[0.5, 0.5]] * 2), errors.DuplicateIdError, "2 times"),
    (lambda c, s: c.active.submit_probabilities(s, EVERY[:1], [[0.5, 0.5]], concept="x"), errors.InvalidParamsError, "no concept 'x'"),
    (lambda c, s: c.active.coverage(s), errors.NotReadyError, "before its first label"),
    (lambda c, s: c.active.coverage(s, concept="x", top=3), errors.NotReadyError, "before its"),
    (lambda c, s: c.active.score_items(s, EVERY[:3]), errors.NotReadyError, "3 of 3 rows have no probabilities"),
    (lambda c, s: c.active.score_items(s, concept="x"), errors.InvalidParamsError, "no concept 'x'"),
    (lambda c, s: c.active.wanted_ids("sessions/active-0"), errors.UnknownJobError, "active-0"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), BAD)
def test_bad_probabilities_are_refused_and_change_nothing(
    call: Callable[[gleann.Client, Any], object],
    error: type[Exception],
    says: str,
    built: gleann.Client,
    labels_of: Any,
) -> None:
    session = built.active.start(
        "built", ids=SEED, labels=labels_of(SEED), params=GIVEN
    )
    before = built.active.wanted_ids(session).tolist()
    with pytest.raises(error, match=says):
        call(built, session)
    assert built.active.wanted_ids(session).tolist() == before


def test_a_session_that_trains_takes_no_probabilities(
    built: gleann.Client, labels_of: Any
) -> None:
    session = built.active.start("built", ids=SEED, labels=labels_of(SEED))
    with pytest.raises(errors.InvalidParamsError, match="'logistic_regression'; only"):
        built.active.submit_probabilities(session, EVERY[:1], [[0.5, 0.5]])
    built.next_batch(session)
    with pytest.raises(errors.InvalidParamsError, match="top must be at least 1"):
        built.active.coverage(session, top=-1)
    with pytest.raises(errors.InvalidParamsError, match="does not travel"):
        built.active.start(
            "built", ids=SEED, labels=labels_of(SEED), params=ActiveParams(model="own")
        )


def test_answers_that_do_not_fit_the_concepts_are_refused(
    built: gleann.Client, labels_of: Any
) -> None:
    with pytest.raises(errors.DimensionMismatchError, match="40 entries for 40 ids"):
        built.active.start("built", ids=SEED, labels=labels_of(SEED), params=TWO)
    both = answers_of(labels_of, SEED)
    with pytest.raises(
        errors.InvalidInputError, match=r"labels 2 are outside .* \[0, 1"
    ):
        built.active.start("built", ids=SEED, labels=both * 2, params=TWO)
    session = built.active.start("built", ids=SEED, labels=both, params=TWO)
    ids = built.next_batch(session).ids
    answers = answers_of(labels_of, ids)
    with pytest.raises(
        errors.DimensionMismatchError, match="6 entries for 6 ids and 2"
    ):
        built.submit_labels(session, ids, answers[:, 0])
    with pytest.raises(errors.DimensionMismatchError, match="18 entries for 6 ids"):
        built.submit_labels(session, ids, np.hstack([answers, answers[:, :1]]))
    with pytest.raises(errors.InvalidParamsError, match="are: right, third"):
        built.active.score_items(session, ids)
    built.submit_labels(session, ids, answers)
    assert built.sessions.get(session).labelled == 46
