"""One script of the calls that select, label, estimate and curate: their values."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from called_values import PARAMS, plain, refused

import gleann
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams
from gleann.selection.estimate.means import MeansParams, Statistic
from gleann.selection.promises import AuditParams, PromiseParams
from gleann.selection.rounds import PickerName, RoundsParams


def selecting(client: gleann.Client, rows: np.ndarray) -> Iterator[Any]:
    ids = np.append(np.arange(2, len(rows)) * 10, 5)
    costs = (ids, np.linspace(0, 1, len(ids)))
    groups = (ids, np.where(ids % 30, "many", "few"))
    for made in (
        client.coresets.weighted_k_center(
            "a", k=5, costs=costs, cost_weight=0.1, locked_ids=[5]
        ),
        client.coresets.farthest_first("a", k=5, covered_ids=[5], seed=3),
        client.coresets.margin("a", k=5, costs=costs),
        client.coresets.weighted_k_center(
            "a", k=5, costs=costs, cost_weight=0.3, cost_on="mean"
        ),
        client.coresets.gist("a", k=5, costs=costs, diversity=2.0, locked_ids=[5]),
        client.coresets.ccs("a", k=5, costs=costs, strata=3, seed=4),
        client.coresets.ccs("a", k=6, costs=costs, groups=groups, quotas="equal"),
        client.coresets.farthest_first("a", k=6, groups=groups),
        client.coresets.uniform("a", k=6, seed=3, locked_ids=[5], groups=groups),
        client.coresets.uniform("a", k=5, seed=3, allowed_ids=ids[40:80]),
    ):
        selected = made.wait(timeout=60)
        again = client.coresets.get(selected.name)
        assert plain(again) == plain(selected)
        yield replace(selected, name="")


def labelling(client: gleann.Client, rows: np.ndarray, labels_of: Any) -> Iterator[Any]:
    ids = np.arange(2, len(rows)) * 10
    session = client.active.start(
        "a", ids=ids[:58], labels=labels_of(ids[:58]), params=ActiveParams(batch=6)
    )
    for _ in range(3):
        yield (batch := client.next_batch(session))
        client.submit_labels(session, batch.ids, labels_of(batch.ids))
    other = client.active.start(
        "a",
        ids=ids[:58],
        labels=labels_of(ids[:58]),
        params=ActiveParams(
            batch=6, pool="anchors", strategy="information_density", anchors=3
        ),
    )
    yield client.next_batch(other)
    client.active.ignore(session, client.next_batch(session).ids[:2])
    yield client.next_batch(session)
    yield client.active.stop_advice(session)
    yield client.active.score_items(session, ids[5:9])
    yield client.active.score_items(session)
    yield client.active.coverage(other)
    yield client.active.coverage(other, top=20)


def rounds(client: gleann.Client, rows: np.ndarray, labels_of: Any) -> Iterator[Any]:
    ids = np.arange(2, len(rows)) * 10
    for picker in get_args(PickerName):
        session = client.rounds.start(
            "a",
            ids=ids[:30],
            labels=labels_of(ids[:30]),
            params=RoundsParams(picker=picker, batch=6, seed=2, splits=1),
        )
        for _ in range(2):
            yield (batch := client.next_batch(session))
            client.submit_labels(session, batch.ids, labels_of(batch.ids))
        client.rounds.ignore(session, client.next_batch(session).ids[:2])
        yield client.next_batch(session)
        yield client.rounds.score_items(session, ids[5:9])
    empty = client.start_rounds_session("a", params=RoundsParams(batch=5))
    yield client.next_batch(empty).ids  # without a model, margins are NaN


def answering(client: gleann.Client, labels_of: Any) -> Iterator[Any]:
    """Two questions a vector, and a model that is not the session's."""
    ids = np.arange(2, 240) * 10

    def answers_of(wanted: np.ndarray) -> np.ndarray:
        return np.stack([labels_of(wanted), wanted % 30 == 0], axis=1).astype(int)

    session = client.active.start(
        "a",
        ids=ids[:40],
        labels=answers_of(ids[:40]),
        params=ActiveParams(batch=5, neighbours=8, concepts=("right", "third")),
    )
    for _ in range(2):
        yield (batch := client.next_batch(session))
        yield client.active.coverage(session, concept="third")
        client.submit_labels(session, batch.ids, answers_of(batch.ids))
    yield client.active.score_items(session, ids[50:55], concept="right")
    given = client.active.start(
        "a",
        ids=ids[:2],
        labels=[1, 1],
        params=ActiveParams(batch=4, neighbours=9, model="given", classes=(0, 1)),
    )
    for _ in range(2):
        yield (wanted := client.active.wanted_ids(given))
        p = (wanted % 97) / 97
        client.active.submit_probabilities(given, wanted, np.stack([1 - p, p], axis=1))
        yield (batch := client.next_batch(given))
        yield client.active.score_items(given, batch.ids)
        client.submit_labels(given, batch.ids, labels_of(batch.ids))


