"""Stored curations whose index was deleted, and stored ones that are damaged."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keys_of_tests import Keys

import gleann
from gleann.index import errors
from gleann.service import steady_clock
from gleann.service.application import Application
from gleann.service.calls.caller import Right
from gleann.service.config import Config
from gleann.service.config.security import SecuritySettings
from gleann.service.security.keys_file import changing
from gleann.service.server import Server

RADIUS = 0.05
DAY = 24 * 3600


def filled(client: gleann.Client, name: str, rows: np.ndarray) -> None:
    client.create_index(name, dim=8, metric="l2", columns={"topic": "int64"})
    payload = {"topic": (np.arange(len(rows)) % 3).tolist()}
    client.upsert(name, np.arange(len(rows)), rows, payload)


def done(job: Any) -> Any:
    return job.wait(timeout=60)


def test_results_outlive_their_indexes(
    client: gleann.Client, twins: np.ndarray
) -> None:
    """Also where another index has the name now: numbers tell them apart."""
    for name, rows in (("a", twins), ("b", twins[:50])):
        filled(client, name, rows)
    both = done(client.curation.near_duplicates("a", radius=RADIUS, against="b"))
    own = done(client.curation.near_duplicates("a", radius=RADIUS))
    thinner = done(client.curation.rethreshold("a", both.name, radius=0.0))
    rows = both.table("rows")
    assert both.info.other_indexes == thinner.info.other_indexes == ("b",)

    def deleted() -> list[tuple[str, ...]]:
        listed = {one.name: one for one in client.curation.list("a")}
        for name, info in listed.items():
            assert client.curation.get(name).info == info
        return [listed[one.name].deleted_indexes for one in (both, own, thinner)]

    assert deleted() == [(), (), ()]
    client.delete_index("b")
    assert deleted() == [("b",), (), ("b",)]
    filled(client, "b", twins[:60])
    assert deleted() == [("b",), (), ("b",)]
    # What is made of it tells of the one that was deleted.
    later = done(client.curation.rethreshold("a", both.name, radius=0.01))
    assert later.info.deleted_indexes == ("b",)
    newer = done(client.curation.near_duplicates("a", radius=RADIUS, against="b"))
    assert newer.info.deleted_indexes == ()
    client.delete_index("a")
    filled(client, "a", twins)
    assert deleted() == [("a", "b"), ("a",), ("a", "b")]
    assert client.curation.get(newer.name).info.deleted_indexes == ("a",)
    assert client.curation.get(both.name).table("rows").equals(rows)
    client.curation.delete(both.name)
    assert both.name not in [one.name for one in client.curation.list()]


def test_a_result_of_a_deleted_index_is_no_input(
    client: gleann.Client, twins: np.ndarray
) -> None:
    """Its ids are other vectors now; near-duplicates compare these, and may go on."""
    filled(client, "a", twins)
    near = done(client.curation.near_duplicates("a", radius=RADIUS))
    spread = done(
        client.curation.propagate("a", ids=np.arange(6), labels=[0, 1, 2] * 2)
    )
    client.delete_index("a")
    filled(client, "a", twins[::-1].copy())
    calls = (
        lambda: client.curation.rethreshold("a", near.name, radius=0.0),
        lambda: client.curation.audit("a", near.name),
        lambda: client.curation.similarity_split("a", together_curation=near.name),
        lambda: client.curation.allocate_labels(
            "a", spread.name, shares={0: 0.3, 1: 0.3, 2: 0.4}, share=0.5
        ),
    )
    for call in calls:
        with pytest.raises(errors.InvalidInputError, match="'a' that was deleted"):
            call()
    known = done(client.curation.near_duplicates("a", radius=RADIUS, known=near.name))
    anew = done(client.curation.near_duplicates("a", radius=RADIUS))
    assert known.summary["dropped"] == anew.summary["dropped"] == 100
    assert known.table("rows").equals(anew.table("rows"))


@pytest.fixture
def keyed(tmp_path: Path, start_server: Callable[..., Server]) -> tuple[Keys, Server]:
    file = tmp_path / "keys.json"
    with changing(file) as replace:
        replace([])
    return Keys(file), start_server(security=SecuritySettings(keys_file=file))


def test_rights_on_a_result_outlive_its_index(
    keyed: tuple[Keys, Server], twins: np.ndarray
) -> None:
    keys, server = keyed
    tokens = {
        "boss": keys.add("boss", (Right.ADMIN, "*")),
        "mine": keys.add("mine", (Right.WRITE, "mine")),
        "other": keys.add("other", (Right.WRITE, "other")),
    }
    server.reread()
    boss, mine, other = (
        gleann.Client(server.target, api_key=tokens[name])
        for name in ("boss", "mine", "other")
    )
    with boss, mine, other:
        filled(boss, "mine", twins)
        made = done(mine.curation.near_duplicates("mine", radius=RADIUS))
        boss.delete_index("mine")
        assert mine.curation.get(made.name).info.deleted_indexes == ("mine",)
        assert len(mine.curation.get(made.name).table("rows")) == 300
        assert [one.name for one in mine.curation.list("mine")] == [made.name]
        assert other.curation.list() == []
        for call in (other.curation.get, other.curation.delete):
            with pytest.raises(errors.PermissionDeniedError):
                call(made.name)
        mine.curation.delete(made.name)
        assert boss.curation.list() == []


def test_one_of_an_older_gleann_goes_by_the_name(
    tmp_path: Path, twins: np.ndarray
) -> None:
    with gleann.Client(tmp_path) as client:
        filled(client, "a", twins)
        made = done(client.curation.near_duplicates("a", radius=RADIUS))
    folder = tmp_path / made.name
    (folder / "indexes.json").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["indexes.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with gleann.Client(tmp_path) as client:
        assert client.curation.get(made.name).info.deleted_indexes == ()
        client.delete_index("a")
        assert client.curation.get(made.name).info.deleted_indexes == ("a",)
        filled(client, "a", twins)
        assert client.curation.get(made.name).info.deleted_indexes == ()


def test_a_damaged_one_expires_by_the_time_of_its_directory(
    tmp_path: Path, twins: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    with gleann.Client(tmp_path) as client:
        filled(client, "a", twins)
        names = [
            done(client.curation.near_duplicates("a", radius=RADIUS)).name
            for _ in range(3)
        ]
    old, new, whole = (tmp_path / name for name in names)
    for folder in (old, new):
        (folder / "curation.binpb").write_bytes(b"\xff")
    now = steady_clock.now()
    os.utime(old, (now - 4 * DAY, now - 4 * DAY))
    application = Application(Config(data_dir=tmp_path, keep_days=3))
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                found, _more = application.curations.listed("", after=0, most=9)
                assert [one.name for one in found] == [names[2]]
            expiry = application._expiry  # noqa: SLF001 (its sweep)
            assert expiry.sweep(now) == 1
        assert [path.exists() for path in (old, new, whole)] == [False, True, True]
        told = [one.message for one in caplog.records if "curation" in one.message]
        assert sum("left out of lists" in one for one in told) == 2
        assert [one for one in told if "is removed" in one] == [
            f"{old} is removed: it is damaged, and old"
        ]
        assert expiry.sweep(now + 4 * DAY) >= 2
        assert not new.exists()
        assert not whole.exists()
    finally:
        application.close()
