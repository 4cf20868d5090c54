"""One script, in process and through gRPC, blocking and awaited: the same values."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from inspect import getattr_static
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from driven_client import Driven

import gleann
from gleann.index import BuildParams, SearchParams, exact_search
from gleann.index.errors import (
    GleannError,
    InvalidInputError,
    LimitError,
    NonFiniteError,
)
from gleann.index.payload.schema import Column
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams
from gleann.selection.estimate.means import MeansParams, Statistic
from gleann.selection.promises import AuditParams, PromiseParams
from gleann.selection.rounds import PickerName, RoundsParams
from gleann.service.client.bulk import searches
from gleann.service.client.modes import InMode, Member
from gleann.service.client.operation import AsyncOperation
from gleann.service.server import Server
from gleann.service.values import Limits
from gleann.service.wire import paging

TIMES = {"created_at": None, "built_at": None}
PARAMS = BuildParams(metric="l2", nlist=8, tune_queries=50)


def storing_and_searching(client: gleann.Client, rows: np.ndarray) -> Iterator[Any]:
    ids = np.arange(len(rows)) * 10
    yield replace(client.create_index("a", dim=8, metric="l2"), **TIMES)
    yield client.upsert("a", ids, rows)
    yield client.search("a", rows[:9], SearchParams(k=3))
    yield replace(client.build("a", PARAMS).wait(timeout=60), **TIMES)
    yield client.search("a", rows[:9], SearchParams(k=3, nprobe=2))
    yield client.search("a", rows[:9], SearchParams(k=3, target_recall=0.9))
    yield client.delete_vectors("a", ids[:2])
    yield client.upsert("a", [5, 20], rows[:2])
    params = SearchParams(k=4, exact=True)
    yield client.search("a", rows[:9], params, allowed_ids=[5, 20, 30])
    yield client.get_vectors("a", [5, 30])
    yield replace(client.get_index("a"), **TIMES)


def collecting(client: gleann.Client, rows: np.ndarray) -> Iterator[Any]:
    """Columns and payload of the index "c", and changes by filters."""
    n = len(rows)
    columns = [
        Column("split", "string", indexed=True),
        Column("score", "float64"),
        Column("at", "timestamp"),
        Column("tags", "strings"),
        Column("extra", "json"),
    ]
    yield replace(
        client.create_index("c", dim=8, metric="l2", columns=columns), **TIMES
    )
    payload = {
        "split": ["train" if i % 3 else "test" for i in range(n)],
        "score": [i / n if i % 2 else None for i in range(n)],
        "at": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=i) for i in range(n)],
        "tags": [["a", "é"][: i % 3] for i in range(n)],
    }
    ids = [f"row-{i}" for i in range(n)]
    yield client.upsert("c", ids[:200], rows[:200], pa.table(payload).slice(0, 200))
    client.build("c", PARAMS).wait(timeout=60)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows[200:].ravel()), 8)
    table = pa.table(payload).slice(200)
    table = table.append_column("id", pa.array(ids[200:]))
    table = table.append_column("vector", vectors)
    yield client.upsert_table("c", table)
    yield client.update_payload("c", {"extra": ['{"a": 1}', None]}, ids=ids[4:6])
    late = {"split": "late", "score": 2}
    august = ["2024-08-01T00:00:00Z"]
    yield client.update_payload("c", late, where="at >= $1", parameters=august)
    yield client.delete_payload("c", ["tags"], where="split = 'late'")
    yield client.delete_payload("c", "*", ids=ids[:3])
    yield client.delete_vectors("c", where="id = 'row-7' OR score BETWEEN 0.1 AND 0.2")


def reading(client: gleann.Client, rows: np.ndarray) -> Iterator[Any]:
    """What is read of the index "c", which is deleted at the end."""
    where, parameters = "score > $1 AND contains(tags, $2)", [0.25, "a"]
    yield client.count("c"), client.count("c", where, parameters)
    yield client.get_payload("c", ["row-4", "row-230", "row-0"])
    yield client.get_payload("c", ["row-8", "row-9"], "at")
    yield from client.scroll(
        "c", where=where, parameters=parameters, page_size=17, with_vectors=True
    )
    yield [page.payload for page in client.scroll("c", page_size=100, columns=())]
    for options in (
        {"where": where, "parameters": parameters, "columns": "*"},
        {"columns": ["extra", "split"], "radius": 1.5},
        {"where": "split = 'nowhere'", "columns": "tags"},
        {
            "where": "split <> 'late'",
            "allowed_ids": [f"row-{i}" for i in range(60, 99)],
        },
    ):
        yield (found := client.search("c", rows[:9], SearchParams(k=4), **options))
        yield found.to_arrow()
        yield client.search("c", rows[0], SearchParams(k=4, exact=True), **options)
    yield replace(
        client.update_index("c", add_columns={"year": "int64"}, drop_columns="at"),
        **TIMES,
    )
    yield client.count("c", "year IS NULL")
    client.delete_index("c")


def streaming(client: gleann.Client, rows: np.ndarray) -> Iterator[Any]:
    """Streams into the index "s": with payload, refused batches and a second call."""
    client.create_index("s", dim=8, metric="l2", columns={"n": "int64"})
    stream = client.vectors.stream("s", stream_id="first")
    for begin in range(0, 200, 50):
        part = slice(begin, begin + 50)
        numbers = {"n": list(range(begin, begin + 50))}
        stream.send(np.arange(begin, begin + 50), rows[part], numbers)
    yield stream.flush(), stream.sequence
    yield stream.close(), stream.count
    wrong = rows[:3].copy()
    wrong[1, 1] = np.nan
    batches = [([7], rows[:1]), ([8, 9, 10], wrong), ([11], rows[1:2], {"n": [5]})]
    try:
        client.upload("s", batches, stream_id="second")
    except NonFiniteError as error:
        yield str(error)
    refused: list[Any] = []
    try:
        client.upload("s", batches, stream_id="second", on_refused=refused.append)
    except InvalidInputError as error:
        yield str(error), refused
    yield client.upload("s", batches, on_refused=refused.append)
    yield list(map(str, refused))
    yield client.count("s"), client.get_payload("s", [7, 11, 199])
    yield client.get_vectors("s", [7, 8, 9, 11])


def measuring(client: gleann.Client, rows: np.ndarray) -> Iterator[Any]:
    """Searches within a distance in the index "a"."""
    yield client.search_radius("a", rows[:9], 1.5)
    yield client.search_radius("a", rows[:9], 4.0, limit=3, where="id < 100")


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


def filtering(client: gleann.Client, rows: np.ndarray, labels_of: Any) -> Iterator[Any]:
    """Everything that takes a condition, after payload was set on a sealed version."""
    ids = np.arange(2, len(rows)) * 10
    client.indexes.update("a", add_columns={"seventh": "int64", "half": "string"})
    values = {"seventh": ids % 7, "half": np.where(ids % 4, "odd", "even")}
    yield client.payload.update("a", values, ids=ids)
    chosen: Any = {"where": "seventh < $1 AND half = 'odd'", "parameters": [5]}
    made = client.coresets.farthest_first("a", k=5, **chosen).wait(timeout=60)
    yield replace(made, name="")
    session = client.active.start(
        "a", ids=ids[:40], labels=labels_of(ids[:40]), **chosen
    )
    for _ in range(2):
        yield (batch := client.next_batch(session))
        yield client.active.coverage(session)
        client.submit_labels(session, batch.ids, labels_of(batch.ids))
    yield client.next_batch(client.rounds.start("a", **chosen)).ids
    params = EstimateParams(budget=40, strata=2, seed=1)
    proxy = (ids, np.linspace(0, 1, len(ids)))
    for source in ({"proxy": proxy}, {"representatives": 0}):
        one = client.estimates.start("a", params=params, **source, **chosen)
        while len((batch := client.next_batch(one)).ids):
            yield batch
            client.submit_labels(one, batch.ids, labels_of(batch.ids) > 0)
        yield client.estimates.get(one)
    both = {"x": proxy, "y": (ids, proxy[1][::-1])}
    groups = client.groups.start("a", params=params, proxies=both, **chosen)
    yield client.groups.next_batches(groups)


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


def keeping(client: gleann.Client, rows: np.ndarray, folder: Path) -> Iterator[Any]:
    """Files, operations and jobs, with an index "k"."""
    client.wait_ready(5)
    yield client.server_info()
    client.create_index("k", dim=8, metric="l2")
    folder.mkdir()
    np.save(folder / "rows.npy", rows)
    yield client.wait(client.import_vectors("k", folder / "rows.npy")).count
    made = client.indexes.optimize("k", "rebuild").refresh()
    yield replace(made.wait(timeout=60), **TIMES, optimizer=None)
    made.cancel()  # too late, as what follows
    client.operations.cancel(made.name)
    yield [refused(call) for call in (made.pause, made.resume, made.retry)]
    jobs = client.jobs
    yield [refused(call, made.name) for call in (jobs.pause, jobs.resume, jobs.retry)]
    assert made.log() == client.jobs.log(made.name)
    yield len(made.log().lines) > 0, made.log(after=10_000).lines
    yield client.operations.get(made.name).kind
    client.operations.delete(made.name)
    yield [one.kind for one in client.jobs.list("index = 'k'")]
    yield client.server_status(["version"]).version


def storing_away(
    client: gleann.Client, rows: np.ndarray, folder: Path
) -> Iterator[Any]:
    """Snapshots and selections of the index "k"."""
    kept = client.snapshots.create("k", where="id < 100").wait(timeout=60)
    assert client.snapshots.get(kept.name) == kept
    yield client.snapshots.verify(kept.name).wait(timeout=60).count
    client.snapshots.export_to(kept.name, folder / "kept.tar").wait(timeout=60)
    client.snapshots.delete(kept.name)
    yield client.snapshots.list("k")
    again = client.snapshots.import_from(folder / "kept.tar").wait(timeout=60)
    yield replace(
        client.snapshots.restore(again.name, "restored").wait(timeout=60), **TIMES
    )
    yield client.search("restored", rows[:9], SearchParams(k=2))
    few = client.coresets.uniform("k", k=3).wait(timeout=60)
    assert [one.name for one in client.coresets.list("k")] == [few.name]
    client.coresets.delete(few)
    yield client.coresets.list("k")


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


def planning(client: gleann.Client) -> Iterator[Any]:
    """What would be done with the index "k"; seconds and manifests differ."""
    plans = client.plans
    for planned in (
        plans.build("k"),
        plans.optimize("k", "rebuild"),
        plans.coresets.margin("k", k=3, costs=(np.arange(240), np.ones(240))),
        plans.curation.near_duplicates("k", radius=0.5),
        plans.curation.epoch_plan("k", fraction=0.2, epochs=2, by_lists=True),
    ):
        assert planned.plan is not None
        plan = replace(planned.plan, seconds=None, disk_bytes_after=0)
        yield planned.name, planned.kind, plan
    made = plans.create_index("planned", dim=8)
    yield replace(made, **TIMES)
    yield refused(plans.indexes.delete, "k")


def refused(call: Callable[..., Any], *arguments: Any) -> tuple[type, str]:
    """The exception of a call, without names that are random."""
    with pytest.raises(GleannError) as caught:
        call(*arguments)
    return caught.type, re.sub(r"operations/\w+", "operations/...", str(caught.value))


def script(
    client: gleann.Client, rows: np.ndarray, labels_of: Any, folder: Path
) -> Iterator[Any]:
    """Use every method; yield what does not depend on time or on random names."""
    yield from keeping(client, rows, folder)
    yield from storing_away(client, rows, folder)
    yield from planning(client)
    yield from curating(client, rows)
    yield from step_by_step(client, labels_of)
    yield from storing_and_searching(client, rows)
    yield from collecting(client, rows)
    yield from reading(client, rows)
    yield from streaming(client, rows)
    client.delete_index("s")
    yield from measuring(client, rows)
    client.build("a", PARAMS).wait(timeout=60)
    yield from selecting(client, rows)
    client.delete_vectors("a", [5])
    client.build("a", PARAMS).wait(timeout=60)
    yield from labelling(client, rows, labels_of)
    yield from rounds(client, rows, labels_of)
    yield from filtering(client, rows, labels_of)
    yield from answering(client, labels_of)
    yield from estimating(client, rows, labels_of)
    yield from grouping(client, rows, labels_of)
    yield from promising(client, rows, labels_of)
    yield [(info.kind, info.labelled) for info in client.sessions.list("a")]
    for session in client.sessions.list():
        client.sessions.close(session)
    yield [(op.kind, op.done) for op in client.operations.list()]
    client.delete_index("a")
    yield [info.name for info in client.list_indexes()]


def plain(value: Any) -> Any:
    """Arrays, tables and dataclasses as lists and dictionaries, which compare."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tolist()
    if isinstance(value, pa.Table):
        return value.schema.remove_metadata(), value.to_pylist()
    if hasattr(value, "__dataclass_fields__"):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return type(value), plain(parts)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return without_names(value) if isinstance(value, str) else value


