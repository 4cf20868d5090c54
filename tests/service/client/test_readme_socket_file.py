"""The commands of the README's section on socket files, run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[3] / "README.md").read_text()
SECTION = README.partition("\n### On one machine: a socket file\n")[2]


@pytest.mark.slow
def test_the_section_runs(tmp_path: Path) -> None:
    block = re.search(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    assert block is not None
    command = f'{sys.executable} -c "from gleann.service.cli.main import main; main()" '
    script = re.sub("^gleann ", lambda _: command, block[1], flags=re.MULTILINE)
    script = re.sub("^python ", lambda _: f"{sys.executable} ", script, flags=re.M)
    done = subprocess.run(
        ["/bin/sh", "-euc", f"{script}\nwait"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
        env=os.environ | {"GLEANN_OPTIMIZER_ENABLED": "0"},
    )
    assert "listening on unix:gleann.sock" in done.stdout
    assert "[[1]]" in done.stdout
    assert not (tmp_path / "gleann.sock").exists()