def estimating(
    client: gleann.Client, rows: np.ndarray, labels_of: Any
) -> Iterator[Any]:
    ids = np.arange(2, 60) * 10
    for target in ("count", "avg"):
        params = EstimateParams(target=target, budget=60, strata=3, seed=1)
        session = client.estimates.start(
            "a", params=params, examples=(ids, labels_of(ids))
        )
        while len(batch := client.next_batch(session)):
            held = labels_of(batch.ids) == 1
            client.submit_labels(session, batch.ids, held, values=batch.ids / 100)
        yield client.estimates.get(session)


def grouping(client: gleann.Client, rows: np.ndarray, labels_of: Any) -> Iterator[Any]:
    ids = client.next_batch(
        client.estimates.start(
            "a", params=EstimateParams(budget=60, strata=3), representatives=20
        )
    ).ids
    yield ids
    everything = np.arange(2, len(rows)) * 10
    proxies = {
        name: (everything, np.abs(rows[2:, column]))
        for column, name in enumerate(("left", "right"))
    }
    params = EstimateParams(budget=80, strata=3)
    for overlapping in (False, True):
        session = client.groups.start(
            "a", params=params, proxies=proxies, overlapping=overlapping
        )
        while batches := client.groups.next_batches(session):
            yield batches
            for group, batch in batches.items():
                client.groups.submit_labels(
                    session, batch.ids, labels_of(batch.ids), group=group or None
                )
        yield client.groups.get(session)


