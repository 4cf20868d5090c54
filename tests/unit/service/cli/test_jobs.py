"""`gleann jobs` and `gleann index build`."""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from held import holding_builds

import gleann
from gleann.index import SoarIndex
from gleann.index.errors import StorageError
from gleann.service.cli.jobs.report import shown_seconds
from gleann.service.cli.main import run
from gleann.service.config import Config
from gleann.service.server import serve

ROWS = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
Gleann = Callable[..., Any]


@pytest.fixture(params=["directory", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The options that say where the index "docs" is."""
    data = tmp_path / "library"
    with gleann.Client(data) as client:
        client.create_index("docs", dim=8, metric="l2")
        client.upsert("docs", np.arange(300), ROWS)
    if request.param == "directory":
        yield ["--data", str(data)]
        return
    with serve(Config(data_dir=data, listen="127.0.0.1:0")) as server:
        yield ["--server", server.target]


@pytest.fixture
def run_json(capsys: pytest.CaptureFixture[str]) -> Gleann:
    """Run a command with --json; its object, or the error of the code given."""

    def run_one(*arguments: str, code: int = 0) -> Any:
        assert run([*arguments, "--json"]) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        return json.loads(out) if code == 0 else err

    return run_one


def fail_builds(patched: pytest.MonkeyPatch, why: str = "the disk is full") -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise StorageError(why)

    patched.setattr(SoarIndex, "build_on_disk", refuse)


def test_words_of_others_cannot_command_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the name of a file in an error, which is in the log as well."""
    with gleann.Client(tmp_path) as client:
        client.create_index("docs", dim=8, metric="l2")
        client.upsert("docs", np.arange(300), ROWS)
        fail_builds(monkeypatch, "v\x1b[2J\n.npy is damaged")
        operation = client.build("docs")
        with pytest.raises(StorageError):
            operation.wait()
    for words in (["list"], ["show", operation.name], ["log", operation.name]):
        assert run(["jobs", *words, "--data", str(tmp_path)]) == 0
        text = capsys.readouterr().out
        assert "v\\x1b[2J" in text
        assert "\x1b" not in text


def test_the_whole_way(
    place: list[str],
    run_json: Gleann,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patched:
        fail_builds(patched)
        build = ["index", "build", "docs", "--nlist", "4", "--tune-queries", "0"]
        assert "the disk is full" in run_json(*build, *place, code=1)
    where = ["--where", "state = 'failed' AND kind = 'build'"]
    (failed,) = run_json("jobs", "list", *where, *place)["operations"]
    assert failed["error"] == "the disk is full"
    assert run_json("jobs", "show", failed["name"], *place) == failed
    short = failed["name"].removeprefix("operations/")
    assert run_json("jobs", "show", short, *place) == failed
    log = run_json("jobs", "log", short, *place)
    assert log["last"] == len(log["lines"])
    assert "the disk is full" in log["lines"][-2]
    assert run_json("jobs", "log", short, "--after", str(log["last"]), *place) == {
        "lines": [],
        "last": log["last"],
    }
    again = run_json("jobs", "retry", short, "--wait", *place)
    assert (again["state"], again["attempts"]) == ("done", 1)
    # The line that is printed asks for the same once more, here.
    line = failed["command"]
    assert shlex.split(line)[-2:] == place
    assert run_json(*shlex.split(line)[1:])["nlist"] == 4
    assert run_json("jobs", "wait", again["name"], *place)["state"] == "done"
    assert run(["jobs", "list", *place]) == 0
    out = capsys.readouterr().out
    assert f"{failed['name']}: build docs, failed: the disk is full" in out


def test_a_pause_over_two_commands(place: list[str], run_json: Gleann) -> None:
    error = run_json("jobs", "pause", "none", *place, code=1)
    assert "no operation 'operations/none'" in error
    made = run_json("index", "optimize", "docs", *place)
    assert made["version"] == 1
    (done,) = run_json("jobs", "list", *place)["operations"]
    for command in ("pause", "resume", "retry"):
        error = run_json("jobs", command, done["name"], *place, code=1)
        assert "done" in error
    assert run_json("jobs", "cancel", done["name"], *place)["state"] == "done"
    assert "phase" in run_json("jobs", "list", "--where", "phase = 'x'", *place, code=1)


def test_a_wait_that_is_too_long(
    tmp_path: Path, run_json: Gleann, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that is paused, resumed and cancelled while it is held."""
    data = tmp_path / "library"
    config = Config(data_dir=data, listen="127.0.0.1:0")
    with holding_builds(monkeypatch) as held, serve(config) as server:
        place = ["--server", server.target]
        with gleann.Client(server.target) as client:
            client.create_index("docs", dim=8, metric="l2")
            client.upsert("docs", np.arange(300), ROWS)
            name = client.build("docs").name
        assert held.begun.wait(60)
        (running,) = run_json("jobs", "list", *place)["operations"]
        assert (running["phase"], running["done"], running["total"]) == ("held", 1, 9)
        error = run_json("jobs", "wait", name, "--timeout", "0", *place, code=1)
        assert "has not ended after 0" in error
        assert run_json("jobs", "pause", name, *place)["state"] == "paused"
        resumed = run_json("jobs", "resume", name, *place)
        assert resumed["state"] in ("queued", "running")
        run_json("jobs", "cancel", name, *place)
        assert "was cancelled" in run_json("jobs", "wait", name, *place, code=1)


def test_dry_runs(place: list[str], run_json: Gleann, tmp_path: Path) -> None:
    """They print a plan, and nothing is done; what cannot be done is refused."""
    for command in (
        ["index", "build", "docs", "--nlist", "4"],
        ["index", "optimize", "docs"],
    ):
        plan = run_json(*command, "--dry-run", *place)
        assert plan["rows"] == 300
        assert plan["seconds"] > 0
        assert plan["steps"]
    made = run_json("index", "create", "more", "--dim", "8", "--dry-run", *place)
    assert (made["name"], made["version"]) == ("more", 0)
    wide = ["index", "build", "docs", "--nlist", "400", "--dry-run"]
    assert "400" in run_json(*wide, *place, code=1)
    assert run_json("jobs", "list", *place)["operations"] == []
    assert [i["name"] for i in run_json("index", "list", *place)["indexes"]] == ["docs"]
    missing = ["--data", str(tmp_path / "none")]
    create = ["index", "create", "docs", "--dim", "8", "--dry-run"]
    assert "no such directory" in run_json(*create, *missing, code=1)
    assert not (tmp_path / "none").exists()


def test_where_the_jobs_are_is_needed(run_json: Gleann) -> None:
    for command in (["list"], ["show", "x"], ["retry", "x"]):
        error = run_json("jobs", *command, code=1)
        assert "--server or --data says where" in error


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (61, "1 min"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert shown_seconds(seconds) == text