def without_names(text: str) -> str:
    """The text, but for the name of a curation, which is drawn at random."""
    return re.sub(r"^curations/\w+$", "curations/...", text)


def test_the_same_values(
    tmp_path: Path,
    start_server: Callable[..., Server],
    rows: np.ndarray,
    labels_of: Any,
) -> None:
    roots = {"export_roots": (tmp_path,)}

    def values(client: Any, folder: str) -> list[Any]:
        return list(map(plain, script(client, rows, labels_of, tmp_path / folder)))

    with gleann.Client(tmp_path / "local") as client:
        expected = values(client, "1")
    with gleann.Client(start_server(**roots).target) as client:
        require_equal(values(client, "2"), expected)
    with awaited(tmp_path / "awaited") as client:
        require_equal(values(client, "3"), expected)
        require_all_called(client)
    with awaited(start_server("awaited server", **roots).target) as client:
        require_equal(values(client, "4"), expected)
        require_all_called(client)


def require_equal(values: list[Any], expected: list[Any]) -> None:
    for step, (value, wanted) in enumerate(zip(values, expected, strict=True)):
        assert value == wanted, f"step {step}"


def require_all_called(client: Driven) -> None:
    """No method is there that the script leaves out."""
    called = {function.__qualname__ for function in client.called}
    kinds = {type(value) for value in vars(client.of).values()}
    kinds |= {type(client.of), AsyncOperation}
    missing = {
        member.body.__qualname__
        for kind in kinds
        if issubclass(kind, InMode)
        for name in dir(kind)
        if isinstance(member := getattr_static(kind, name), Member)
    } - called
    assert missing == {"ClientMethods.close"}  # by `awaited`