def promising(client: gleann.Client, rows: np.ndarray, labels_of: Any) -> Iterator[Any]:
    """Promised sets, audits of a batch, and several means from one sample."""
    ids = np.arange(2, len(rows)) * 10
    scores = (ids, rows[2:, 0].astype(np.float64))
    for promise in ("recall", "precision"):
        params = PromiseParams(promise=promise, target=0.7, budget=80, seed=3)
        session = client.promises.start("a", params=params, proxy=scores)
        while len(batch := client.promises.next_batch(session)):
            yield batch
            held = labels_of(batch.ids) > 0
            client.promises.submit_labels(session, batch.ids, held)
        yield client.promises.get(session)
    audit = client.promises.start_audit("a", ids[:90], params=AuditParams(size=20))
    yield (batch := client.next_batch(audit))
    client.submit_labels(audit, batch.ids, labels_of(batch.ids) > 0)
    yield client.promises.bound(audit)
    statistics = (Statistic(name="size"), Statistic(name="right", kind="share"))
    session = client.means.start(
        "a",
        params=MeansParams(statistics=statistics, budget=80, stratify_by="x"),
        controls={"x": scores},
        groups={"third": (ids, ids % 30)},
        by_list=True,
    )
    while len(batch := client.means.next_batch(session)):
        yield batch
        values = np.column_stack([rows[batch.ids // 10, 1], labels_of(batch.ids)])
        client.means.submit_values(session, batch.ids, values)
    yield client.means.get(session)
    yield client.next_batch(session).ids
    yield from promising_by_payload(client, rows)


def promising_by_payload(client: gleann.Client, rows: np.ndarray) -> Iterator[Any]:
    """Promises and means by columns of payload, and an audit that the caller drew."""
    ids, columns = np.arange(len(rows)), {"score": "float64", "source": "string"}
    payload = {
        "score": rows[:, 0].tolist(),
        "source": [["web", "talk"][i % 2] for i in range(len(rows))],
    }
    client.create_index("p", dim=8, metric="l2", columns=columns)
    client.upsert("p", ids, rows, payload)
    client.build("p", PARAMS).wait(timeout=60)
    promise = client.promises.start(
        "p", params=PromiseParams(budget=40), proxy="score", where="source = 'web'"
    )
    yield client.next_batch(promise)
    means = client.means.start(
        "p",
        params=MeansParams(
            statistics=(Statistic(name="size"),), budget=40, stratify_by="x"
        ),
        controls={"x": "score"},
        groups={"source": "source"},
    )
    while len(batch := client.means.next_batch(means)):
        yield batch
        client.means.submit_values(means, batch.ids, rows[batch.ids, 1])
    yield client.means.get(means)
    drawn = np.random.default_rng(4).choice(ids[:90], 20, replace=False)
    audit = client.promises.start_audit(
        "p", ids[:90], params=AuditParams(size=20, design="uniform"), drawn=drawn
    )
    yield (batch := client.next_batch(audit))
    client.submit_labels(audit, batch.ids, rows[batch.ids, 0] > 0)
    yield client.promises.bound(audit)
    for session in (promise, means, audit):
        client.sessions.close(session)
    client.delete_index("p")


def training(client: gleann.Client, rows: np.ndarray) -> Iterator[Any]:
    """Targets, epochs and negatives of the index "k"."""
    curation = client.curation
    jobs = {
        "chosen": curation.for_target("k", rows[:5] + 0.1, budget=20, mode="distil"),
        "epochs": curation.epoch_plan("k", fraction=0.2, epochs=2, by_lists=True),
        "negatives": curation.mine_negatives(
            "k", rows[:5] + 0.1, positives=[[1], [], [2, 3], [], []], per_query=3
        ),
    }
    for name, job in jobs.items():
        made = job.wait(timeout=60)
        yield made.summary, made.info.tables, made.table(name)
        curation.delete(made.name)


def curating(client: gleann.Client, rows: np.ndarray) -> Iterator[Any]:
    """Near-duplicates and pairs of the index "k"."""
    curation = client.curation
    made = curation.near_duplicates("k", radius=0.5, curve=True).wait(timeout=60)
    closer = curation.rethreshold("k", made.name, radius=0.2).wait(timeout=60)
    pairs = curation.join("k", rows[:9], radius=0.5, where="id < 100")
    for one in (made, closer, pairs.wait(timeout=60)):
        yield one.summary, one.info.tables, one.provenance
        yield one.table("pairs").sort_by(
            [("id", "ascending"), ("other_id", "ascending")]
        )
    yield [len(page) for page in made.pages("rows", columns=["id"], size=100)]
    yield from training(client, rows)
    split = curation.similarity_split("k", folds=2, together_curation=made.name)
    some = curation.similarity_split("k", folds=2, where="id < 100")
    for one in (split, some):
        answer = one.wait(timeout=60)
        yield answer.summary, answer.provenance, answer.table("folds")
    yield refused(curation.leakage, "k")
    signs = np.where(rows[:40, 0] > 0, "up", "down")
    spread = curation.propagate("k", ids=np.arange(40), labels=signs, uncertain=3)
    loose = {"up": 1.0, "down": 1.0}
    named = spread.wait(timeout=60).name
    allocated = curation.allocate_labels("k", named, upper_bounds=loose)
    audited = curation.audit("k", made.name, orders=[1, np.inf], where="id < 100")
    for one in (spread, allocated):
        answer = one.wait(timeout=60)
        yield answer.summary, answer.info.tables, answer.table("rows")
    yield refused(audited.wait)  # kept vectors that do not pass
    yield curation.audit("k", np.arange(9)).wait(timeout=60).table("coverage")
    assert curation.get(made.name).info == made.info
    assert [one.name for one in curation.list("k")][:2] == [made.name, closer.name]
    curation.delete(made.name)
    yield refused(curation.get, "curations/0")
    yield len(curation.list())


def step_by_step(client: gleann.Client, labels_of: Any) -> Iterator[Any]:
    """Sessions by the methods of their kind, on the index "k" with the ids of rows."""

    def right(ids: Any) -> Any:
        return labels_of(np.asarray(ids) * 10)

    ids = np.arange(40)
    active = client.active.start("k", ids=ids, labels=right(ids))
    batch = client.active.next_batch(active)
    yield client.active.submit_labels(active, batch.ids, right(batch.ids)).labelled
    rounds = client.rounds.start("k", ids=ids, labels=right(ids))
    batch = client.rounds.next_batch(rounds)
    yield client.rounds.submit_labels(rounds, batch.ids, right(batch.ids)).labelled
    params = EstimateParams(budget=40, strata=2, seed=1)
    estimate = client.estimates.start("k", params=params, representatives=0)
    batch = client.estimates.next_batch(estimate)
    held = right(batch.ids) == 1
    yield client.estimates.submit_labels(estimate, batch.ids, held).labelled
    yield client.sessions.get(estimate).kind
