"""A data directory that is opened again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from long_work import reopened

from gleann.service.application import Application


@pytest.fixture
def open_directory(tmp_path: Path) -> Iterator[Callable[[], Application]]:
    """Open one data directory, again and again; each opening closes the one before."""
    with reopened(tmp_path) as again:
        yield again
