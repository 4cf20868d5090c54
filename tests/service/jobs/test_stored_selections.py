"""Stored selections: listed by page and by index, deleted, damaged."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import errors
from gleann.service.stubs import Stubs
from gleann.v1 import coreset_pb2


def choose(client: gleann.Client, index: str, *, count: int) -> list[str]:
    names = []
    for seed in range(count):
        made = client.coresets.uniform(index, k=3, seed=seed).wait(timeout=60)
        names.append(made.name)
    return names


def test_they_are_listed_oldest_first(built: gleann.Client) -> None:
    assert built.coresets.list() == []
    names = choose(built, "built", count=3)
    listed = built.coresets.list()
    assert [one.name for one in listed] == names
    assert [one.method for one in listed] == ["uniform"] * 3
    assert [one.count for one in listed] == [3] * 3
    assert [one.provenance["seed"] for one in listed] == [0, 1, 2]
    assert listed[0].created_at <= listed[1].created_at <= listed[2].created_at
    assert listed[1].summary == built.coresets.get(names[1]).summary


def test_only_those_of_an_index(built: gleann.Client, rows: np.ndarray) -> None:
    built.create_index("other", dim=8, metric="l2")
    built.upsert("other", np.arange(240), rows)
    own = choose(built, "built", count=1)
    others = choose(built, "other", count=2)
    assert [one.name for one in built.coresets.list("other")] == others
    assert [one.name for one in built.coresets.list("built")] == own
    assert built.coresets.list("none") == []


def test_pages(built: gleann.Client, stubs: Stubs) -> None:
    names = choose(built, "built", count=5)
    request = coreset_pb2.ListSelectionsRequest(page_size=2, index="built")
    pages = []
    while not pages or request.page_token:
        page = stubs.coreset.ListSelections(request)
        pages.append([one.name for one in page.selections])
        request.page_token = page.next_page_token
    assert pages == [names[:2], names[2:4], names[4:]]


@pytest.mark.parametrize("settings", [{"page_size": -1}, {"page_token": "?"}])
def test_pages_that_make_no_sense(stubs: Stubs, settings: dict) -> None:
    request = coreset_pb2.ListSelectionsRequest(**settings)
    with pytest.raises(errors.InvalidParamsError):
        stubs.coreset.ListSelections(request)


def test_deleted(built: gleann.Client) -> None:
    first, second, third = choose(built, "built", count=3)
    built.coresets.delete(first)
    built.coresets.delete(built.coresets.list()[0])
    assert [one.name for one in built.coresets.list()] == [third]
    for gone in (first, second, "selections/none", ""):
        with pytest.raises(errors.UnknownJobError):
            built.coresets.delete(gone)
        with pytest.raises(errors.UnknownJobError):
            built.coresets.get(gone)
    assert built.get_index("built").count == 240


def test_a_damaged_one_is_left_out_and_can_be_deleted(
    tmp_path: Path, rows: np.ndarray
) -> None:
    with gleann.Client(tmp_path) as client:
        client.create_index("built", dim=8, metric="l2")
        client.upsert("built", np.arange(240), rows)
        bad, good = choose(client, "built", count=2)
    with sqlite3.connect(tmp_path / "gleann.sqlite3") as connection:
        connection.execute("UPDATE selections SET items = x'00' WHERE name = ?", [bad])
    connection.close()
    with gleann.Client(tmp_path) as client:
        assert [one.name for one in client.coresets.list()] == [good]
        with pytest.raises(errors.CorruptDataError):
            client.coresets.get(bad)
        client.coresets.delete(bad)
        with pytest.raises(errors.UnknownJobError):
            client.coresets.get(bad)
