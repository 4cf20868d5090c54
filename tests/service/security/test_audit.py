"""The audit log: a line for each change and each refused call."""

import errno
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from keys_of_tests import Keys, until

import gleann
from gleann.index import errors
from gleann.service.calls.caller import Right
from gleann.service.config.security import SecuritySettings
from gleann.service.server import Server, rate_limited_log
from gleann.service.server import audit as audit_module

READ, WRITE, ADMIN = Right.READ, Right.WRITE, Right.ADMIN


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def audited(
    start_server: Callable[..., Server],
    keys: Keys,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Server, gleann.Client, gleann.Client]]:
    """A server with an audit log, a client of an admin and one of a reader."""
    monkeypatch.setattr(audit_module, "CLOSE_SECONDS", 60.0)  # for its last lines
    tokens = keys.add("boss", (ADMIN, "*")), keys.add("reader", (READ, "words"))
    server = start_server(security=SecuritySettings(keys_file=keys.file, audit_log=log))
    with (
        gleann.Client(server.target, api_key=tokens[0]) as boss,
        gleann.Client(server.target, api_key=tokens[1]) as reader,
    ):
        yield server, boss, reader


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_changes_leave_a_line_each_and_reads_none(
    audited: tuple[Server, gleann.Client, gleann.Client], log: Path
) -> None:
    server, boss, reader = audited
    boss.create_index("words", dim=4, metric="l2", columns={"note": "string"})
    notes = {"note": ["a-secret-note"] * 6}
    ids = [f"private-id-{number}" for number in range(6)]
    boss.upsert("words", ids, np.eye(6, 4), payload=notes)
    operation = boss.build("words")
    operation.wait(timeout=60)
    reader.search("words", np.eye(1, 4))
    boss.delete_vectors("words", ids[:2])
    with pytest.raises(errors.UnknownIndexError):
        boss.delete_index("nothing")
    server.stop()
    found = lines(log)
    assert log.stat().st_mode & 0o777 == 0o600
    assert [line["method"].rpartition("/")[2] for line in found] == [
        "CreateIndex",
        "UpsertVectors",
        "BuildIndex",
        "DeleteVectors",
        "DeleteIndex",
    ]
    assert {line["key"] for line in found} == {"boss"}
    assert [line["index"] for line in found] == ["words"] * 4 + ["nothing"]
    assert [line["code"] for line in found] == ["OK"] * 4 + ["NOT_FOUND"]
    assert found[1]["counts"] == {"ids": 6, "vectors": 6, "payload": 6, "changed": 6}
    assert found[2]["answer"] == operation.name
    assert found[3]["counts"] == {"ids": 2, "changed": 2}
    assert found[4]["reason"] == "UNKNOWN_INDEX"
    for line in found:
        assert line["peer"].startswith("ipv4:127.0.0.1:")
        assert len(line["call_id"]) == 16
        assert line["time"].endswith("+00:00")
    assert "private-id" not in log.read_text()
    assert "a-secret-note" not in log.read_text()


def test_refused_calls_leave_a_line(
    audited: tuple[Server, gleann.Client, gleann.Client],
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limited_log, "SECONDS_BETWEEN", 3600.0)
    server, boss, reader = audited
    boss.create_index("words", dim=4)
    boss.create_index("other", dim=4)
    for attempt in (
        lambda: reader.delete_index("words"),  # before its message is read
        lambda: reader.count("other"),  # after it
    ):
        with pytest.raises(errors.PermissionDeniedError):
            attempt()
    for _ in range(30):
        with (
            gleann.Client(server.target, api_key="a-wrong-key") as stranger,
            pytest.raises(errors.UnauthenticatedError),
        ):
            stranger.list_indexes()
    server.stop()
    refused = [line for line in lines(log) if line["code"] != "OK"]
    assert [(line["code"], line["key"]) for line in refused] == [
        ("PERMISSION_DENIED", "reader"),
        ("PERMISSION_DENIED", "reader"),
        ("UNAUTHENTICATED", ""),
    ]  # strangers cannot fill the disk
    assert refused[1]["index"] == "other"
    assert refused[2]["reason"] == "BAD_KEY"
    assert "a-wrong-key" not in log.read_text()


def test_the_resource_of_a_session_and_its_index(
    audited: tuple[Server, gleann.Client, gleann.Client], log: Path
) -> None:
    server, boss, _ = audited
    boss.create_index("words", dim=4, metric="l2")
    boss.upsert("words", np.arange(30), np.random.default_rng(0).normal(size=(30, 4)))
    boss.build("words").wait(timeout=60)
    session = boss.start_active_session(
        "words", ids=np.arange(10), labels=np.arange(10) % 2
    ).name
    boss.sessions.close(session)
    server.stop()
    last = lines(log)[-1]
    assert (last["resource"], last["index"]) == (session, "words")


def test_a_moved_log_goes_on_in_a_new_file(
    audited: tuple[Server, gleann.Client, gleann.Client], log: Path
) -> None:
    server, boss, _ = audited
    boss.create_index("a", dim=4)
    moved = log.with_suffix(".1")
    log.rename(moved)
    server.reread()
    boss.create_index("b", dim=4)
    until(log.exists)
    server.stop()
    assert [line["index"] for line in lines(moved)] == ["a"]
    assert [line["index"] for line in lines(log)] == ["b"]


def test_a_failing_disk_stops_no_call(
    audited: tuple[Server, gleann.Client, gleann.Client],
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, boss, _ = audited
    audit = server._access.audit  # noqa: SLF001  the only way to its count
    write, budget = os.write, [40]

    def full(file: int, data: bytes) -> int:
        """Room for 40 bytes, then none."""
        if not budget[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(budget[0], len(data))
        budget[0] -= taken
        return write(file, data[:taken])

    monkeypatch.setattr(audit_module.os, "write", full)
    with caplog.at_level(logging.WARNING):
        for name in ("a", "b", "c"):
            boss.create_index(name, dim=4)
        until(lambda: audit.lost == 3)
    assert caplog.text.count("of the audit log") == 1
    assert "No space left" in caplog.text
    budget[0] = 1 << 30
    boss.create_index("d", dim=4)
    server.stop()
    half, last = log.read_text().splitlines()
    assert len(half) == 40
    assert json.loads(last)["index"] == "d"


def test_a_log_that_cannot_be_opened_is_refused_at_the_start(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    settings = SecuritySettings(audit_log=tmp_path / "no" / "audit.jsonl")
    with pytest.raises(errors.StorageError, match=r"audit_log .*No such file"):
        start_server(security=settings)
    start_server()  # nothing holds the directory


def test_the_id_of_a_call_is_that_of_the_client(
    audited: tuple[Server, gleann.Client, gleann.Client], keys: Keys, log: Path
) -> None:
    server, _, _ = audited
    token = keys.add("third", (ADMIN, "*"))
    server.reread()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for call_id in ("my-call", "x" * 129):
            metadata = [("authorization", f"Bearer {token}"), ("x-request-id", call_id)]
            with pytest.raises(grpc.RpcError):
                channel.unary_unary("/gleann.v1.IndexService/DeleteIndex")(
                    b"", metadata=metadata, timeout=60
                )
    server.stop()
    first, second = (line["call_id"] for line in lines(log))
    assert first == "my-call"
    assert len(second) == 16
