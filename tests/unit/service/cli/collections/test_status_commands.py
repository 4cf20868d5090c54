"""`gleann status` and `gleann top`, of a server and of a directory."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

import gleann
from gleann.service.cli.collections.status_lines import (
    duration,
    index_lines,
    short,
    size,
    status_lines,
    table,
)
from gleann.service.cli.main import run
from gleann.service.config import Config
from gleann.service.config.probe import ProbeSettings
from gleann.service.server import Server, serve
from gleann.service.server_status import IndexStatus, ServerStatus


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    config = Config(
        data_dir=tmp_path / "data",
        listen="127.0.0.1:0",
        probe=ProbeSettings(share=0.0),
    )
    with serve(config) as one:
        with gleann.Client(one.target) as client:
            client.create_index("words", dim=4, metric="l2")
            client.upsert("words", range(20), np.eye(4)[np.arange(20) % 4])
            client.build("words").wait()
            client.search("words", np.eye(4))
        yield one


def test_the_status_of_a_server(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", "--server", server.target]) == 0
    text = capsys.readouterr().out
    assert f"gleann {gleann.__version__}: serving, up" in text
    assert "operations: 1 done; sessions: 0; streams: 0" in text
    [line] = [line for line in text.splitlines() if line.startswith("words ")]
    assert line.split()[:4] == ["words", "20", "0", "0"]
    assert line.split()[-2:] == ["4", "-"]
    assert any(line.startswith("control ") for line in text.splitlines())


def test_the_status_as_json(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--server", server.target, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "serving"
    assert found["indexes"][0]["memory_bytes"]["rows"] > 0
    assert {one["kind"] for one in found["queues"]} >= {"search", "write"}


def test_the_status_of_a_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with gleann.Client(tmp_path / "data") as client:
        client.create_index("words", dim=4)
    assert run(["status", "--data", str(tmp_path / "data")]) == 0
    text = capsys.readouterr().out
    assert "\nindex " in text
    assert "queue" not in text


def test_top_shows_methods_once(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    found, late = [], monotonic() + 60
    while not found:  # a call counts when it has ended, which is after its answer
        assert monotonic() < late, "the search does not count"
        assert run(["top", "--server", server.target, "--once"]) == 0
        text = capsys.readouterr().out
        found = [line for line in text.splitlines() if line.startswith("Search ")]
    [line] = found
    assert line.split()[-2:] == ["1", "0"]
    assert "\x1b" not in text
    assert run(["top", "--server", server.target, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "/gleann.v1.SearchService/Search" in {m["method"] for m in found["methods"]}


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--server", "grpc://127.0.0.1:1"]) == 1
    assert "no server answers" in capsys.readouterr().err


def test_a_read_only_server_says_why() -> None:
    status = ServerStatus(state="read-only", reason="the disk has 3 bytes free")
    assert status_lines(status)[1] == "the disk has 3 bytes free"


def test_broken_indexes_are_below_the_table() -> None:
    found = index_lines([IndexStatus(name="a", broken="codes.npy is damaged")])
    assert found[-1] == "a cannot be served: codes.npy is damaged"


def test_long_tables_are_cut_and_counted() -> None:
    rows = [[f"n{at}", str(at)] for at in range(25)]
    lines = table(["name", "count"], rows)
    assert lines[0] == "name  count"
    assert lines[1] == "n0        0"
    assert len(lines) == 22
    assert lines[-1] == "and 5 more"
    assert table(["name"], []) == ["name"]


def test_units() -> None:
    assert [size(n) for n in (0, 1023, 1536, 5 << 30)] == [
        "0 B", "1023 B", "1.5 KiB", "5.0 GiB",
    ]  # fmt: skip
    assert [short(s) for s in (0.0, 0.0123, 2.5)] == ["-", "12.3 ms", "2.50 s"]
    assert [duration(s) for s in (0, 65, 3600, 200_000)] == [
        "0 s", "1 min 5 s", "1 h", "2 d 7 h",
    ]  # fmt: skip


def test_a_directory_that_a_server_has_open(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["status"], ["serve", "--listen", "127.0.0.1:0"]):
        assert run([*words, "--data", str(tmp_path / "data")]) == 1
        assert f"data is in use by process {os.getpid()}" in capsys.readouterr().err


def test_a_directory_of_a_later_gleann(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gleann.Client(tmp_path / "data").close()
    with closing(sqlite3.connect(tmp_path / "data" / "gleann.sqlite3")) as database:
        database.execute("PRAGMA user_version = 99")
    before = (tmp_path / "data" / "gleann.sqlite3").read_bytes()
    for words in (["status"], ["serve", "--listen", "127.0.0.1:0"]):
        assert run([*words, "--data", str(tmp_path / "data")]) == 1
        says = capsys.readouterr().err
        assert "99" in says
        assert "gleann" in says
    assert (tmp_path / "data" / "gleann.sqlite3").read_bytes() == before
