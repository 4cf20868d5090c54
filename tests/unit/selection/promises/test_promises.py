"""Sessions and sets: exact cases, order, restart, filters, bad input."""

import json

import numpy as np
import pytest

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    NotReadyError,
    UnknownIdError,
)
from gleann.selection.promises import (
    PromiseParams,
    PromiseSession,
    promised_set,
    run_promise,
)

PROMISES = ("recall", "precision")


def population(n=2000, *, seed=0):
    rng = np.random.default_rng(seed)
    proxy = rng.beta(0.1, 1.0, n)
    return proxy, rng.random(n) < proxy


def share_kept(found, held, promise):
    inside = held[found.rows].sum()
    of = held.sum() if promise == "recall" else len(found)
    return inside / of if of else 1.0


@pytest.mark.parametrize("promise", PROMISES)
def test_whoever_labels_all_gets_the_positives(promise):
    proxy, held = population(300)
    params = PromiseParams(promise=promise, budget=300)
    found = promised_set(proxy, lambda ids: held[ids], params)
    inside = np.sort(found.rows)
    assert share_kept(found, held, promise) >= 0.9
    assert held[inside].all()
    assert len(found.labels) == 300
    assert not found.everything or promise == "recall"


def test_the_set_is_all_above_the_threshold_but_labelled_negatives():
    proxy, held = population()
    found = promised_set(
        proxy, lambda ids: held[ids], PromiseParams(budget=900, seed=2)
    )
    assert not found.everything
    assert found.threshold is not None
    negative = found.labelled_rows[~found.labels]
    positive = found.labelled_rows[found.labels]
    above = np.flatnonzero(proxy >= found.threshold)
    expected = np.union1d(np.setdiff1d(above, negative), positive)
    assert np.array_equal(np.sort(found.rows), expected)
    assert (held[found.labelled_rows] == found.labels).all()
    assert (np.diff(proxy[found.rows]) <= 0).all()
    assert found.labelled.sum() == found.labels.sum()


@pytest.mark.parametrize("promise", PROMISES)
def test_the_budget_is_spent_exactly_on_distinct_rows(promise):
    proxy, held = population()
    for budget in (10, 101, 1999):
        asked = []
        found = promised_set(
            proxy,
            lambda ids, asked=asked: asked.extend(ids) or held[ids],
            PromiseParams(promise=promise, budget=budget),
        )
        assert len(asked) == len(set(asked)) == budget == len(found.labels)


def test_few_labels_exclude_only_the_negatives_found_and_say_so():
    proxy, held = population()
    found = promised_set(proxy, lambda ids: held[ids], PromiseParams(budget=20))
    assert found.everything
    assert len(found) == 2000 - (~found.labels).sum()
    assert "20 labels" in found.note
    assert "to leave out the lower half of the rows takes about" in found.note


def test_a_precision_that_is_not_shown_leaves_the_labelled_positives():
    proxy, _ = population()
    held = np.arange(2000) % 2 == 0
    found = promised_set(
        proxy, lambda ids: held[ids], PromiseParams(promise="precision", budget=100)
    )
    assert found.threshold is None
    assert found.labelled.all()
    assert np.array_equal(
        np.sort(found.rows), np.sort(found.labelled_rows[found.labels])
    )
    assert "positives among 100 labels" in found.note


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("held", [np.zeros(400, bool), np.ones(400, bool)])
def test_no_positive_and_nothing_but_positives(promise, held):
    proxy = np.linspace(0, 1, 400)
    params = PromiseParams(promise=promise, budget=200)
    found = promised_set(proxy, lambda ids: held[ids], params)
    if promise == "recall" and not held.any():
        assert found.everything
    if promise == "precision":
        assert len(found) == (400 if held.all() else 0)
    assert share_kept(found, held, promise) >= 0.9


