"""What is no input is refused in words, at each public function of index and selection.

Each call is right as it stands. One argument at a time is then replaced by what callers
hand over by mistake: masked arrays, ragged lists, texts, objects, counts that are no
integers. Always one of gleann's own errors names the argument.
"""

# ruff: noqa: E501  (a row of the table is a line)

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from gleann import index as index_package
from gleann import selection
from gleann.index import (
    BuildParams,
    SearchParams,
    SoarIndex,
    as_ids,
    as_vectors,
    exact_search,
    knn_graph,
    knn_graph_of,
)
from gleann.index.errors import InvalidInputError, InvalidParamsError

N = 60
RNG = np.random.default_rng(16)
ROWS = RNG.standard_normal((N, 3)).astype(np.float32)
INDEX = SoarIndex.build(ROWS, BuildParams(metric="l2"))
GRAPH = knn_graph(INDEX, k=5)
NEAR = selection.IndexNeighbours(INDEX)
HELD = (ROWS[:, 0] > 0).astype(np.int64)
TABLE = RNG.dirichlet(np.ones(3), N)
COSTS = selection.margin_costs(TABLE)
PROXY = TABLE[:, 0]
GROUPS = np.arange(N) % 2
PARAMS = selection.EstimateParams(budget=20, strata=2)


@dataclass(frozen=True)
class Call:
    """A function, arguments that are right, and which of them are of which kind."""

    function: Callable[..., Any]
    given: dict[str, Any]
    arrays: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    told: dict[str, str] = field(default_factory=dict)
    """What messages call an argument, where that is another name."""


def coreset(function: Callable[..., Any], **more: Any) -> Call:
    given = {"vectors": ROWS, "k": 4, "costs": COSTS, "locked": [0, 1], **more}
    numbers = tuple(name for name in given if name in ("cost_weight", "diversity"))
    return Call(function, given, ("vectors", "costs", "locked"), ("k",), numbers)


def scores(function: Callable[..., Any]) -> Call:
    return Call(function, {"probabilities": TABLE}, ("probabilities",))


def active(**more: Any) -> Any:
    given: dict[str, Any] = {
        "vectors": ROWS, "ids": np.arange(N), "rows": np.arange(8), "labels": HELD[:8],
        "neighbours": NEAR,
    }  # fmt: skip
    return selection.ActiveSession.start(**{**given, **more})


def rounds(**more: Any) -> Any:
    given: dict[str, Any] = {"vectors": ROWS, "rows": np.arange(8), "labels": HELD[:8]}
    return selection.RoundsSession.start(**{**given, **more})


def labelled(**more: Any) -> Any:
    return rounds().submit_labels(**{"ids": [20, 21], "labels": [0, 1], **more})


def submitted(**more: Any) -> Any:
    session = active()
    ids = session.next_batch().ids
    return session.submit_labels(**{"ids": ids, "labels": HELD[ids], **more})


def given_probabilities(**more: Any) -> Any:
    session = active(params=selection.ActiveParams(model="given"))
    given = {"ids": np.arange(N), "probabilities": np.full((N, 2), 0.5), **more}
    return session.submit_probabilities(**given)


def answered(**more: Any) -> Any:
    session = selection.EstimateSession.start(
        PROXY, selection.EstimateParams(target="sum", budget=20, strata=2)
    )
    ids = session.next_batch().ids
    given = {"ids": ids, "positives": HELD[ids], "values": PROXY[ids], **more}
    return session.submit(**given)


def known(**more: Any) -> Any:
    given = {"ids": [1, 2], "positives": [True, False], "values": [1.0, 0.0], **more}
    params = selection.EstimateParams(target="sum", budget=20, strata=2)
    return selection.EstimateSession.start(
        PROXY, params, known=selection.Known(**given)
    )


def grouped(**more: Any) -> Any:
    session = selection.DisjointGroupsSession.start(
        {"a": PROXY, "b": TABLE[:, 1]}, PARAMS
    )
    ids = session.next_batch().ids
    return session.submit(**{"ids": ids, "groups": GROUPS[ids], **more})


def proxies_of(start: Callable[..., Any]) -> Callable[..., Any]:
    return lambda proxy: start({"a": proxy, "b": TABLE[:, 1]}, PARAMS)


