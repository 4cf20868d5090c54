"""`gleann health`, as probes of containers call it."""

import json
from pathlib import Path

import pytest

from gleann.service.cli.main import run
from gleann.service.config import Config
from gleann.service.server import serve


def test_a_server_that_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config(
        data_dir=tmp_path / "data", listen="127.0.0.1:0", api_key="not-needed-here"
    )
    with serve(config) as server:
        asked = ["health", "--server", server.target, "--seconds", "60"]
        assert run([*asked, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["server"], found["serving"]) == (server.target, True)
        target = server.target
    assert run(["health", "--server", target, "--seconds", "0.3"]) == 1
    assert "no server" in capsys.readouterr().err


def test_a_directory_has_no_health(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["health", "--data", str(tmp_path)]) == 1
    assert "--server" in capsys.readouterr().err
