"""A request with the id of an earlier one gets the earlier answer."""

from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import errors
from gleann.service.state import idempotency


def test_repeats_change_nothing(
    client: gleann.Client, rows: np.ndarray, quick: Any, labels_of: Any
) -> None:
    ids = np.arange(len(rows)) * 10
    for _ in range(2):
        client.create_index("i", dim=8, metric="l2", request_id="create")
        assert client.upsert("i", ids, rows, request_id="upsert") == len(rows)
        assert client.get_index("i").sequence == 1
    builds = [client.build("i", quick, request_id="build") for _ in range(2)]
    assert builds[0].name == builds[1].name
    builds[0].wait(timeout=60)
    picks = [client.coresets.uniform("i", k=3, request_id="pick") for _ in range(2)]
    assert picks[0].name == picks[1].name
    picks[1].wait(timeout=60)
    seed = ids[:40]
    sessions = [
        client.active.start("i", ids=seed, labels=labels_of(seed), request_id="start")
        for _ in range(2)
    ]
    assert sessions[0] == sessions[1]
    batch = client.next_batch(sessions[0]).ids
    taken = [
        client.submit_labels(sessions[0], batch, labels_of(batch), request_id="labels")
        for _ in range(2)
    ]
    assert taken[0] == taken[1]
    ignored = [
        client.active.ignore(sessions[0], ids[50:51], request_id="ignore")
        for _ in range(2)
    ]
    assert ignored[0] == ignored[1]
    for _ in range(2):
        client.sessions.close(sessions[0], request_id="close")
    for _ in range(2):
        assert client.delete_vectors("i", ids[:1], request_id="thin") == 1
    for _ in range(2):
        client.delete_index("i", request_id="delete")
    # The answer is the first one, even where the index is gone by now.
    assert client.create_index("i", dim=8, metric="l2", request_id="create").count == 0
    assert client.list_indexes() == []


def test_requests_that_an_earlier_version_answered(
    client: gleann.Client, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their digests are of another kind, in the table since before the upgrade."""
    client.create_index("i", dim=8)
    with monkeypatch.context() as earlier:
        earlier.setattr(idempotency, "digest_of", idempotency.first_digest_of)
        client.upsert("i", [1], rows[:1], request_id="x")
    client.delete_vectors("i", [1])
    assert client.upsert("i", [1], rows[:1], request_id="x") == 1
    assert client.get_index("i").count == 0
    with pytest.raises(errors.AlreadyExistsError, match="different request"):
        client.upsert("i", [2], rows[:1], request_id="x")


def test_an_id_belongs_to_one_request(client: gleann.Client, rows: np.ndarray) -> None:
    client.create_index("i", dim=8, request_id="x")
    with pytest.raises(errors.AlreadyExistsError, match="different request"):
        client.create_index("j", dim=8, request_id="x")
    with pytest.raises(errors.AlreadyExistsError, match="different request"):
        client.upsert("i", [1], rows[:1], request_id="x")
    assert client.get_index("i").count == 0


def test_a_failure_is_not_kept(client: gleann.Client, rows: np.ndarray) -> None:
    with pytest.raises(errors.UnknownIndexError):
        client.upsert("i", [1], rows[:1], request_id="x")
    client.create_index("i", dim=8)
    assert client.upsert("i", [1], rows[:1], request_id="x") == 1


def test_ids_are_not_stored_at_any_length(client: gleann.Client) -> None:
    with pytest.raises(errors.InvalidParamsError, match="257 characters"):
        client.create_index("i", dim=8, request_id="x" * 257)


def test_repeats_survive_a_restart(tmp_path: Any, rows: np.ndarray) -> None:
    for _ in range(2):
        with gleann.Client(tmp_path) as client:
            client.create_index("i", dim=8, request_id="create")
            client.upsert("i", [1], rows[:1], request_id="upsert")
            assert client.get_index("i").sequence == 1
