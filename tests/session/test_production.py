"""The README's section on production, run as it stands but for its ports."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trustme", reason="needs trustme (pip install trustme)")
from certificates import Authority
from kept_port import kept_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("\n## In production\n")[2].partition("\n## ")[0]
PROGRAM = f"""#!/bin/sh
exec {sys.executable} -c 'from gleann.service.cli.main import main; main()' "$@"
"""


def _block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", SECTION, re.DOTALL)
    assert found is not None
    return found[1]


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_section_runs(tmp_path: Path) -> None:
    grpc, metrics = kept_port(), kept_port()

    def with_ports(text: str) -> str:
        text = text.replace("0.0.0.0:", "127.0.0.1:")
        return text.replace(":50051", f":{grpc}").replace(":9464", f":{metrics}")

    (tmp_path / "gleann.toml").write_text(with_ports(_block("toml")))
    Authority(tmp_path).issue("server")
    program = tmp_path / "bin" / "gleann"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    path = f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-euc", with_ports(_block("sh"))],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("docs ") for line in lines)
    assert "gleann_indexes 1.0" in lines
    audit = _lines(tmp_path / "audit.jsonl")
    assert [one["key"] for one in audit] == ["ops"]
    log = _lines(tmp_path / "gleann.log")
    assert any("reload" in json.dumps(line) for line in log)
    secret = (tmp_path / "app.key").read_text().strip()
    for file in ("gleann.log", "audit.jsonl", "keys.json"):
        assert secret not in (tmp_path / file).read_text()
