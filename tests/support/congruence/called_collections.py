"""One script of the calls on collections: the values that they return."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from called_values import PARAMS, TIMES, refused

import gleann
from gleann.index import SearchParams
from gleann.index.errors import (
    InvalidInputError,
    NonFiniteError,
)
from gleann.index.payload.schema import Column
from gleann.selection.estimate import EstimateParams


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


def keeping(client: gleann.Client, rows: np.ndarray, folder: Path) -> Iterator[Any]:
    """Files, operations and jobs, with an index "k"."""
    client.wait_ready(60)
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
