"""SIGHUP on a real server: what may change does, and a wrong file changes nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gleann
from gleann.index import SearchParams, errors

FILE = """
data_dir = "{folder}/data"
listen = "127.0.0.1:0"
[log]
file = "{folder}/server.log"
format = "json"
slow_seconds = {slow}
[limits]
hits = {hits}
"""

SERVE = "from gleann.service.cli.main import main; main()"


class Served:
    """`gleann serve` with a file of settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(slow=100.0, hits=50)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, "serve", "--config", folder / "c.toml"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.target = line.split()[2].rstrip(",")

    def write(self, *, slow: float, hits: int, more: str = "") -> None:
        text = FILE.format(folder=self.folder, slow=slow, hits=hits)
        (self.folder / "c.toml").write_text(more + text)

    def log(self) -> list[dict[str, Any]]:
        text = (self.folder / "server.log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def hang_up(self, says: str) -> dict[str, Any]:
        """Send SIGHUP; return the line of the log that says so."""
        seen = sum(says in line["message"] for line in self.log())
        self.process.send_signal(signal.SIGHUP)
        return self.said(says, after=seen)

    def said(self, says: str, *, after: int = 0) -> dict[str, Any]:
        """The last line of the log that says so, once there are more than `after`."""
        for _ in range(1200):
            found = [line for line in self.log() if says in line["message"]]
            if len(found) > after:
                return found[-1]
            time.sleep(0.05)
        return pytest.fail(f"no line says {says!r}: {self.log()}")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    one = Served(tmp_path)
    yield one
    one.process.terminate()
    one.process.communicate(timeout=60)
    assert one.process.returncode == 0


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(errors.LimitError) as caught:
        call()
    return str(caught.value)


@pytest.mark.slow
def test_settings_are_read_again(served: Served) -> None:
    with gleann.Client(served.target) as client:
        client.create_index("words", dim=4, metric="l2")
        client.upsert("words", range(20), np.eye(4)[np.arange(20) % 4])

        def search() -> object:
            return client.search("words", np.eye(4), SearchParams(k=15))

        assert "60 is over the limit of 50" in refused(search)
        served.write(slow=1e-9, hits=60, more="rpc_threads = 3\n")
        line = served.hang_up("the settings were read again")
        assert line["message"].endswith("changed: limits.hits, log.slow_seconds")
        line = served.said("these need a restart")
        assert line["message"] == "these need a restart: rpc_threads"
        search()
        [slow] = [one for one in served.log() if one["logger"] == "gleann.slow"]
        assert (slow["index"], slow["queries"], slow["k"]) == ("words", 4, 15)
        assert slow["method"] == "/gleann.v1.SearchService/Search"
        assert len(slow["call_id"]) == 16
        # A wrong file.
        served.write(slow=-1, hits=1)
        line = served.hang_up("the settings stay as they are")
        assert "c.toml: log.slow_seconds must be at least 0, got -1" in line["message"]
        search()
        # The log is opened again.
        served.write(slow=100.0, hits=60)
        (served.folder / "server.log").rename(served.folder / "server.log.1")
        (served.folder / "server.log").touch()
        served.hang_up("the settings were read again")
        assert len(served.log()) <= 3
