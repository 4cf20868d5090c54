"""The values that selection answers with, as tables; sets of rows as masks and ids."""

import json
from functools import partial

import numpy as np
import pytest

from gleann import selection
from gleann.index.errors import (
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    UnknownIdError,
)
from gleann.selection.coreset import CoresetRequest, draw, select
from gleann.selection.coreset import methods as coreset_methods
from gleann.selection.estimate import estimate_disjoint_groups, run_estimate

N = 60
RNG = np.random.default_rng(5)
ROWS = RNG.standard_normal((N, 3)).astype(np.float32)
COSTS = RNG.random(N)
IDS = np.array([f"item-{row}" for row in range(N)])
LOCKED = [3, 17, 40]
MASK = np.isin(np.arange(N), LOCKED)
PROXY = RNG.random(N)
HELD = RNG.random(N) < PROXY
PARAMS = selection.EstimateParams(budget=30, strata=2)


def weighted(**more):
    return selection.weighted_k_center(ROWS, k=6, costs=COSTS, cost_weight=0.5, **more)


def session(**more):
    params = selection.ActiveParams(pool="global", batch=5)
    given = {"rows": [0, 1], "labels": [0, 1], **more}
    return selection.ActiveSession.start(ROWS, params, ids=IDS, **given)


def test_a_selection_has_ids_scores_weights_and_reasons(tmp_path):
    chosen = weighted().to_selection(IDS)
    table = chosen.to_arrow()
    assert table.column_names[:5] == ["id", "rank", "row", "score", "weight"]
    assert table["id"].to_pylist() == chosen.ids.tolist()
    assert table["row"].to_pylist() == chosen.rows.tolist()
    assert table["covers"].to_pylist() == chosen.why["covers"].tolist()
    summary = json.loads(table.schema.metadata[b"summary"])
    assert summary["radius"] == chosen.summary["radius"]
    provenance = json.loads(table.schema.metadata[b"provenance"])
    assert provenance == chosen.provenance
    chosen.to_csv(tmp_path / "chosen.csv")
    lines = (tmp_path / "chosen.csv").read_text().splitlines()
    assert len(lines) == 7
    assert chosen.ids[0] in lines[1]


def test_a_coreset_has_the_ids_it_was_given():
    assert weighted().to_dict()["columns"]["id"] == weighted().rows.tolist()
    named = weighted(ids=IDS)
    assert named.to_dict()["columns"]["id"] == IDS[named.rows].tolist()
    assert named.to_selection().ids.tolist() == IDS[named.rows].tolist()
    other = np.arange(1000, 1000 + N)
    assert named.to_selection(other).ids.tolist() == (named.rows + 1000).tolist()


def test_an_active_batch_is_a_table():
    batch = session().next_batch()
    lines = batch.to_arrow().to_pylist()
    assert [line["id"] for line in lines] == batch.ids.tolist()
    assert {"probability", "uncertainty"} <= set(lines[0])
    assert json.loads(json.dumps(batch.to_dict(), allow_nan=False))["summary"][
        "labelled"
    ] == len(session().labelled_rows)


def test_a_run_is_a_line_per_record():
    run = selection.run_active(
        session(),
        lambda ids: [int(one.split("-")[1]) % 2 for one in ids.tolist()],
        budget=12,
        evaluate=lambda now: {"labels": float(len(now.labels))},
    )
    lines = run.to_arrow().to_pylist()
    assert [line["labelled"] for line in lines] == [r.labelled for r in run.history]
    assert [line["labels"] for line in lines] == [r.labelled for r in run.history]


def test_an_estimate_is_one_line_with_its_strata_behind():
    made = selection.estimate.estimate(PROXY, lambda ids: (HELD[ids], None), PARAMS)
    (line,) = made.to_arrow().to_pylist()
    assert (line["value"], line["low"], line["high"]) == (
        made.value,
        made.low,
        made.high,
    )
    flat = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert flat["labels_used"] == 30
    assert [one["size"] for one in flat["by_stratum"]] == [
        one.size for one in made.by_stratum
    ]
    assert flat["provenance"]["params"]["budget"] == 30


