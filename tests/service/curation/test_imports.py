"""Clients and servers start without the library of curation."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["client.client", "application", "server"])
def test_selection_is_loaded_by_the_first_job(module: str) -> None:
    words = (
        f"import sys, gleann.service.{module};"
        " print(*[name for name in sys.modules if name.startswith('gleann.selection')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
