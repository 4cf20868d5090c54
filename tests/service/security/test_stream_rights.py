"""Streams of upserts need the right to write on the index of their start."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keys_of_tests import Keys, until

import gleann
from gleann.index.errors import (
    ConflictError,
    GleannError,
    PermissionDeniedError,
    ServiceError,
    UnauthenticatedError,
)
from gleann.service.calls.caller import Grant, Right
from gleann.service.config.security import SecuritySettings
from gleann.service.security.keys_file import changing, read_keys
from gleann.service.server import Server

IDS, ROWS = np.arange(3), np.eye(3, 4, dtype=np.float32)


@pytest.fixture
def client_of(
    start_server: Callable[..., Server], keys: Keys, tmp_path: Path
) -> Iterator[Callable[[str], gleann.Client]]:
    """Clients by the names of their keys, of a server with the index "words"."""
    tokens = {
        "boss": keys.add("boss", (Right.ADMIN, "*")),
        "reader": keys.add("reader", (Right.READ, "*")),
        "writer": keys.add("writer", (Right.WRITE, "wor*")),
        "other": keys.add("other", (Right.WRITE, "images")),
        "": "no-key-of-it",
    }
    security = SecuritySettings(keys_file=keys.file, audit_log=tmp_path / "audit")
    server = start_server(security=security)
    clients = {
        name: gleann.Client(server.target, api_key=token, timeout=60)
        for name, token in tokens.items()
    }
    clients["boss"].create_index("words", dim=4)
    yield clients.__getitem__
    for client in clients.values():
        client.close()


def test_rights(client_of: Callable[[str], gleann.Client], tmp_path: Path) -> None:
    for name in ("reader", "other"):
        with pytest.raises(PermissionDeniedError, match=f"'{name}' has no right"):
            client_of(name).upload("words", [(IDS, ROWS)])
    with pytest.raises(UnauthenticatedError):
        client_of("").upload("words", [(IDS, ROWS)])
    assert client_of("boss").count("words") == 0
    assert client_of("writer").upload("words", [(IDS, ROWS)], stream_id="a") == 3

    def lines() -> list[dict[str, object]]:
        found = map(json.loads, (tmp_path / "audit").read_text().splitlines())
        return [
            line for line in found if line["method"].endswith("StreamUpsertVectors")
        ]

    until(lambda: any(line["code"] == "OK" for line in lines()))
    stored = [line for line in lines() if line["code"] == "OK"]
    assert [(line["key"], line["index"], line["counts"]) for line in stored] == [
        ("writer", "words", {"changed": 3})
    ]
    refused = {line["key"] for line in lines() if line["code"] == "PERMISSION_DENIED"}
    assert refused == {"reader", "other"}


def test_streams_of_other_keys_are_others(
    client_of: Callable[[str], gleann.Client],
) -> None:
    """A stream_id is a key's own: nobody learns of, or ends, a stream of others."""
    mine, boss = client_of("writer"), client_of("boss")
    with mine.vectors.stream("words", stream_id="a") as stream:
        stream.send(IDS, ROWS)
        stream.flush()
        with boss.vectors.stream("words", stream_id="a") as other:
            assert (other.sequence, other.count) == (0, 0)
        stream.send(IDS + 3, ROWS)
    assert mine.count("words") == 6
    older = mine.vectors.stream("words", stream_id="a")
    older.send(IDS, ROWS)
    older.flush()
    with mine.vectors.stream("words", stream_id="a") as newer:
        assert newer.sequence == 3
    older.send(IDS + 6, ROWS)
    with pytest.raises(ConflictError, match="newer call"):
        older.flush()
    with pytest.raises(ServiceError, match=r"stream has failed.*newer call"):
        older.close()
    assert mine.count("words") == 6


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"revoked": datetime.now(UTC)}, UnauthenticatedError, "no longer good"),
        ({"expires": datetime.now(UTC)}, UnauthenticatedError, "no longer good"),
        ({"grants": (Grant(Right.READ),)}, PermissionDeniedError, "'writer' has no"),
        ({"grants": (Grant(Right.WRITE, "x"),)}, PermissionDeniedError, "has no right"),
    ],
    ids=["revoked", "expired", "may only read", "another index"],
)
def test_a_key_that_is_taken_away_ends_its_stream(
    client_of: Callable[[str], gleann.Client],
    keys: Keys,
    change: dict[str, Any],
    kind: type[GleannError],
    said: str,
) -> None:
    client, count = client_of("writer"), 0
    stream = client.vectors.stream("words")
    stream.send(IDS, ROWS)
    stream.flush()
    with changing(keys.file) as change_file:
        change_file(
            [
                replace(key, **change) if key.name == "writer" else key
                for key in read_keys(keys.file)
            ]
        )

    def go_on() -> None:
        nonlocal count
        for _ in range(1000):  # the server follows its file within a second
            stream.send(IDS, ROWS)
            stream.flush()
            count += 1
            time.sleep(0.01)

    with pytest.raises(kind, match=said):
        go_on()
    assert count < 900
    stream.cancel()