def test_estimates_of_groups_are_a_line_each():
    groups = RNG.integers(2, size=N)
    made = estimate_disjoint_groups(
        {"cats": PROXY, "dogs": 1 - PROXY},
        lambda ids: (groups[ids], None),
        selection.EstimateParams(budget=40, strata=2),
    )
    assert made == dict(made)
    lines = made.to_arrow().to_pylist()
    assert [line["group"] for line in lines] == ["cats", "dogs"]
    assert [line["value"] for line in lines] == [one.value for one in made.values()]
    assert set(made.to_dict()["groups"]["dogs"]) >= {"by_stratum", "provenance"}


TAKES_LOCKED = {
    "weighted_k_center": weighted,
    "k_center": partial(selection.k_center, ROWS, k=6),
    "gist": partial(selection.gist, ROWS, k=6, costs=COSTS, diversity=1.0),
    "margin": partial(selection.coreset.margin, ROWS, k=6, costs=COSTS),
    "uniform of vectors": partial(selection.coreset.uniform, ROWS, k=6),
    "facility_location": partial(selection.facility_location, ROWS, k=6),
    "within_groups": partial(
        selection.within_groups,
        partial(selection.weighted_k_center, cost_weight=0.5),
        ROWS,
        groups=np.arange(N) % 2,
        quotas={0: 3, 1: 3},
        costs=COSTS,
    ),
}


@pytest.mark.parametrize("name", TAKES_LOCKED)
def test_locked_is_rows_or_a_mask(name):
    method = TAKES_LOCKED[name]
    by_mask = method(locked=MASK).rows
    assert by_mask.tolist() == method(locked=LOCKED).rows.tolist()
    assert not set(by_mask.tolist()) & set(LOCKED)
    assert method(locked=MASK.tolist()).rows.tolist() == by_mask.tolist()
    with pytest.raises(
        DimensionMismatchError, match=r"locked is .*\(59,\) for 60 rows"
    ):
        method(locked=MASK[:-1])


@pytest.mark.parametrize(
    "name", sorted(set(TAKES_LOCKED) - {"facility_location", "within_groups"})
)
def test_locked_is_given_by_id_where_there_are_ids(name):
    method = TAKES_LOCKED[name]
    by_row = method(locked=LOCKED).rows.tolist()
    assert method(locked=IDS[LOCKED], ids=IDS).rows.tolist() == by_row
    shuffled = np.random.default_rng(1).permutation(N)
    assert method(locked=shuffled[LOCKED], ids=shuffled).rows.tolist() == by_row
    with pytest.raises(UnknownIdError, match="no id 'item-99'"):
        method(locked=["item-99"], ids=IDS)
    with pytest.raises(DuplicateIdError):
        method(locked=["item-3", "item-3"], ids=IDS)


def test_covered_is_rows_a_mask_or_ids():
    picked = selection.farthest_first(ROWS, k=4, covered=LOCKED).rows.tolist()
    masked = selection.farthest_first(ROWS, k=4, covered=MASK)
    named = selection.farthest_first(ROWS, k=4, covered=IDS[LOCKED], ids=IDS)
    assert named.to_dict()["columns"]["id"] == IDS[picked].tolist()
    assert "id" not in masked.to_dict()["columns"]
    assert masked.rows.tolist() == named.rows.tolist() == picked


def test_uniform_leaves_out_rows_a_mask_or_ids():
    rows = selection.uniform(N, k=9, seed=2, excluded=LOCKED).rows.tolist()
    assert selection.uniform(N, k=9, seed=2, excluded=MASK).rows.tolist() == rows
    named = selection.uniform(N, k=9, seed=2, excluded=IDS[LOCKED], ids=IDS)
    assert named.rows.tolist() == rows
    assert named.ids.tolist() == IDS[rows].tolist()


def test_a_request_takes_a_mask():
    request = partial(CoresetRequest, method="farthest_first", k=5)
    by_row = select(request(locked=LOCKED), ROWS).chosen.rows.tolist()
    assert select(request(locked=MASK), ROWS).chosen.rows.tolist() == by_row
    for groups in (None, np.arange(N) % 2):
        drawn = partial(CoresetRequest, method="random", k=20, groups=groups)
        rows = draw(drawn(locked=LOCKED), n=N, ids=IDS).rows.tolist()
        assert draw(drawn(locked=MASK), n=N, ids=IDS).rows.tolist() == rows
        assert not set(rows) & set(LOCKED)


