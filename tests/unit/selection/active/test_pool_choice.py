"""The pool "auto": what it takes, why, and that a resumed session keeps it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from active_world import Exact, begin, picks, rare

from gleann.index.errors import CorruptDataError, InvalidParamsError
from gleann.selection import ActiveParams, ActiveSession, GraphNeighbours
from gleann.selection.active.pools import cost
from gleann.selection.active.pools.choice import choose_pool, rows_at_par
from gleann.selection.active.pools.cost import Round
from gleann.selection.active.questions import Questions

YES_OR_NO = Questions(concepts=(), classes=(0, 1))
NEAR = Exact(np.zeros((3, 2), np.float32))
DEFAULT = Round(
    rows=1, dim=384, batch=25, neighbours=10, labelled=100, scores=1, searches=1
)


def chosen(rows, *, dim=384, near=NEAR, questions=YES_OR_NO, **params):
    return choose_pool(
        ActiveParams(**params),
        questions,
        rows=rows,
        dim=dim,
        labelled=100,
        neighbours=near,
    )


@pytest.fixture
def dear_rows(monkeypatch):
    """A model in which a row costs a second: no pool of all rows is worth it."""
    monkeypatch.setattr(cost, "GLOBAL_COSTS", (0.0, 1e6, 0.0))


def test_few_rows_are_all_scored_and_many_are_not():
    assert chosen(10_000).pool == "global"
    assert chosen(30_000).pool == "global"
    assert chosen(110_000).pool == "classifier"
    assert chosen(10_000_000).pool == "classifier"


def test_the_reason_names_both_costs():
    size = replace(DEFAULT, rows=110_000)
    reason = chosen(110_000).reason
    assert f"{size.neighbours_ms:.3g} ms" in reason
    assert f"not {size.global_ms:.3g}" in reason
    assert f"{size.looked_at:,.0f} of 110,000 rows" in reason
    few = replace(DEFAULT, rows=1000)
    assert f"all 1,000 rows take about {few.global_ms:.3g} ms" in chosen(1000).reason


def test_neighbours_pay_from_a_number_of_rows_on_that_grows_with_their_number():
    par = rows_at_par(DEFAULT)
    assert 20_000 < par < 75_000
    assert rows_at_par(replace(DEFAULT, neighbours=100)) > 1.5 * par
    assert rows_at_par(replace(DEFAULT, batch=100)) > 1.5 * par
    assert not replace(DEFAULT, rows=par).takes_neighbours
    assert replace(DEFAULT, rows=par + 1).takes_neighbours


def test_what_was_asked_for_is_taken():
    for pool in ("classifier", "seals", "anchors", "global", "random"):
        made = chosen(50, pool=pool)
        assert (made.pool, made.asked, made.reason) == (pool, pool, "as asked")


def test_neighbours_that_cannot_search_along_weights_give_the_pool_seals():
    graph = object.__new__(GraphNeighbours)
    assert chosen(1_000_000, near=graph).pool == "seals"


def test_a_model_of_the_callers_is_asked_about_few_rows(dear_rows):
    """Its probabilities cost more than ours, whatever the number of rows."""
    assert chosen(50, model="given").pool == "classifier"
    assert "your model" in chosen(50, model="given").reason


def test_without_neighbours_all_rows_are_scored_while_that_is_cheap():
    made = chosen(20_000, near=None)
    assert made.pool == "global"
    assert "no neighbours were given" in made.reason
    par = rows_at_par(replace(DEFAULT, dim=384))
    assert chosen(par, near=None).pool == "global"
    with pytest.raises(InvalidParamsError) as error:
        chosen(par + 1, near=None)
    message = str(error.value)
    assert f"{par + 1:,} rows of 384 dimensions" in message
    assert f"up to {par:,} only" in message
    assert "IndexNeighbours" in message
    assert "'global'" in message


def test_auto_on_few_rows_picks_as_the_global_pool():
    vectors, labels, seed = rare()
    alone = begin(vectors, labels, seed, pool="auto")
    beside = begin(vectors, labels, seed, pool="auto", near=Exact(vectors))
    everything = begin(vectors, labels, seed, pool="global")
    assert alone.pool_choice.pool == beside.pool_choice.pool == "global"
    sequence = picks(everything, labels, 4)
    assert picks(alone, labels, 4) == sequence
    assert picks(beside, labels, 4) == sequence


def test_auto_on_many_rows_picks_as_the_pool_it_takes(dear_rows):
    vectors, labels, seed = rare()
    near = Exact(vectors)
    auto = begin(vectors, labels, seed, pool="auto", near=near)
    asked = begin(vectors, labels, seed, pool="classifier", near=near)
    assert picks(auto, labels, 4) == picks(asked, labels, 4)
    assert auto.looked_at == asked.looked_at < len(vectors)


def test_a_batch_says_which_pool_and_why():
    vectors, labels, seed = rare()
    session = begin(vectors, labels, seed, pool="auto")
    batch = session.next_batch()
    assert batch.summary["pool"] == "global"
    assert batch.summary["pool_reason"] == session.pool_choice.reason
    assert batch.summary["rows"] == len(vectors)
    assert batch.provenance["method"] == "active/global"
    assert batch.provenance["params"]["pool"] == "global"
    assert batch.provenance["pool_choice"] == {
        "asked": "auto",
        "pool": "global",
        "reason": session.pool_choice.reason,
    }


def test_a_resumed_session_keeps_its_pool_whatever_the_model_says_now(monkeypatch):
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, pool="auto", near=near)
    state = json.loads(json.dumps(session.state()))
    monkeypatch.setattr(cost, "GLOBAL_COSTS", (0.0, 1e6, 0.0))
    again = ActiveSession.resume(state, vectors, neighbours=near)
    assert again.pool_choice == session.pool_choice
    assert again.pool_choice.asked == "auto"
    assert again.params.pool == "global"
    assert json.loads(json.dumps(again.state())) == state
    assert picks(again, labels, 3) == picks(session, labels, 3)


def unsealed(session):
    state = json.loads(json.dumps(session.state()))
    del state["checksums"]
    return state


def test_a_state_from_before_there_was_a_choice_goes_on():
    vectors, labels, seed = rare()
    near = Exact(vectors)
    session = begin(vectors, labels, seed, pool="seals", near=near)
    state = unsealed(session)
    del state["pool_choice"]
    again = ActiveSession.resume(state, vectors, neighbours=near)
    assert (again.pool_choice.pool, again.pool_choice.reason) == ("seals", "as asked")
    assert picks(again, labels, 3) == picks(session, labels, 3)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: s["params"].update(pool="auto"), "params have the pool 'auto'"),
        (lambda s: s["pool_choice"].update(asked="seals"), "pool_choice.asked"),
        (lambda s: s["pool_choice"].update(reason=3), "pool_choice.reason"),
        (lambda s: s["pool_choice"].pop("asked"), "has no asked"),
    ],
)
def test_a_damaged_choice_is_refused(damage, words):
    vectors, labels, seed = rare()
    state = unsealed(begin(vectors, labels, seed, pool="auto"))
    damage(state)
    with pytest.raises(CorruptDataError, match=words):
        ActiveSession.resume(state, vectors)