@contextmanager
def awaited(place: Path | str) -> Iterator[Any]:
    """An `AsyncClient` that is called as a `Client` is."""
    with asyncio.Runner() as runner:
        driven = Driven(gleann.AsyncClient(place), runner.get_loop(), set())
        yield driven
        driven.close()


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("kind", [np.int64, np.str_])
def test_neighbours_are_right(
    client: gleann.Client, rows: np.ndarray, metric: Any, kind: type
) -> None:
    """Sealed, newer and removed vectors together give what exhaustive search gives."""
    names = (np.arange(len(rows)) + 1000).astype(kind)
    client.create_index("m", dim=8, metric=metric)
    client.upsert("m", names[:150], rows[:150])
    client.build("m", BuildParams(metric=metric, nlist=4, tune_queries=0)).wait(
        None, 60
    )
    moved = rows[:30] + 1  # ids that the sealed version holds at another place
    client.upsert("m", names[:30], moved)
    client.upsert("m", names[150:], rows[150:])
    client.delete_vectors("m", names[40:60])
    now = np.concatenate([moved, rows[30:40], rows[60:]])
    now_names = np.delete(names, np.arange(40, 60))
    assert client.get_index("m").count == len(now)
    for count in (len(now), 7):
        for exact in (True, False):
            nprobe = None if exact else 4
            params = SearchParams(k=count, nprobe=nprobe, exact=exact)
            found = client.search("m", rows[:20], params)
            expected, distances = exact_search(rows[:20], now, metric=metric, k=count)
            assert np.allclose(found.distances, distances, atol=1e-5)
            assert found.ids.dtype.kind == names.dtype.kind
            near = np.isclose(distances[:, :-1], distances[:, 1:], atol=1e-5)
            clear = ~(np.pad(near, ((0, 0), (1, 0))) | np.pad(near, ((0, 0), (0, 1))))
            assert (found.ids == now_names[expected])[clear].all()
            assert all(len(set(ids)) == count for ids in found.ids.tolist())


