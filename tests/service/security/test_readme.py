"""The commands of the README's section on security, run as they stand."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("trustme", reason="needs trustme (pip install trustme)")
from certificates import Authority
from kept_port import kept_port

README = (Path(__file__).parents[3] / "README.md").read_text()
SECTION = README.partition("\n## Security\n")[2].partition("\n## ")[0]
GLEANN = f'{sys.executable} -c "from gleann.service.cli.main import main; main()" '


@pytest.mark.slow
def test_the_section_runs(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("server")
    port = kept_port()
    block = re.search(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    assert block is not None
    script = block[1].replace("\\\n", " ").replace("\ngleann ", f"\n{GLEANN}")
    script = re.sub("^gleann ", lambda _: GLEANN, script)
    script = script.replace("0.0.0.0:50051", f"127.0.0.1:{port}")
    script = script.replace("search.example.org:50051", f"localhost:{port}")
    first, serve, then = re.split(r"(.* serve .*\n)", script)
    shell = ["/bin/sh", "-euc"]
    run = {"cwd": tmp_path, "env": os.environ | {"GLEANN_OPTIMIZER_ENABLED": "0"}}
    subprocess.run([*shell, first], check=True, **run)
    with subprocess.Popen([*shell, f"exec {serve}"], **run) as server:
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end and not _answers(port):
                time.sleep(0.1)
            done = subprocess.run(
                [*shell, then], capture_output=True, text=True, check=True, **run
            )
        finally:
            server.terminate()
    assert "docs" in done.stdout
    assert "revoked app: 2 keys" in done.stdout
    audit = (tmp_path / "audit.jsonl").read_text()
    assert '"key": "ops"' in audit
    assert "CreateIndex" in audit


def _answers(port: int) -> bool:
    with socket.socket() as place:
        return place.connect_ex(("127.0.0.1", port)) == 0
