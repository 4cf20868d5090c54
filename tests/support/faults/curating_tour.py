"""The part of the tour of `fuzz_tour` that curates, promises and plans.

Rows from 9 on have payload whatever the tour changed before; the last one is as the
first.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from fuzzing import DIM, NAME

import gleann
from gleann.selection.estimate.means import MeansParams, Statistic
from gleann.selection.promises import AuditParams, PromiseParams

OTHER = "fuzz-other"
"""A second index, for methods that compare two."""

PLANNED = "fuzz-planned"
"""An index that is planned and not made."""

WITH_PAYLOAD = "whole >= 9"
SECONDS = 60.0


def forget_stored(client: gleann.Client) -> None:
    """Delete the answers that earlier tours stored: they outlive their index."""
    for one in client.curation.list():
        client.curation.delete(one.name)
    for one in client.coresets.list():
        client.coresets.delete(one)


def curate(client: gleann.Client, ids: np.ndarray, rows: np.ndarray) -> None:
    """Run a job of every method of curation, in turn, and read what they stored."""
    client.create_index(OTHER, dim=DIM, metric="l2")
    client.upsert(OTHER, ids[:6], rows[:6] + np.float32(0.1))
    curation = client.curation
    made = curation.near_duplicates(NAME, radius=0.5, curve=True).wait(timeout=SECONDS)
    spread = curation.propagate(
        NAME,
        ids=ids[:20],
        labels=np.where(rows[:20, 0] > 0, "up", "down"),
        weights=np.ones(20),
        uncertain=3,
    ).wait(timeout=SECONDS)
    for job in chain(
        _of_stored(curation, made.name, spread.name),
        _of_vectors(curation, ids, rows),
        _of_columns(curation, ids, rows),
    ):
        job.wait(timeout=SECONDS)
    assert len(list(curation.get(made.name).pages("rows", columns=["id"], size=40))) > 1
    assert curation.list(NAME)
    spare = curation.epoch_plan(NAME, fraction=0.5).wait(timeout=SECONDS)
    curation.delete(spare.name)


def _of_stored(curation: Any, duplicates: str, spread: str) -> Iterator[Any]:
    """Jobs that read near-duplicates and labels that are stored."""
    yield curation.rethreshold(NAME, duplicates, radius=0.2)
    yield curation.near_duplicates(NAME, radius=0.4, against=OTHER)
    yield curation.leakage(NAME, OTHER, radius=0.5)
    yield curation.near_duplicates(NAME, radius=0.4, known=duplicates)
    yield curation.similarity_split(NAME, folds=2, together_curation=duplicates)
    yield curation.audit(NAME, duplicates, table="rows", flag="kept")
    yield curation.allocate_labels(NAME, spread, upper_bounds={"up": 1.0, "down": 1.0})


def _of_vectors(curation: Any, ids: np.ndarray, rows: np.ndarray) -> Iterator[Any]:
    """Jobs that are given vectors, numbers or ids."""
    near = rows[:3] + np.float32(0.1)
    probabilities = np.full((10, 2), 0.5)
    yield curation.near_duplicates(
        NAME, radius=0.4, keep_by="score", scores=(ids, rows[:, 1]), against=near
    )
    yield curation.join(NAME, near, radius=0.5, max_pairs=1000)
    yield curation.join(NAME, OTHER, k=2, target_recall=0.9)
    yield curation.propagate(
        NAME, ids=ids[:10], probabilities=probabilities, classes=[0, 1], k=4
    )
    yield curation.allocate_labels(
        NAME, (ids[:10], probabilities, ["a", "b"]), counts={"a": 3, "b": 7}
    )
    yield curation.audit(NAME, ids[10:20], orders=[1.0, np.inf], shares=[0.5])
    yield curation.for_target(NAME, near, budget=4, tasks=["a", "b", "a"])
    yield curation.for_target(
        NAME, budget=4, target_ids=ids[:3], mode="best_rank", excluded_ids=ids[:2]
    )
    yield curation.for_target(NAME, near, budget=4, mode="resample", smoothing=1.0)
    yield curation.for_target(NAME, near, budget=4, mode="distil", sample_size=30)
    yield curation.mine_negatives(NAME, near, positives=[[1], [], [2, 3]], per_query=2)
    yield curation.mine_negatives(
        NAME, query_ids=ids[:2], positives=[[1], [2]], per_query=2, window=(1, 9)
    )
    yield curation.epoch_plan(NAME, fraction=0.2, epochs=2, by_lists=True)


def _of_columns(curation: Any, ids: np.ndarray, rows: np.ndarray) -> Iterator[Any]:
    """Jobs that read payload, of the vectors that have it."""
    yield curation.leakage(
        NAME,
        split_column="whole",
        trained_on=[str(number) for number in ids[10:30]],
        radius=0.5,
        group_column="flag",
        bins=5,
        where=WITH_PAYLOAD,
    )
    yield curation.similarity_split(
        NAME, folds=2, together_column="flag", where=WITH_PAYLOAD
    )
    yield curation.audit(
        NAME, ids[10:20], group_columns=["flag"], where=WITH_PAYLOAD, seed=2
    )
    yield curation.epoch_plan(
        NAME, fraction=0.2, stratum_column="flag", where=WITH_PAYLOAD
    )
    yield curation.for_target(
        NAME, rows[:2], budget=4, group_column="flag", caps=3, where=WITH_PAYLOAD
    )


def promise(client: gleann.Client, ids: np.ndarray, rows: np.ndarray) -> None:
    """Label to the end of a promised set, an audit and several means."""
    scores = (ids, rows[:, 0].astype(np.float64))
    promises, means = client.promises, client.means
    params = PromiseParams(promise="recall", target=0.7, budget=30, seed=3)
    session = promises.start(NAME, params=params, proxy=scores)
    while len(batch := promises.next_batch(session)):
        promises.submit_labels(session, batch.ids, rows[batch.ids, 0] > 0)
    promises.get(session)
    promises.start(
        NAME, params=PromiseParams(budget=20), proxy="real", where=WITH_PAYLOAD
    )
    audit = promises.start_audit(NAME, ids[:30], params=AuditParams(size=10))
    batch = promises.next_batch(audit)
    promises.submit_labels(audit, batch.ids, rows[batch.ids, 0] > 0)
    promises.bound(audit)
    statistics = (Statistic(name="size"), Statistic(name="right", kind="share"))
    counted = means.start(
        NAME,
        params=MeansParams(statistics=statistics, budget=30, stratify_by="x", strata=2),
        controls={"x": scores},
        groups={"half": (ids, ids % 2)},
        by_list=True,
    )
    while len(batch := means.next_batch(counted)):
        found = rows[batch.ids]
        means.submit_values(
            counted, batch.ids, np.column_stack([found[:, 1], found[:, 0] > 0])
        )
    means.get(counted)


def plan(client: gleann.Client, rows: np.ndarray) -> None:
    """Ask what work would take, of each kind that has a plan."""
    plans = client.plans
    plans.create_index(PLANNED, dim=3, metric="l2")
    plans.build(NAME, gleann.BuildParams(metric="l2", nlist=3))
    plans.optimize(NAME, "rebuild")
    plans.coresets.farthest_first(NAME, k=3)
    plans.curation.near_duplicates(NAME, radius=0.5)
    plans.curation.join(NAME, rows[:3], radius=0.5)
