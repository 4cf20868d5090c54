"""Deleting vectors: all or nothing, or those that there are."""

import numpy as np
import pytest

import gleann
from gleann.index import errors


def test_an_unknown_id_refuses_all(built: gleann.Client) -> None:
    with pytest.raises(errors.UnknownIdError, match="7"):
        built.delete_vectors("built", [10, 7])
    assert built.get_index("built").count == 240


def test_missing_ok_removes_the_known_ones(built: gleann.Client) -> None:
    assert built.delete_vectors("built", [10, 7, 20], missing_ok=True) == 2
    assert built.get_index("built").count == 238
    assert built.delete_vectors("built", [10, 7, 20], missing_ok=True) == 0
    before = built.get_index("built").sequence
    assert built.delete_vectors("built", [7], missing_ok=True) == 0
    assert built.get_index("built").sequence == before
    with pytest.raises(errors.UnknownIdError):
        built.get_vectors("built", [10])


def test_newer_vectors_and_sealed_ones_alike(
    built: gleann.Client, rows: np.ndarray
) -> None:
    built.upsert("built", [1, 2], rows[:2])
    assert built.delete_vectors("built", [1, 3, 30], missing_ok=True) == 2
    assert built.get_index("built").count == 240


def test_a_repeat_with_one_request_id_gives_one_answer(built: gleann.Client) -> None:
    for _ in range(2):
        count = built.delete_vectors(
            "built", [10, 7], missing_ok=True, request_id="once"
        )
        assert count == 1
    assert built.get_index("built").count == 239


@pytest.mark.parametrize("ids", [["10"], ["a", "b"]])
def test_ids_of_the_other_kind(built: gleann.Client, ids: list[str]) -> None:
    with pytest.raises(errors.UnknownIdError):
        built.delete_vectors("built", ids)
    assert built.delete_vectors("built", ids, missing_ok=True) == 0
    assert built.get_index("built").count == 240


def test_of_an_empty_index(client: gleann.Client) -> None:
    client.create_index("empty", dim=2)
    assert client.delete_vectors("empty", [1], missing_ok=True) == 0
    with pytest.raises(errors.UnknownIdError):
        client.delete_vectors("empty", [1])
    with pytest.raises(errors.DuplicateIdError):
        client.delete_vectors("empty", [1, 1], missing_ok=True)
    with pytest.raises(errors.UnknownIndexError):
        client.delete_vectors("none", np.array([1]), missing_ok=True)
