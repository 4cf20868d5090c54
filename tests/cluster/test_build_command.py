"""`gleann cluster build` on a Ray of its own: built, interrupted, and gone on with."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gleann.service.cli.main import run
from tests.cluster.test_build import rows_of
from tests.support.ray_workers import descendants, wait_for
from tests.support.shard_builds import files_of, write_parquet

if TYPE_CHECKING:
    from gleann.service.cluster.session import Cluster

RUN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
from gleann.service.cli.main import main
main()
"""


def test_an_interrupted_command_is_gone_on_with(
    cluster: "Cluster", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, out = write_parquet(tmp_path / "in", rows_of(), groups=700), tmp_path / "out"
    words = ["cluster", "build", str(files), str(out), "--shards", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *words, "--workers", "1"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    asked = out / ".building/asked.json"
    assert wait_for(asked.exists, seconds=100)
    below = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"what is done is kept in {out}/.building: the same command" in said
    assert said.endswith("gleann: interrupted\n")
    assert below  # Ray, which goes with the command
    assert wait_for(lambda: not any(map(_is_there, below)), seconds=60)
    assert not (out / "shards.json").exists()
    assert run([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert sum(record["results"]["shards"]) == record["results"]["n"]
    assert not (out / ".building").exists()
    assert run(["cluster", "build", str(files), f"{out}-2", "--shards", "2"]) == 0
    assert files_of(out) == files_of(Path(f"{out}-2"))


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
