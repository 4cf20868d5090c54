"""Targets, epochs and hard negatives over RPC, compared with the library."""

from itertools import chain
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SoarIndex, errors
from gleann.index.ids.order import id_order
from gleann.selection.curation.negatives import (
    NegativesRequest,
    Positives,
    mine_negatives,
)
from gleann.selection.curation.plans import epoch_rows, in_turns
from gleann.selection.curation.target import (
    DistilRequest,
    Limits,
    Targets,
    distil,
    for_target,
)

N, DIM = 300, 8
QUICK = BuildParams(metric="l2", nlist=6, tune_queries=0)
RNG = np.random.default_rng(4)
KIND = RNG.integers(3, size=N)
ROWS = (RNG.normal(size=(3, DIM))[KIND] * 3 + RNG.normal(size=(N, DIM))).astype("f4")
IDS = RNG.permutation(N) + 1000
SITE = np.array(["a", "b", "c"])[RNG.integers(3, size=N)]
GONE = np.array([3, 250])
LIVE = np.setdiff1d(np.arange(N), GONE)
WANTED = LIVE[KIND[LIVE] == 1][:8]
EXACT = {"target_recall": 1.0}
LEARNT: dict[str, Any] = {"sample_size": 200, "seed": 5, **EXACT}


@pytest.fixture
def served(client: gleann.Client) -> gleann.Client:
    """An index with newer and removed vectors, and with payload."""
    columns = {"site": "string", "kind": "int64"}
    client.create_index("words", dim=DIM, metric="l2", columns=columns)
    for first, last in ((0, 200), (200, N)):
        payload = {"site": SITE[first:last].tolist(), "kind": KIND[first:last].tolist()}
        client.upsert("words", IDS[first:last], ROWS[first:last], payload)
        if not first:
            client.build("words", QUICK).wait(timeout=60)
    client.delete_vectors("words", IDS[GONE])
    return client


@pytest.fixture(scope="module")
def index() -> SoarIndex:
    """The live vectors, in an index of the library."""
    return SoarIndex.build(ROWS[LIVE], QUICK, ids=IDS[LIVE])


def lines(curation: Any, table: str) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = curation.table(table).to_pydict()
    return columns


@pytest.mark.parametrize("mode", ["round_robin", "best_rank"])
def test_a_choice_for_targets_is_that_of_the_live_vectors(
    mode: Any, served: gleann.Client, index: SoarIndex
) -> None:
    tasks = ["x", "y"] * 4
    made = served.curation.for_target(
        "words", target_ids=IDS[WANTED], tasks=tasks, budget=40, mode=mode, **EXACT
    ).wait(timeout=60)
    targets = Targets(ids=IDS[WANTED], tasks=tasks)
    chosen = for_target(index, targets, budget=40, mode=mode, options=EXACT)
    found = lines(made, "chosen")
    assert found["id"] == chosen.ids.tolist()
    assert found["rank"] == list(range(40))
    assert found["task"] == chosen.why["task"].tolist()
    assert found["target"] == IDS[WANTED][chosen.why["target"]].tolist()
    assert made.summary["shortfall"] == 0
    against = lines(made, "compared")
    assert against["selection"] == ["chosen", "random", "stratified"]
    assert against["mean_distance"][0] < 0.5 * against["mean_distance"][1]
    assert made.provenance["method"] == mode


def test_filters_exclusions_and_caps_limit_a_choice(
    served: gleann.Client, index: SoarIndex
) -> None:
    targets, excluded = ROWS[WANTED] + np.float32(0.1), IDS[LIVE[:20]]
    made = served.curation.for_target(
        "words",
        targets,
        budget=200,
        excluded_ids=excluded,
        group_column="kind",
        caps={0: 4, 1: 11},
        where="site = $1",
        parameters=["a"],
        **EXACT,
    ).wait(timeout=60)
    limits = Limits(
        among=SITE[LIVE] == "a",
        excluded=excluded,
        groups=KIND[LIVE],
        caps={0: 4, 1: 11},
    )
    chosen = for_target(index, targets, budget=200, limits=limits, options=EXACT)
    found = lines(made, "chosen")
    assert found["id"] == chosen.ids.tolist()
    assert made.summary["shortfall"] == 200 - len(chosen) > 0
    assert made.provenance["among"]["where"] == "site = $1"
    capped = served.curation.for_target(
        "words", targets, budget=30, group_column="site", caps=7, **EXACT
    ).wait(timeout=60)
    sites = SITE[
        [int(np.flatnonzero(one == IDS)[0]) for one in lines(capped, "chosen")["id"]]
    ]
    assert np.unique(sites, return_counts=True)[1].tolist() == [7, 7, 7]