@pytest.mark.parametrize("promise", PROMISES)
def test_equal_proxies_and_shuffled_rows_go_by_id(promise):
    proxy, held = population()
    proxy = np.round(proxy, 1)
    ids = np.random.default_rng(1).permutation(10_000)[:2000]
    of = dict(zip(ids.tolist(), held.tolist(), strict=True))
    params = PromiseParams(promise=promise, budget=400, seed=3)

    def oracle(some):
        return [of[one] for one in some.tolist()]

    one = promised_set(proxy, oracle, params, ids=ids)
    order = np.random.default_rng(2).permutation(2000)
    other = promised_set(proxy[order], oracle, params, ids=ids[order])
    assert one.ids.tolist() == other.ids.tolist()


@pytest.mark.parametrize("promise", PROMISES)
def test_among_is_as_if_there_were_no_others(promise):
    proxy, held = population()
    mask = np.random.default_rng(4).random(2000) < 0.5
    ids = np.arange(5000, 7000)
    params = PromiseParams(promise=promise, budget=300, seed=5)

    def oracle(some):
        return held[some - 5000]

    one = promised_set(proxy, oracle, params, ids=ids, among=mask)
    copy = promised_set(proxy[mask], oracle, params, ids=ids[mask])
    assert one.ids.tolist() == copy.ids.tolist()
    assert np.array_equal(ids[one.rows], one.ids)
    assert mask[one.rows].all()
    assert one.out_of == mask.sum()
    assert one.provenance["among"] == {"rows": int(mask.sum()), "of": 2000}


