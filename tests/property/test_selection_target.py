"""Round robin and best ranks against the full matrix, on small worlds with ties."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from target_reference import brute_best_rank, brute_round_robin, distances_of

import gleann
from gleann.selection.curation.target import (
    BestRankRequest,
    Limits,
    RoundRobinRequest,
    Targets,
    best_rank,
    round_robin,
)


@st.composite
def worlds(draw):
    """Rows on a coarse grid, targets, ids in any order, tasks, caps and open rows."""
    n, m = draw(st.integers(1, 60)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    width = draw(st.integers(1, 4))
    rows = np.float32(rng.integers(0, width + 1, (n, 2)))
    targets = np.float32(rng.integers(0, width + 1, (m, 2)))
    is_open = rng.random(n) < draw(st.sampled_from([0.3, 0.8, 1.0]))
    is_open[0] = True
    groups = rng.integers(0, 3, n)
    return {
        "rows": rows,
        "targets": targets,
        "ids": rng.permutation(n) * 5,
        "tasks": rng.integers(0, draw(st.integers(1, m)), m).tolist(),
        "is_open": is_open,
        "groups": groups,
        "caps": {int(one): int(rng.integers(0, 12)) for one in np.unique(groups)},
        "budget": draw(st.integers(1, 70)),
    }


def index_of(world):
    params = gleann.BuildParams(metric="l2", nlist=1, tune_queries=0)
    return gleann.SoarIndex.build(world["rows"], params, ids=world["ids"])


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_turns_are_those_of_the_full_matrix(world):
    distances = distances_of(world["targets"], world["rows"], "l2")
    caps = {name: world[name] for name in ("groups", "caps")}
    found = round_robin(
        index_of(world),
        RoundRobinRequest(
            targets=Targets(vectors=world["targets"], tasks=world["tasks"]),
            budget=world["budget"],
            limits=Limits(among=world["is_open"], **caps),
            target_recall=1.0,
        ),
    )
    want = brute_round_robin(
        distances,
        world["ids"],
        tasks=world["tasks"],
        budget=world["budget"],
        is_open=world["is_open"],
        **caps,
    )
    assert found.rows.tolist() == [row for row, _ in want]
    assert found.why["task"].tolist() == [task for _, task in want]
    assert found.summary["shortfall"] == world["budget"] - len(want)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_best_ranks_are_those_of_the_full_matrix(world):
    closed = world["ids"][~world["is_open"]]
    found = best_rank(
        index_of(world),
        BestRankRequest(
            targets=world["targets"],
            budget=world["budget"],
            limits=Limits(excluded=closed),
            target_recall=1.0,
        ),
    )
    rows, ranks = brute_best_rank(
        distances_of(world["targets"], world["rows"], "l2"),
        world["ids"],
        budget=world["budget"],
        is_open=world["is_open"],
    )
    assert found.rows.tolist() == rows.tolist()
    assert found.why["best_rank"].tolist() == ranks.tolist()
