"""The commands of the page for other languages, run as they stand but for the port."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from kept_port import kept_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl"),
]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/howto/other_languages.md").read_text("utf-8")
PROGRAM = f"""#!/bin/sh
exec {sys.executable} -c 'from gleann.service.cli.main import main; main()' "$@"
"""
THEN = """
gleann rows count pages --server grpcs://localhost:50051 --api-key-file app.key
kill -TERM $!
wait $!
"""


def test_a_server_with_tls_and_a_key_has_the_vectors(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    port = kept_port()
    program = tmp_path / "bin" / "gleann"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    path = f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = (block + THEN).replace(":50051", f":{port}")
    # Files and not pipes, which the server would hold open where a command fails.
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        shell = subprocess.Popen(
            ["/bin/sh", "-euc", script],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            code = shell.wait(timeout=240)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    printed, says = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
    assert code == 0, printed + says
    assert printed.splitlines()[-1] == "3"
    assert "WARNING" not in says
    assert len((ROOT / "docs/examples/node/search.js").read_text().splitlines()) == int(
        re.findall(r"has (\d+) lines", PAGE)[0]
    )