@pytest.mark.parametrize("budget", [60, 700])  # 60 keep no block, 700 some
@pytest.mark.parametrize("promise", PROMISES)
def test_a_session_goes_on_from_its_state_at_any_label(promise, budget):
    proxy, held = population()
    ids = [f"row {number}" for number in range(2000)]
    params = PromiseParams(promise=promise, target=0.7, budget=budget, seed=6)
    whole = run_promise(
        PromiseSession.start(proxy, params, ids=ids),
        lambda some: [held[ids.index(one)] for one in some],
    )
    session = PromiseSession.start(proxy, params, ids=ids)
    while len(batch := session.next_batch()):
        some = batch.ids[: budget // 8]
        assert session.submit(some, [held[ids.index(one)] for one in some]) == len(some)
        state = json.loads(json.dumps(session.state()))
        session = PromiseSession.resume(state, proxy, ids=ids)
    assert session.done
    assert session.labelled_ids.tolist() == [
        ids[row] for row in sorted(whole.labelled_rows)
    ]
    assert session.promised().ids.tolist() == whole.ids.tolist()
    if budget > 60:
        assert session.promised().threshold > 0
        assert not session.promised().everything


def test_a_filtered_session_resumes_among_its_rows():
    proxy, held = population()
    mask = np.arange(2000) % 3 == 0
    params = PromiseParams(budget=50)
    session = PromiseSession.start(proxy, params, among=mask)
    batch = session.next_batch()
    session.submit(batch.ids, held[batch.ids])
    resumed = PromiseSession.resume(session.state(), proxy)
    assert resumed.next_batch().ids.tolist() == session.next_batch().ids.tolist()
    assert mask[resumed.next_batch().rows].all()


def test_states_of_other_data_or_draws_are_refused():
    proxy, held = population()
    session = PromiseSession.start(proxy, PromiseParams(budget=50))
    batch = session.next_batch()
    session.submit(batch.ids, held[batch.ids])
    session.next_batch()
    state = session.state()
    with pytest.raises(CorruptDataError, match="state is of proxies"):
        PromiseSession.resume(state, proxy + 1)
    with pytest.raises(CorruptDataError, match="state is of ids"):
        PromiseSession.resume(state, proxy, ids=np.arange(1, 2001))
    bare = {name: part for name, part in state.items() if name != "checksums"}
    for name, value, message in (
        ("rounds", [[0] * 20, []], "hold a row twice"),
        ("rounds", [list(range(20)), state["rounds"][1]], "other rows than the seed"),
        ("rounds", [state["rounds"][0][:-1]], "labels must have 1 entries, has 2"),
        ("labels", [[-1] * 20, state["labels"][1]], "lack some"),
        ("plan", {"start": 1000, "aim": 2}, "start"),
        ("plan", {"start": 0, "aim": 1000}, "aim"),
        ("params", {"budget": 50}, "params"),
    ):
        with pytest.raises(CorruptDataError, match=message):
            PromiseSession.resume(bare | {name: value}, proxy)


def test_an_early_end_has_no_promise():
    proxy, held = population()
    session = PromiseSession.start(proxy, PromiseParams(budget=50))
    with pytest.raises(NotReadyError, match="all 50 labels, 0 are there"):
        session.promised()
    ids = session.next_batch().ids
    session.submit(ids, held[ids])
    with pytest.raises(NotReadyError, match="all 50 labels, 20 are there"):
        session.promised()


def test_an_oracle_that_fails_loses_no_label():
    proxy, held = population()
    session = PromiseSession.start(proxy, PromiseParams(budget=50))
    calls = []

    def flaky(ids):
        calls.append(ids)
        if len(calls) == 3:
            raise OSError("gone")
        return held[ids]

    with pytest.raises(OSError, match="gone"):
        run_promise(session, flaky, chunk=10)
    assert session.labels_used == 20
    seen = []
    found = run_promise(session, flaky, chunk=10, progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (50, 50)
    whole = promised_set(proxy, lambda ids: held[ids], PromiseParams(budget=50))
    assert found.ids.tolist() == whole.ids.tolist()


def test_bad_labels_are_refused():
    proxy, _ = population()
    session = PromiseSession.start(proxy, PromiseParams(budget=50))
    ids = session.next_batch().ids
    with pytest.raises(InvalidInputError, match="must be bool"):
        session.submit(ids[:2], [0.5, 1])
    with pytest.raises(DimensionMismatchError, match="for 2 ids"):
        session.submit(ids[:2], [True])
    with pytest.raises(UnknownIdError):
        session.submit([5000], [True])
    other = np.setdiff1d(np.arange(2000), ids)[:1]
    with pytest.raises(InvalidInputError, match="not asked for"):
        session.submit(other, [True])
    session.submit(ids[:1], [True])
    with pytest.raises(InvalidInputError, match="1 of 1 labels differ"):
        session.submit(ids[:1], [False])
    assert session.submit(ids[:1], [True]) == 0


@pytest.mark.parametrize(
    "strange",
    [
        {"promise": "both"},
        {"target": 1.0},
        {"target": 0},
        {"confidence": 1},
        {"budget": 9},
        {"budget": 20.5},
        {"seed": -1},
    ],
)
def test_bad_params_are_refused(strange):
    with pytest.raises(InvalidParamsError):
        PromiseParams(**{"budget": 100, **strange})


@pytest.mark.parametrize("promise", PROMISES)
def test_the_unit_of_a_proxy_does_not_matter(promise):
    # The greatest less the least is beyond float64.
    proxy, held = population(500)
    params = PromiseParams(promise=promise, budget=100)
    plain, large = (
        promised_set(np.ldexp(proxy - 0.5, power), lambda ids: held[ids], params)
        for power in (0, 1024)
    )
    assert large.rows.tolist() == plain.rows.tolist()
    assert large.labelled_rows.tolist() == plain.labelled_rows.tolist()


def test_bad_proxies_are_refused():
    params = PromiseParams(budget=10)
    with pytest.raises(InvalidParamsError, match="budget is 10, but there are 9 rows"):
        PromiseSession.start(np.ones(9), params)
    with pytest.raises(InvalidInputError, match="not empty"):
        PromiseSession.start([], params)
    with pytest.raises(NonFiniteError):
        PromiseSession.start([np.nan] * 20, params)
    with pytest.raises(InvalidInputError, match="0 of 20 rows"):
        PromiseSession.start(np.ones(20), params, among=np.zeros(20, bool))


def test_a_set_is_a_table():
    proxy, held = population(100)
    found = promised_set(proxy, lambda ids: held[ids], PromiseParams(budget=10))
    table = found.to_dict()
    assert list(table["columns"]) == ["id", "row", "proxy", "labelled"]
    assert table["summary"]["rows"] == len(found) == len(table["columns"]["id"])
    assert table["provenance"]["params"]["target"] == 0.9
