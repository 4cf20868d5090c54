"""A request of payload or columns that is repeated with its request_id is done once."""

import numpy as np
import pytest

import gleann
from gleann.index.errors import AlreadyExistsError

ROWS = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)


@pytest.fixture
def held(client: gleann.Client) -> gleann.Client:
    columns = {"split": "string", "score": "float64"}
    client.create_index("a", dim=4, metric="l2", columns=columns, request_id="create")
    split = ["train", "test"] * 3
    payload = {"split": split, "score": np.arange(6.0)}
    client.upsert("a", np.arange(6), ROWS, payload, request_id="upsert")
    return client


def test_an_equal_request_returns_the_first_answer(held: gleann.Client) -> None:
    calls = {
        "delete": lambda: held.delete_vectors(
            "a", where="split = $1", parameters=["test"], request_id="delete"
        ),
        "update": lambda: held.update_payload(
            "a", {"score": -1.0}, where="split = 'train'", request_id="update"
        ),
        "update ids": lambda: held.update_payload(
            "a", {"score": [7.0]}, ids=[0], request_id="update ids"
        ),
        "clear": lambda: held.delete_payload("a", "score", ids=[2], request_id="clear"),
        "columns": lambda: held.update_index(
            "a", add_columns={"year": "int64"}, request_id="columns"
        ),
    }
    first = {name: call() for name, call in calls.items()}
    assert [first[name] for name in ("delete", "update", "update ids", "clear")] == [
        3, 3, 1, 1,
    ]  # fmt: skip
    held.upsert("a", [1, 3], ROWS[:2], {"split": ["test", "train"], "score": [5, 5]})
    before = held.get_index("a")
    assert {name: call() for name, call in calls.items()} == first
    assert held.get_index("a") == before
    assert held.get_payload("a", [1, 3])["score"].to_pylist() == [5, 5]


def test_another_request_with_the_id_is_refused(held: gleann.Client) -> None:
    held.delete_vectors("a", where="score = 0", request_id="once")
    for again in (
        lambda: held.delete_vectors("a", where="score = 1", request_id="once"),
        lambda: held.delete_vectors("a", [1], request_id="once"),
        lambda: held.update_payload("a", {"score": 1}, where="true", request_id="once"),
        lambda: held.upsert("a", np.arange(6), ROWS, request_id="upsert"),
    ):
        with pytest.raises(AlreadyExistsError, match="request_id"):
            again()
    assert held.count("a") == 5