CALLS = {
    "as_vectors": Call(as_vectors, {"values": ROWS}, ("values",), told={"values": "vectors"}),
    "as_ids": Call(as_ids, {"values": np.arange(N), "n": N}, ("values",), told={"values": "ids"}),
    "exact_search": Call(exact_search, {"queries": ROWS[:3], "vectors": ROWS, "metric": "l2", "k": 3}, ("queries", "vectors"), ("k",)),
    "knn_graph": Call(knn_graph, {"index": INDEX, "k": 4}, (), ("k",)),
    "knn_graph_of": Call(knn_graph_of, {"vectors": ROWS, "metric": "l2", "k": 4, "ids": np.arange(N), "seed": 0}, ("vectors", "ids"), ("k", "seed")),
    "BuildParams": Call(BuildParams, {"metric": "l2", "spill": "auto", "nlist": 4, "kmeans_iterations": 2, "tune_queries": 9, "seed": 0, "spill_lambda": 1.0, "target_recall": 0.9}, (), ("nlist", "kmeans_iterations", "tune_queries", "seed"), ("spill_lambda", "target_recall"), ("metric", "spill")),
    "SearchParams": Call(SearchParams, {"k": 2, "nprobe": 3, "rerank": 9, "segments": "both"}, (), ("k", "nprobe", "rerank"), (), ("segments",)),
    "SearchParams recall": Call(SearchParams, {"target_recall": 0.9}, (), (), ("target_recall",)),
    "SoarIndex.build": Call(SoarIndex.build, {"vectors": ROWS, "ids": np.arange(N), "queries": ROWS[:20]}, ("vectors", "ids", "queries")),
    "SoarIndex.search": Call(INDEX.search, {"queries": ROWS[:3]}, ("queries",)),
    "SoarIndex.mask_of": Call(INDEX.mask_of, {"ids": [1, 2]}, ("ids",)),
    "search allowed": Call(lambda allowed: INDEX.search(ROWS[:2], SearchParams(allowed=allowed)), {"allowed": HELD == 1}, ("allowed",)),
    "ActiveSession": Call(active, {"vectors": ROWS, "ids": np.arange(N), "rows": np.arange(8), "labels": HELD[:8]}, ("vectors", "ids", "rows", "labels")),
    "ActiveSession.submit_labels": Call(submitted, {}, ("ids", "labels")),
    "ActiveSession.submit_probabilities": Call(given_probabilities, {}, ("ids", "probabilities")),
    "ActiveSession.probabilities": Call(lambda rows: active().probabilities(rows), {"rows": [1, 2]}, ("rows",)),
    "ActiveSession.score_vectors": Call(lambda vectors: active().score_vectors(vectors), {"vectors": ROWS[:2]}, ("vectors",)),
    "ActiveSession.coverage": Call(lambda top: (s := active(), s.next_batch()) and s.coverage(top=top), {"top": 3}, (), ("top",)),
    "ActiveParams": Call(selection.ActiveParams, {"batch": 2, "neighbours": 2, "max_iter": 9, "anchors": 2, "subpool": 9, "seed": 1, "C": 1.0, "density_power": 1.0, "strategy": "entropy", "pool": "seals", "model": "own", "classes": (0, 1)}, ("classes",), ("batch", "neighbours", "max_iter", "anchors", "subpool", "seed"), ("C", "density_power"), ("strategy", "pool", "model")),
    "RoundsSession": Call(rounds, {"vectors": ROWS, "ids": np.arange(N), "rows": np.arange(8), "labels": HELD[:8]}, ("vectors", "ids", "rows", "labels")),
    "RoundsSession.submit_labels": Call(labelled, {}, ("ids", "labels")),
    "RoundsSession.ignore": Call(lambda ids: rounds().ignore(ids), {"ids": [20]}, ("ids",)),
    "RoundsSession.probabilities": Call(lambda rows: rounds().probabilities(rows), {"rows": [1, 2]}, ("rows",)),
    "RoundsSession.score_vectors": Call(lambda vectors: rounds().score_vectors(vectors), {"vectors": ROWS[:2]}, ("vectors",)),
    "RoundsParams": Call(selection.RoundsParams, {"picker": "gist", "batch": 2, "weights": (0.5, 1.0), "splits": 2, "diversity": 1.0, "eps": 0.2, "oversampling": 1.5, "cluster_rows": 5, "C": 1.0, "max_iter": 9, "seed": 1}, ("weights",), ("batch", "splits", "cluster_rows", "max_iter", "seed"), ("diversity", "eps", "oversampling", "C"), ("picker",)),
    "EstimateParams": Call(selection.EstimateParams, {"budget": 20, "strata": 2, "rounds": 3, "seed": 0, "pilot_share": 0.2, "floor": 0.1, "confidence": 0.9, "stop_at_width": 3.0, "target": "avg", "strata_cut": "geometric", "interval": "delta"}, (), ("budget", "strata", "rounds", "seed"), ("pilot_share", "floor", "confidence", "stop_at_width"), ("target", "strata_cut", "interval")),
    "EstimateSession": Call(lambda proxy, ids: selection.EstimateSession.start(proxy, PARAMS, ids=ids), {"proxy": PROXY, "ids": np.arange(N)}, ("proxy", "ids")),
    "EstimateSession.submit": Call(answered, {}, ("ids", "positives", "values")),
    "Known": Call(known, {}, ("ids", "positives", "values")),
    "ChoosingSession": Call(proxies_of(selection.ChoosingSession.start), {"proxy": PROXY}, ("proxy",)),
    "DisjointGroupsSession": Call(proxies_of(selection.DisjointGroupsSession.start), {"proxy": PROXY}, ("proxy",)),
    "DisjointGroupsSession.submit": Call(grouped, {}, ("ids", "groups")),
    "OverlappingGroupsSession": Call(proxies_of(selection.OverlappingGroupsSession.start), {"proxy": PROXY}, ("proxy",)),
    "TastiSession": Call(lambda vectors, first: selection.TastiSession.start(vectors, PARAMS, first=first), {"vectors": ROWS, "first": 4}, ("vectors",), ("first",)),
    "ccs": coreset(selection.ccs, strata=5),
    "facility_location": Call(selection.facility_location, {"vectors": ROWS, "k": 3, "locked": [1]}, ("vectors", "locked"), ("k",)),
    "farthest_first": Call(selection.farthest_first, {"vectors": ROWS, "k": 3, "covered": [1], "seed": 0}, ("vectors", "covered"), ("k", "seed"), told={"covered": "locked"}),
    "gist": coreset(selection.gist, diversity=0.5),
    "k_center": coreset(selection.k_center, cost_weight=0.1),
    "weighted_k_center": coreset(selection.weighted_k_center, cost_weight=0.1),
    "parallel_weighted_k_center": coreset(selection.parallel_weighted_k_center, cost_weight=0.1, shards=2),
    "measure": Call(selection.measure, {"vectors": ROWS, "rows": [1, 2], "costs": COSTS}, ("vectors", "rows", "costs")),
    "within_groups": Call(lambda **given: selection.within_groups(selection.k_center, quotas={0: 2, 1: 2}, **given), {"vectors": ROWS, "groups": GROUPS}, ("vectors", "groups")),
    "equal_quotas": Call(selection.equal_quotas, {"groups": GROUPS, "k": 4}, ("groups",), ("k",)),
    "proportional_quotas": Call(selection.proportional_quotas, {"groups": GROUPS, "k": 4}, ("groups",), ("k",)),
    **{name: scores(getattr(selection, name)) for name in ("entropy", "entropy_costs", "least_confidence", "margin", "margin_costs", "most_likely_positive")},
    "select_by_score": Call(selection.select_by_score, {"probabilities": TABLE, "k": 3, "ids": np.arange(N), "strategy": "margin"}, ("probabilities", "ids"), ("k",), (), ("strategy",)),
    "uniform": Call(selection.uniform, {"n": N, "k": 3, "seed": 0, "ids": np.arange(N), "excluded": [1]}, ("ids", "excluded"), ("n", "k", "seed")),
    "plan_labels": Call(selection.plan_labels, {"proxy": np.linspace(0.1, 0.4, 12), "params": selection.EstimateParams(budget=5, strata=2), "width": 3.0, "prevalence": 0.2, "mean": 1.0, "deviation": 1.0}, ("proxy",), (), ("width", "prevalence", "mean", "deviation")),
    "representatives": Call(selection.representatives, {"vectors": ROWS, "k": 5, "random_share": 0.5, "covered": [1], "seed": 0}, ("vectors", "covered"), ("k", "seed"), ("random_share",), told={"covered": "rows"}),
    "propagate_labels": Call(selection.propagate_labels, {"vectors": ROWS, "rows": [1, 2], "labels": [0, 1], "neighbours": 1}, ("vectors", "rows", "labels"), ("neighbours",)),
    "both": Call(lambda proxy: selection.both(proxy, PROXY), {"proxy": PROXY}, ("proxy",)),
    "either": Call(lambda proxy: selection.either(proxy, PROXY), {"proxy": PROXY}, ("proxy",)),
    "negated": Call(selection.negated, {"proxy": PROXY}, ("proxy",)),
}  # fmt: skip
"""Each public function that takes arrays or counts."""