def test_large_batches_are_sent_in_several_messages(
    client: gleann.Client, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(searches, "CHUNK_HITS", 20)
    client.create_index("c", dim=8, metric="l2")
    assert client.upsert("c", np.arange(len(rows)), rows) == len(rows)
    assert client.get_index("c").sequence > 5
    found = client.search("c", rows, SearchParams(k=3))
    expected, distances = exact_search(rows, rows, metric="l2", k=3)
    assert np.array_equal(found.ids, expected)
    assert np.array_equal(found.distances, distances)
    assert found.stats.entries_scanned == len(rows) ** 2
    assert np.array_equal(client.get_vectors("c", np.arange(len(rows))), rows)


def test_large_payload_is_sent_in_several_messages(
    start_server: Callable[..., Server],
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = Limits(message_bytes=200_000)
    texts = [str(i) * (3000 // len(str(i))) for i in range(len(rows))]
    ids = np.arange(len(rows))
    with gleann.Client(start_server(limits=limits).target) as client:
        client.create_index("c", dim=8, metric="l2", columns={"text": "string"})
        client.upsert("c", ids, rows, {"text": texts})
        assert client.get_index("c").sequence > 5
        assert client.get_payload("c", ids)["text"].to_pylist() == texts
        pages = list(client.scroll("c", page_size=len(rows)))
        assert len(pages) > 3
        assert [t for page in pages for t in page.payload["text"].to_pylist()] == texts
        found = client.search("c", rows, SearchParams(k=3), columns=["text"])
        assert found.payload["text"].to_pylist() == [
            texts[i] for i in found.ids.ravel()
        ]
        assert found.ids.shape == (len(rows), 3)
        reversed_texts = texts[::-1]
        client.update_payload("c", {"text": reversed_texts}, ids=ids)
        assert client.get_payload("c", ids)["text"].to_pylist() == reversed_texts
        with pytest.raises(LimitError, match="row 0 takes"):
            client.upsert("c", [0], rows[:1], {"text": ["x" * 200_000]})
