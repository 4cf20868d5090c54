"""One script, in process and through gRPC: the same values come back."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, exact_search
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams
from gleann.selection.rounds import PickerName, RoundsParams
from gleann.service.client import vector_calls
from gleann.service.server import Server
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


def script(client: gleann.Client, rows: np.ndarray, labels_of: Any) -> Iterator[Any]:
    """Use every method; yield what does not depend on time or on random names."""
    yield from storing_and_searching(client, rows)
    client.build("a", PARAMS).wait(timeout=60)
    yield from selecting(client, rows)
    client.delete_vectors("a", [5])
    client.build("a", PARAMS).wait(timeout=60)
    yield from labelling(client, rows, labels_of)
    yield from rounds(client, rows, labels_of)
    yield from answering(client, labels_of)
    yield from estimating(client, rows, labels_of)
    yield from grouping(client, rows, labels_of)
    yield [(info.kind, info.labelled) for info in client.sessions.list("a")]
    for session in client.sessions.list():
        client.sessions.close(session)
    yield [(op.kind, op.done) for op in client.operations.list()]
    client.delete_index("a")
    yield client.list_indexes()


def plain(value: Any) -> Any:
    """Arrays and dataclasses as lists and dictionaries, which compare."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        return type(value), plain(asdict(value))
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def test_the_same_values(
    tmp_path: Path,
    start_server: Callable[..., Server],
    rows: np.ndarray,
    labels_of: Any,
) -> None:
    with gleann.Client(tmp_path / "local") as client:
        local = list(script(client, rows, labels_of))
    with gleann.Client(start_server().target) as client:
        remote = list(script(client, rows, labels_of))
    for step, (here, there) in enumerate(zip(local, remote, strict=True)):
        assert plain(here) == plain(there), f"step {step}"


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
    monkeypatch.setattr(vector_calls, "CHUNK_HITS", 20)
    client.create_index("c", dim=8, metric="l2")
    assert client.upsert("c", np.arange(len(rows)), rows) == len(rows)
    assert client.get_index("c").sequence > 5
    found = client.search("c", rows, SearchParams(k=3))
    expected, distances = exact_search(rows, rows, metric="l2", k=3)
    assert np.array_equal(found.ids, expected)
    assert np.array_equal(found.distances, distances)
    assert found.stats.entries_scanned == len(rows) ** 2
    assert np.array_equal(client.get_vectors("c", np.arange(len(rows))), rows)
