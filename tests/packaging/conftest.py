"""Environments in which only what was built is installed: see `make test-wheels`."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from environments import Environment


@pytest.fixture(scope="session")
def dist() -> Path:
    """The folder that `make wheels` and `make protos` wrote."""
    if "GLEANN_DIST" not in os.environ:
        pytest.skip("make test-wheels builds the wheels and tries them")
    return Path(os.environ["GLEANN_DIST"])


@pytest.fixture(scope="session")
def make_environment(
    dist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Environment]:
    """Makes empty environments of this Python."""

    def make() -> Environment:
        folder = tmp_path_factory.mktemp("environment")
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        (folder / "work").mkdir()
        return Environment(folder / "venv/bin/python", folder / "work")

    return make