ELSEWHERE = {
    "ActiveRun", "AnchorPool", "BatchRecord", "ClassifierPool", "Coreset", "Coverage",
    "Among", "Estimate", "FacilityLocation", "Found", "FoundWithin", "GlobalPool", "GroupEstimates", "KnnGraph", "KnownGroups", "LabelPlan",
    "Neighbours", "PoolChoice", "Progress", "ProxyChoice", "SealsPool", "SearchStats", "Selection",
    "StopAdvice", "Stratum", "Traversal",  # values that answers hold, and pools
    "GraphNeighbours", "IndexNeighbours", "SoarIndex", "metric_vectors",  # take values
    "abae_estimate", "estimate_choosing", "estimate_disjoint_groups", "estimate_overlapping_groups",
    "RoundRecord", "RoundsRun",  # values that a run of rounds has
    "run_active", "run_rounds", "run_disjoint_groups", "run_estimate", "run_overlapping_groups", "uniform_estimate",
    # drive the sessions above
    "recall_at_k",  # test_evaluate
}  # fmt: skip

ARRAYS = {
    "masked": lambda right: np.ma.masked_array(right, np.ones(np.shape(right), bool)),
    "ragged": lambda _: [[1.0, 2.0], [3.0]],
    "objects": lambda right: np.array([object()] * len(right)),
    "a text": lambda _: "abc",
    "a mapping": lambda _: {"a": 1},
    "three dimensions": lambda _: np.zeros((2, 2, 2)),
    "dates": lambda right: np.full(np.shape(right), "2024-01-01", "datetime64[D]"),
}
COUNTS = (2.5, 3.0, "3", np.True_, True, None, [3], np.array([3]), np.array(3.0), 1j)
NUMBERS = ("0.5", None, [0.5], np.array([0.5]), True, 1j, float("nan"))
CHOICES = (None, 3, ["l2"], np.array(["l2", "ip"]), b"l2", "no such name")
NONE_IS_RIGHT = {
    "nprobe", "rerank", "target_recall", "spill_lambda", "stop_at_width", "neighbours",
    "first", "top", "costs", "locked", "covered", "classes", "pilot_share", "prevalence",
}  # fmt: skip


