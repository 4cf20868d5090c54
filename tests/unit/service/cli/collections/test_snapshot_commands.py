"""`gleann snapshot`, `gleann restore` and `gleann verify`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.service.application import Application
from gleann.service.cli.main import run
from gleann.service.client.snapshot_calls import SnapshotCalls
from gleann.service.config import Config
from gleann.service.server import serve

ROWS = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
PARAMS = BuildParams(metric="l2", nlist=4, tune_queries=0)
Gleann = Callable[..., Any]


def fill(data: Path) -> None:
    with gleann.Client(data) as client:
        client.create_index("docs", dim=8, metric="l2", columns={"year": "int64"})
        years = {"year": 2000 + np.arange(300) % 10}
        client.upsert("docs", np.arange(300), ROWS, payload=years)
        client.build("docs", PARAMS).wait(timeout=60)
        client.delete_vectors("docs", [7])


@pytest.fixture(params=["directory", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The options that say where the index is."""
    data = tmp_path / "library"
    fill(data)
    if request.param == "directory":
        yield ["--data", str(data)]
        return
    roots = (tmp_path,)
    config = Config(
        data_dir=data, listen="127.0.0.1:0", import_roots=roots, export_roots=roots
    )
    with serve(config) as server:
        yield ["--server", server.target]


@pytest.fixture
def run_json(capsys: pytest.CaptureFixture[str]) -> Gleann:
    """Run a command with --json; its object, or the error of the code given."""

    def run_one(*arguments: str, code: int = 0) -> Any:
        assert run([*arguments, "--json"]) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        return json.loads(out) if code == 0 else err

    return run_one


def test_the_whole_way(place: list[str], run_json: Gleann, tmp_path: Path) -> None:
    made = run_json("snapshot", "create", "docs", *place)
    assert (made["index"], made["count"], made["where"]) == ("docs", 299, "")
    few = run_json("snapshot", "create", "docs", "--where", "year = 2003", *place)
    assert (few["count"], few["where"]) == (30, "year = 2003")
    listed = run_json("snapshot", "list", *place)["snapshots"]
    assert [one["name"] for one in listed] == [made["name"], few["name"]]
    assert run_json("snapshot", "list", "other", *place)["snapshots"] == []
    assert run_json("snapshot", "verify", made["name"], *place)["count"] == 299
    tar, folder = tmp_path / "docs.tar", tmp_path / "few"
    run_json("snapshot", "export", made["name"], str(tar), *place)
    run_json("snapshot", "export", few["name"], str(folder), *place)
    restored = run_json("restore", made["name"], "again", *place)
    assert (restored["name"], restored["count"]) == ("again", 299)
    run_json("snapshot", "delete", made["name"], "--yes", *place)
    back = run_json("snapshot", "import", str(tar), *place)
    assert back["checksum"] == made["checksum"]
    run_json("snapshot", "delete", few["name"], "--yes", *place)
    small = run_json("restore", str(folder), "small", *place)
    assert small["count"] == 30
    names = [one["name"] for one in run_json("snapshot", "list", *place)["snapshots"]]
    assert names == [made["name"]]
    run_json("snapshot", "delete", back["name"], "--yes", *place)
    run_json("restore", str(tar), "kept", "--keep", *place)
    assert len(run_json("snapshot", "list", *place)["snapshots"]) == 1


def test_a_tar_file_is_served_elsewhere(run_json: Gleann, tmp_path: Path) -> None:
    fill(tmp_path / "one")
    one, two = (["--data", str(tmp_path / name)] for name in ("one", "two"))
    name = run_json("snapshot", "create", "docs", *one)["name"]
    tar = str(tmp_path / "docs.tar")
    run_json("snapshot", "export", name, tar, *one)
    run_json("restore", tar, "docs", *two)
    with gleann.Client(tmp_path / "two") as client:
        assert client.snapshots.list() == []
        found = client.search("docs", ROWS[8:], SearchParams(k=1, exact=True))
        assert found.ids[:, 0].tolist() == list(range(8, 300))
    assert "'docs' already" in run_json("restore", tar, "docs", *two, code=1)
    assert run_json("snapshot", "list", *two)["snapshots"] == []


def test_a_restore_where_the_snapshot_still_is(
    place: list[str], run_json: Gleann, tmp_path: Path
) -> None:
    """It is restored from, and stays."""
    made = run_json("snapshot", "create", "docs", *place)
    tar = str(tmp_path / "docs.tar")
    run_json("snapshot", "export", made["name"], tar, *place)
    assert run_json("restore", tar, "again", *place)["count"] == 299
    (left,) = run_json("snapshot", "list", *place)["snapshots"]
    assert left == made


