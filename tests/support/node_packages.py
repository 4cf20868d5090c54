"""Packages of the example for Node, from npm where it can be reached."""

import re
import subprocess
from pathlib import Path

import pytest

NO_WAITING = ("--fetch-retries=1", "--fetch-timeout=20000")
UNREACHABLE = re.compile(
    r"code (EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND"
    r"|ERR_SOCKET_TIMEOUT|ETIMEDOUT|E403|E407)\b"
)
"""Codes of npm for a registry that there is no way to."""


def install_packages(folder: Path) -> None:
    """What package.json names, from npm; skips where npm cannot be reached."""
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *NO_WAITING],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if UNREACHABLE.search(done.stderr):
        pytest.skip(f"npm is not reached: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