def wrong() -> Iterator[Any]:
    for name, call in CALLS.items():
        for argument in call.arrays:
            for what in ARRAYS:
                yield pytest.param(name, argument, what, id=f"{name}-{argument}-{what}")
        for kind, values in (
            (call.counts, COUNTS),
            (call.numbers, NUMBERS),
            (call.choices, CHOICES),
        ):
            for argument in kind:
                for value in values:
                    if value is not None or argument not in NONE_IS_RIGHT:
                        yield pytest.param(
                            name, argument, value, id=f"{name}-{argument}-{value!r}"
                        )


@pytest.mark.parametrize(("name", "argument", "value"), list(wrong()))
def test_it_is_refused_by_name(name, argument, value):
    call = CALLS[name]
    if argument in call.arrays:
        value = ARRAYS[value](call.given.get(argument, np.arange(4)))
    given = {**call.given, argument: value}
    with pytest.raises((InvalidInputError, InvalidParamsError)) as refused:
        call.function(**given)
    assert call.told.get(argument, argument).rstrip("s") in str(refused.value)


@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_right_as_it_stands(name):
    CALLS[name].function(**CALLS[name].given)


def test_no_public_function_is_left_out():
    public = {*selection.__all__, *index_package.__all__}
    covered = {name.split(".")[0].split(" ")[0] for name in CALLS}
    assert public - covered == ELSEWHERE - {"SoarIndex"}