def test_a_distilled_choice_scores_every_live_vector(
    served: gleann.Client, index: SoarIndex
) -> None:
    made = served.curation.for_target(
        "words",
        ROWS[WANTED],
        budget=20,
        mode="distil",
        sample_size=200,
        seed=5,
        **EXACT,
    ).wait(timeout=60)
    expected = distil(
        index,
        DistilRequest(
            targets=ROWS[WANTED], budget=20, sample_size=200, seed=5, **EXACT
        ),
    )
    scores = lines(made, "scores")
    assert scores["id"] == IDS[LIVE].tolist()
    np.testing.assert_allclose(scores["score"], expected.scores, rtol=1e-6)
    assert lines(made, "chosen")["id"] == expected.chosen.ids.tolist()
    assert made.summary["held_out_auc"] == pytest.approx(expected.held_out_auc)


def test_a_draw_by_importance_is_repeated_by_its_seed(served: gleann.Client) -> None:
    def drawn(seed: int) -> list[int]:
        made = served.curation.for_target(
            "words", ROWS[WANTED], budget=60, mode="resample", seed=seed
        ).wait(timeout=60)
        assert made.summary["kl_chosen"] < made.summary["kl_pool"]
        found: list[int] = lines(made, "chosen")["id"]
        return found

    assert drawn(1) == drawn(1) != drawn(2)
    assert not set(drawn(1)) & set(IDS[GONE].tolist())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"budget": 0}, "budget must be at least 1, got 0"),
        ({"smoothing": 2.0}, "smoothing is not for round_robin"),
        ({"tasks": ["x"]}, "tasks has 1 entry for 8 targets"),
        ({"caps": 3}, "cap or caps needs group_column"),
        ({"caps": 3, "group_column": "none"}, "none"),
        ({"excluded_ids": [7]}, "7"),
        ({"mode": "resample", "tasks": ["x", "y"] * 4, "shares": {"x": 0.5}}, "0.5"),
        ({"mode": "other"}, "mode cannot be 'other'"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_what_cannot_be_chosen_is_refused_before_it_is_queued(
    options: dict[str, Any], says: str, served: gleann.Client
) -> None:
    given: dict[str, Any] = {"budget": 5, **options}
    with pytest.raises(errors.GleannError, match=says):
        served.curation.for_target("words", target_ids=IDS[WANTED], **given)


def test_epochs_are_those_of_the_ids_also_after_a_build(served: gleann.Client) -> None:
    def epochs() -> dict[int, list[int]]:
        made = served.curation.epoch_plan(
            "words", fraction=0.1, epochs=10, stratum_column="site", seed=3
        ).wait(timeout=60)
        found = lines(made, "epochs")
        assert set(found["weight"]) == {10.0}
        ids, numbers = np.array(found["id"]), np.array(found["epoch"])
        return {epoch: ids[numbers == epoch].tolist() for epoch in range(10)}

    live = LIVE[id_order(IDS[LIVE])]
    plan = in_turns(len(live), fraction=0.1, strata=SITE[live], seed=3)
    first = epochs()
    assert first == {e: IDS[live][epoch_rows(plan, e)].tolist() for e in range(10)}
    assert sorted(chain(*first.values())) == sorted(IDS[LIVE].tolist())
    served.build("words", QUICK).wait(timeout=60)
    assert epochs() == first


def test_later_epochs_and_strata_of_lists_follow_the_filter(
    served: gleann.Client,
) -> None:
    made = served.curation.epoch_plan(
        "words", fraction=0.5, first_epoch=6, epochs=2, by_lists=True,
        where="site = 'a'",
    ).wait(timeout=60)  # fmt: skip
    found = lines(made, "epochs")
    assert set(found["epoch"]) == {6, 7}
    assert sorted(found["id"]) == sorted(IDS[LIVE][SITE[LIVE] == "a"].tolist())
    assert made.summary["strata"] == len(set(found["stratum"])) > 1
    for options, says in (
        ({"fraction": 0.0}, "fraction must be above 0"),
        ({"fraction": 0.1, "epochs": 0}, "epochs must be at least 1, got 0"),
        ({"fraction": 1.0, "epochs": 10**9}, "is over the limit of"),
        ({"fraction": 0.1, "stratum_column": "site", "by_lists": True}, "both"),
    ):
        with pytest.raises(errors.GleannError, match=says):
            served.curation.epoch_plan("words", **options)


def test_negatives_are_those_of_the_live_vectors_with_their_shortfall(
    served: gleann.Client, index: SoarIndex
) -> None:
    positives = [IDS[LIVE[KIND[LIVE] == KIND[row]][:9]] for row in WANTED]
    rules: dict[str, Any] = {"window": (0, 5), "max_similarity": -4.0, **EXACT}
    made = served.curation.mine_negatives(
        "words", query_ids=IDS[WANTED], positives=positives, per_query=4, **rules
    ).wait(timeout=60)
    request = NegativesRequest(
        query_ids=IDS[WANTED],
        positives=Positives.of_lists(positives),
        per_query=4,
        **rules,
    )
    expected = mine_negatives(index, request)
    assert 0 < expected.shortfall.sum() < 32
    found, table = lines(made, "negatives"), expected.table().columns
    for name in ("query", "rank", "id"):
        assert found[name] == table[name].tolist()
    np.testing.assert_allclose(found["similarity"], table["similarity"], rtol=1e-6)
    assert lines(made, "queries")["shortfall"] == expected.shortfall.tolist()
    assert made.summary["shortfall"] == expected.shortfall.sum()


def test_vectors_are_queries_too_and_may_have_no_positives(
    served: gleann.Client,
) -> None:
    made = served.curation.mine_negatives(
        "words", ROWS[WANTED], positives=[[]] * 8, per_query=1, where="site = 'b'",
        **EXACT,
    ).wait(timeout=60)  # fmt: skip
    some = LIVE[SITE[LIVE] == "b"]
    apart = np.square(ROWS[WANTED][:, None].astype(float) - ROWS[some][None]).sum(2)
    found = lines(made, "negatives")
    assert found["query"] == list(range(8))
    assert found["id"] == IDS[some][apart.argmin(axis=1)].tolist()
    for options, says in (
        ({"positives": [[]]}, "positive_counts are of 1 query, but there are 8"),
        ({"positives": [[5]] * 8}, "5"),
        ({"relative_margin": 0.9}, "relative_margin needs the metric cosine or ip"),
        ({"window": (0, 1), "per_query": 2}, "window 0..1 has 1 rank,"),
        ({"per_query": 10**8, "window": (0, 10**8)}, "is over the limit of"),
    ):
        given: dict[str, Any] = {"positives": [[]] * 8, "per_query": 1, **options}
        with pytest.raises(errors.GleannError, match=says):
            served.curation.mine_negatives("words", ROWS[WANTED], **given)


def test_epochs_beyond_64_bits_are_refused(served: gleann.Client) -> None:
    def ask(count: int) -> Any:
        return served.curation.epoch_plan(
            "words", fraction=0.1, first_epoch=2**63 - 1, epochs=count
        )

    with pytest.raises(errors.InvalidParamsError, match="got 9223372036854775808"):
        ask(2)
    assert set(lines(ask(1).wait(timeout=60), "epochs")["epoch"]) == {2**63 - 1}