def test_a_command_that_fails_leaves_no_new_directory(
    run_json: Gleann, tmp_path: Path
) -> None:
    fill(tmp_path / "one")
    one, two = (["--data", str(tmp_path / name)] for name in ("one", "two"))
    name = run_json("snapshot", "create", "docs", *one)["name"]
    tar = str(tmp_path / "docs.tar")
    run_json("snapshot", "export", name, tar, *one)
    assert "must match" in run_json("restore", tar, "Bad Name", *two, code=1)
    missing = str(tmp_path / "none.tar")
    assert "No such file" in run_json("restore", missing, "docs", *two, code=1)
    assert "No such file" in run_json("snapshot", "import", missing, *two, code=1)
    assert not (tmp_path / "two").exists()
    # What the command has kept stays, and so does a directory that was there.
    run_json("restore", tar, "Bad Name", "--keep", *two, code=1)
    (kept,) = run_json("snapshot", "list", *two)["snapshots"]
    assert kept["name"] == name
    run_json("snapshot", "delete", name, "--yes", *two)
    run_json("restore", tar, "Bad Name", *two, code=1)
    assert run_json("index", "list", *two)["indexes"] == []


def test_errors_are_one_line(
    place: list[str], run_json: Gleann, tmp_path: Path
) -> None:
    unknown = "snapshots/docs-000000000000"
    for command in (
        ("snapshot", "delete", unknown, "--yes"),
        ("snapshot", "verify", unknown),
        ("restore", unknown, "new"),
    ):
        assert "there is no snapshot" in run_json(*command, *place, code=1)
    missing = str(tmp_path / "none.tar")
    assert "No such file" in run_json("restore", missing, "new", *place, code=1)
    assert "no index 'none'" in run_json("snapshot", "create", "none", *place, code=1)


def test_verify_of_each_kind(
    run_json: Gleann, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, tar, folder = (tmp_path / name for name in ("data", "docs.tar", "folder"))
    fill(data)
    with gleann.Client(data) as client:
        name = client.snapshots.create("docs").wait(timeout=60).name
        for path in (tar, folder):
            client.snapshots.export_to(name, path).wait(timeout=60)
    index = tmp_path / "index"
    SoarIndex.build(ROWS, PARAMS).save(index)
    kinds = {data: "data", tar: "snapshot", folder: "snapshot", index: "index"}
    for path, kind in kinds.items():
        assert run_json("verify", str(path))["kind"] == kind
    (data / "snapshots" / ".new-0123456789abcdef").mkdir()  # left by a crash
    assert run(["verify", str(data)]) == 0
    assert "'docs-" in capsys.readouterr().out
    for path in (
        next(folder.rglob("vectors.npy")),
        next(index.rglob("vectors.npy")),
        next((data / "snapshots").rglob("removed.arrow")),
        tar,
    ):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    for path in kinds:
        assert run(["verify", str(path)]) == 1
    assert "removed.arrow" in capsys.readouterr().out
    assert "no such file" in run_json("verify", str(tmp_path / "none"), code=1)


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [("restore",), ("verify",), ("snapshot",)]
    commands += [
        ("snapshot", name)
        for name in ("create", "list", "delete", "export", "import", "verify")
    ]
    for command in commands:
        assert run([*command, "--help"]) == 0
        assert "Examples:\n    gleann " in capsys.readouterr().out


@pytest.fixture
def tar(run_json: Gleann, tmp_path: Path) -> str:
    """A snapshot of the index "docs"."""
    fill(tmp_path / "one")
    one = ["--data", str(tmp_path / "one")]
    name = run_json("snapshot", "create", "docs", *one)["name"]
    run_json("snapshot", "export", name, str(tmp_path / "docs.tar"), *one)
    return str(tmp_path / "docs.tar")


def refuse(*_: object, **__: object) -> None:
    raise errors.StorageError("the disk is gone")


def test_what_cannot_be_removed_hides_no_error_and_no_result(
    tar: str,
    run_json: Gleann,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(SnapshotCalls, "delete", refuse)
    two = ["--data", str(tmp_path / "two")]
    assert run(["restore", tar, "docs", *two]) == 0
    out, err = capsys.readouterr()
    assert "299" in out
    assert "left there: the disk is gone" in err
    said = run_json("restore", tar, "docs", *two, code=1)
    assert "'docs' already" in said.splitlines()[-1]


def test_a_place_that_cannot_be_looked_at_hides_no_error(
    tar: str, run_json: Gleann, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Application, "list_indexes", refuse)
    two = ["--data", str(tmp_path / "two")]
    assert "must match" in run_json("restore", tar, "Bad Name", *two, code=1)
    assert (tmp_path / "two").exists()
