"""The sessions of tests/golden/sessions-v1: how they were begun, and how they go on."""

from typing import Any

import numpy as np

import gleann
from gleann.index import BuildParams
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams, Known, KnownGroups

N, DIM = 160, 4
IDS = 10 * np.arange(N)
BUILD = BuildParams(metric="l2", nlist=4, tune_queries=0)


def vectors() -> np.ndarray:
    """(160, 4), clustered."""
    rng = np.random.default_rng(21)
    centres = rng.normal(size=(5, DIM))
    noise = 0.3 * rng.normal(size=(N, DIM))
    return (centres[rng.integers(5, size=N)] + noise).astype(np.float32)


def classes_of(ids: np.ndarray) -> np.ndarray:
    """0 or 1."""
    return (vectors()[np.asarray(ids) // 10, 0] > 0).astype(np.int64)


def concepts_of(ids: np.ndarray) -> np.ndarray:
    """(m, 2) of 0 and 1."""
    return (vectors()[np.asarray(ids) // 10, :2] > 0).astype(np.int64)


def groups_of(ids: np.ndarray) -> np.ndarray:
    """0, 1, or -1 for none."""
    rows = vectors()[np.asarray(ids) // 10]
    return np.where(rows[:, 0] > 0.5, 0, np.where(rows[:, 1] > 0.5, 1, -1))


def values_of(ids: np.ndarray) -> np.ndarray:
    return np.abs(vectors()[np.asarray(ids) // 10, 2]) + 1.0


def proxies() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    noise = np.random.default_rng(4).random((2, N)) * 0.4
    groups = groups_of(IDS)
    return {
        name: (IDS, np.where(groups == k, 0.6, 0.1) + noise[k])
        for k, name in enumerate("ab")
    }


def probabilities_of(ids: np.ndarray) -> np.ndarray:
    """(m, 2), as a model of somebody else's would give."""
    p = 1 / (1 + np.exp(-2.0 * vectors()[np.asarray(ids) // 10, 0].astype(float)))
    return np.stack([1 - p, p], axis=1)


# ------------------------------------------------------------------ how they were begun


ACTIVE: dict[str, ActiveParams] = {
    **{
        pool: ActiveParams(pool=pool, batch=6, neighbours=8, seed=3)
        for pool in ("classifier", "seals", "anchors", "global", "random")
    },
    "density": ActiveParams(
        strategy="information_density",
        pool="classifier",
        batch=6,
        neighbours=8,
        class_weight="balanced",
    ),
    "given": ActiveParams(
        model="given", pool="classifier", batch=6, neighbours=8, classes=(0, 1)
    ),
    "concepts": ActiveParams(
        concepts=("warm", "bright"), pool="classifier", batch=6, neighbours=8
    ),
}

ESTIMATES: dict[str, dict[str, Any]] = {
    "single": {"proxy": proxies()["a"], "params": EstimateParams(budget=60, strata=3)},
    "single known": {
        "proxy": proxies()["a"],
        "params": EstimateParams(
            target="avg", budget=60, strata=3, interval="bootstrap", seed=5
        ),
        "known": Known(
            ids=IDS[::8], positives=groups_of(IDS[::8]) == 0, values=values_of(IDS[::8])
        ),
    },
    "single stopping": {
        "proxy": proxies()["a"],
        "params": EstimateParams(
            budget=80,
            strata=3,
            rounds=4,
            pilot_share=0.25,
            stop_at_relative_width=0.9,
        ),
    },
    "several": {
        "proxy": proxies(),
        "params": EstimateParams(target="sum", budget=60, strata=3, seed=2),
    },
    "examples": {
        "examples": (IDS[::9], (groups_of(IDS[::9]) == 0).astype(float)),
        "neighbours": 3,
        "params": EstimateParams(budget=50, strata=3),
    },
    "refreshed": {
        "representatives": 16,
        "params": EstimateParams(
            target="sum", budget=70, strata=3, rounds=3, strata_cut="geometric"
        ),
    },
}

GROUPS: dict[str, dict[str, Any]] = {
    "disjoint": {
        "params": EstimateParams(target="sum", budget=70, strata=3, seed=2),
        "known": KnownGroups(
            ids=IDS[::10], groups=groups_of(IDS[::10]), values=values_of(IDS[::10])
        ),
    },
    "overlapping": {
        "overlapping": True,
        "params": EstimateParams(target="sum", budget=70, strata=3, seed=2),
        "known": {
            "a": Known(
                ids=IDS[::16],
                positives=groups_of(IDS[::16]) == 0,
                values=values_of(IDS[::16]),
            )
        },
    },
}

MOMENTS = {"in a batch": 3, "later": 23}
"""How many answers a session has when it is left."""


def begin_all(client: gleann.Client) -> dict[str, str]:
    """Begin every kind of session, each left at every moment; their names."""
    client.create_index("points", dim=DIM, metric="l2")
    client.upsert("points", IDS, vectors())
    client.build("points", BUILD).wait(timeout=60)
    names: dict[str, str] = {}
    for moment, answers in MOMENTS.items():
        for kind, params in ACTIVE.items():
            names[f"active, {kind}, {moment}"] = begin_active(client, params, answers)
        for kind, start in ESTIMATES.items():
            made = client.estimates.start("points", **start).name
            answer_estimate(client, made, most=answers)
            names[f"estimate, {kind}, {moment}"] = made
        for kind, start in GROUPS.items():
            started = client.groups.start("points", proxies=proxies(), **start)
            answer_groups(client, started.name, most=answers)
            names[f"groups, {kind}, {moment}"] = started.name
    return names


def begin_active(client: gleann.Client, params: ActiveParams, answers: int) -> str:
    seed = IDS[:40:4]
    made = client.active.start(
        "points", ids=seed, labels=labels_for(params, seed), params=params
    ).name
    client.active.ignore(made, [0, 50])
    answer_active(client, made, params, most=answers)
    return made


def labels_for(params: ActiveParams, ids: np.ndarray) -> np.ndarray:
    return concepts_of(ids) if params.concepts else classes_of(ids)


def ask_for_selections(client: gleann.Client) -> dict[str, str]:
    """Ask for a selection by each method; the names of the operations."""
    costs = (IDS, np.random.default_rng(3).random(N))
    groups = (IDS, np.array(["x", "y"])[np.arange(N) % 2])
    asked = {
        "weighted k-center": client.coresets.weighted_k_center(
            "points", k=6, costs=costs, cost_weight=0.5, cost_on="mean"
        ),
        "farthest first": client.coresets.farthest_first("points", k=5, seed=2),
        "margin": client.coresets.margin("points", k=5, costs=costs, groups=groups),
        "gist": client.coresets.gist("points", k=5, costs=costs, diversity=2.0),
        "ccs": client.coresets.ccs(
            "points", k=6, costs=costs, strata=4, seed=3, locked_ids=[30]
        ),
        "uniform": client.coresets.uniform(
            "points", k=6, seed=4, groups=groups, quotas="equal"
        ),
    }
    return {method: operation.name for method, operation in asked.items()}


# ------------------------------------------------------------------ how they go on


def answer_active(
    client: gleann.Client, name: str, params: ActiveParams, *, most: int
) -> list[int]:
    """Answer so many items; the ids that were asked for, in order."""
    asked: list[int] = []
    while True:
        if len(client.active.wanted_ids(name)):
            client.active.submit_probabilities(name, IDS, probabilities_of(IDS))
        if len(asked) == most:
            return asked
        ids = client.next_batch(name).ids[: most - len(asked)]
        client.submit_labels(name, ids, labels_for(params, ids))
        asked += ids.tolist()


def answer_estimate(client: gleann.Client, name: str, *, most: int) -> list[int]:
    asked: list[int] = []
    while len(asked) < most and len(batch := client.next_batch(name)):
        ids = batch.ids[: most - len(asked)]
        client.submit_labels(name, ids, groups_of(ids) == 0, values=values_of(ids))
        asked += ids.tolist()
    return asked


def answer_groups(client: gleann.Client, name: str, *, most: int) -> list[int]:
    asked: list[int] = []
    while len(asked) < most and (batches := client.groups.next_batches(name)):
        for group, batch in batches.items():
            ids = batch.ids[: most - len(asked)]
            if not len(ids):
                continue
            right, values = groups_of(ids), values_of(ids)
            if group:
                right = right == "ab".index(group)
                client.groups.submit_labels(
                    name, ids, right, group=group, values=values
                )
            else:
                client.groups.submit_labels(name, ids, right, values=values)
            asked += ids.tolist()
    return asked


def go_on(client: gleann.Client, key: str, name: str) -> dict[str, Any]:
    """What a session asks and answers from here to its end, as JSON.

    Args:
        client: of the directory it is in.
        key: of `begin_all`.
        name: of the session.
    """
    kind, which, _ = key.split(", ")
    info = client.sessions.get(name)
    before = {"kind": info.kind, "labelled": info.labelled, "version": info.version}
    if kind == "active":
        return before | go_on_labelling(client, name, ACTIVE[which])
    if kind == "estimate":
        batch = client.next_batch(name)
        asked = answer_estimate(client, name, most=1000)
        made = {"": client.estimates.get(name)}
    else:
        batches = client.groups.next_batches(name)
        batch = next(iter(batches.values()))
        asked = answer_groups(client, name, most=1000)
        made = client.groups.get(name)
    return before | {
        "batch": batch.ids.tolist(),
        "asked": asked,
        "estimates": {
            group: [one.value, one.low, one.high, one.labels_used]
            for group, one in made.items()
        },
        "left": client.sessions.get(name).labelled,
    }


def go_on_labelling(
    client: gleann.Client, name: str, params: ActiveParams
) -> dict[str, Any]:
    concept = params.concepts[0] if params.concepts else None
    batch = client.next_batch(name)
    asked = answer_active(client, name, params, most=9)
    if params.model == "given":
        scores = []
    else:
        found = client.active.score_items(name, IDS[:5], concept=concept)
        scores = found.probabilities.tolist()
    advice = client.active.stop_advice(name)
    return {
        "batch": batch.ids.tolist(),
        "asked": asked,
        "then": client.next_batch(name).ids.tolist(),
        "scores": scores,
        "advice": [advice.stop, advice.batches, advice.recent_positives],
        "left": client.sessions.get(name).labelled,
    }