def test_drawing_within_groups_leaves_out_ids():
    draw_by = partial(
        coreset_methods.draws.draw_within_groups, np.arange(N) % 2, quotas={0: 4, 1: 4}
    )
    rows = draw_by(locked=LOCKED).rows.tolist()
    assert draw_by(locked=IDS[LOCKED], ids=IDS).rows.tolist() == rows
    assert draw_by(locked=MASK, ids=IDS).rows.tolist() == rows


def test_the_seed_and_what_is_ignored_may_be_masks():
    seed = np.isin(np.arange(N), [0, 1])
    one, other = session(), session(rows=seed)
    for each, gone in (
        (one, IDS[5:30]),
        (other, (np.arange(N) > 4) & (np.arange(N) < 30)),
    ):
        each.ignore(gone)
    assert other.next_batch().ids.tolist() == one.next_batch().ids.tolist()
    with pytest.raises(DimensionMismatchError, match=r"\(59,\) for 60 rows"):
        one.ignore(seed[:-1])


@pytest.mark.parametrize("answers", [(HELD,), (HELD, None), [HELD, HELD]])
def test_a_count_needs_no_values_of_an_oracle(answers):
    made = selection.estimate.estimate(
        PROXY,
        lambda ids: type(answers)(x if x is None else x[ids] for x in answers),
        PARAMS,
    )
    assert made.labels_used == 30


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_labels_alone_are_refused_however_many_they_are(chunk):
    started = selection.EstimateSession.start(PROXY, PARAMS)
    for oracle in (lambda ids: HELD[ids], lambda ids: HELD[ids].tolist()):
        with pytest.raises(InvalidInputError, match=r"the oracle must return \(labels"):
            run_estimate(started, oracle, chunk=chunk)
    assert started.labels_used == 0


def test_an_average_without_values_is_refused_with_the_word():
    average = selection.EstimateParams(budget=30, strata=2, target="avg")
    with pytest.raises(InvalidInputError, match="needs a value"):
        selection.estimate.estimate(PROXY, lambda ids: (HELD[ids],), average)


def test_group_oracles_answer_alike():
    groups = RNG.integers(2, size=N)
    proxies = {"a": PROXY, "b": 1 - PROXY}
    params = selection.EstimateParams(budget=40, strata=2)
    pair = estimate_disjoint_groups(proxies, lambda ids: (groups[ids], None), params)
    alone = estimate_disjoint_groups(proxies, lambda ids: (groups[ids],), params)
    assert alone == pair
    with pytest.raises(InvalidInputError, match="the oracle must return"):
        estimate_disjoint_groups(proxies, lambda ids: groups[ids], params)
    with pytest.raises(InvalidInputError, match="the oracle must return"):
        selection.abae_estimate(PROXY, lambda ids: HELD[ids], PARAMS)


def test_group_oracles_may_answer_by_name():
    groups = RNG.integers(-1, 2, size=N)
    proxies = {"cats": PROXY, "dogs": 1 - PROXY}
    params = selection.EstimateParams(budget=40, strata=2)
    words = np.array(["cats", "dogs", ""])
    known = selection.KnownGroups(ids=[0, 1], groups=words[groups[:2]])
    session = selection.DisjointGroupsSession.start(proxies, params, known=known)
    named = selection.run_disjoint_groups(session, lambda ids: (words[groups[ids]],))
    known = selection.KnownGroups(ids=[0, 1], groups=groups[:2])
    session = selection.DisjointGroupsSession.start(proxies, params, known=known)
    assert named == selection.run_disjoint_groups(session, lambda ids: (groups[ids],))
    fresh = selection.DisjointGroupsSession.start(proxies, params)
    ids = fresh.next_batch().ids[:2]
    with pytest.raises(InvalidInputError, match=r"groups 'cows' .* 'cats', 'dogs'"):
        fresh.submit(ids, ["cats", "cows"])
