"""One script, in process and through gRPC: the same values come back."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, exact_search
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams
from gleann.service import index_calls
from gleann.service.server import Server

TIMES = {"created_at": None, "built_at": None}


def script(client: gleann.Client, rows: np.ndarray, labels_of: Any) -> list[Any]:
    """Use every method; return what does not depend on time or on random names."""
    ids = np.arange(len(rows)) * 10
    seen: list[Any] = [replace(client.create_index("a", dim=8, metric="l2"), **TIMES)]
    seen.append(client.upsert("a", ids, rows))
    seen.append(client.search("a", rows[:9], SearchParams(k=3)))
    params = BuildParams(metric="l2", nlist=8, tune_queries=50)
    seen.append(replace(client.build("a", params).wait(timeout=60), **TIMES))
    seen.append(client.search("a", rows[:9], SearchParams(k=3, nprobe=2)))
    seen.append(client.search("a", rows[:9], SearchParams(k=3, target_recall=0.9)))
    seen.append(client.delete_vectors("a", ids[:2]))
    seen.append(client.upsert("a", [5, 20], rows[:2]))
    allowed = SearchParams(k=4, exact=True)
    seen.append(client.search("a", rows[:9], allowed, allowed_ids=[5, 20, 30]))
    seen.append(client.get_vectors("a", [5, 30]))
    seen.append(replace(client.get_index("a"), **TIMES))
    client.build("a", params).wait(timeout=60)
    costs = (client_ids := np.append(ids[2:], 5), np.linspace(0, 1, len(client_ids)))
    for made in (
        client.select_coreset("a", k=5, costs=costs, cost_weight=0.1, locked_ids=[5]),
        client.select_farthest_first("a", k=5, covered_ids=[5], seed=3),
        client.select_margin("a", k=5, costs=costs),
        client.select_uniform("a", k=5, seed=3, allowed_ids=ids[40:80]),
    ):
        seen.append(replace(made.wait(timeout=60), name=""))
    seed = ids[2:60]
    active = client.start_active_session(
        "a", ids=seed, labels=labels_of(seed), params=ActiveParams(batch=6)
    )
    for _ in range(3):
        seen.append(batch := client.next_batch(active))
        client.submit_labels(active, batch.ids, labels_of(batch.ids))
    client.ignore(active, client.next_batch(active).ids[:2])
    seen += [client.next_batch(active), client.stop_advice(active)]
    seen.append(client.score_items(active, ids[5:9]))
    seen.append(client.score_items(active))
    for target in ("count", "avg"):
        wanted = EstimateParams(target=target, budget=60, strata=3, seed=1)
        estimate = client.start_estimate_session(
            "a", params=wanted, examples=(ids[2:60], labels_of(ids[2:60]))
        )
        while len(batch := client.next_batch(estimate)):
            held = labels_of(batch.ids) == 1
            client.submit_labels(estimate, batch.ids, held, values=batch.ids / 100)
        seen.append(client.get_estimate(estimate))
    seen.append([(info.kind, info.labelled) for info in client.list_sessions("a")])
    for session in client.list_sessions():
        client.close_session(session)
    seen.append([(op.kind, op.done) for op in client.list_operations()])
    client.delete_index("a")
    seen.append(client.list_indexes())
    return seen


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
        local = script(client, rows, labels_of)
    with gleann.Client(start_server().target) as client:
        remote = script(client, rows, labels_of)
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
    monkeypatch.setattr(index_calls, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(index_calls, "CHUNK_HITS", 20)
    client.create_index("c", dim=8, metric="l2")
    assert client.upsert("c", np.arange(len(rows)), rows) == len(rows)
    assert client.get_index("c").sequence > 5
    found = client.search("c", rows, SearchParams(k=3))
    expected, distances = exact_search(rows, rows, metric="l2", k=3)
    assert np.array_equal(found.ids, expected)
    assert np.array_equal(found.distances, distances)
    assert found.stats.entries_scanned == len(rows) ** 2
    assert np.array_equal(client.get_vectors("c", np.arange(len(rows))), rows)
