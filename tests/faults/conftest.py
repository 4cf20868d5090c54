"""A data directory that is opened again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from long_work import reopened

from gleann.service.application import Application
from gleann.service.config import Config


@pytest.fixture
def open_directory(tmp_path: Path) -> Iterator[Callable[[], Application]]:
    """Open one data directory, again and again; each opening closes the one before."""
    config = Config(data_dir=tmp_path / "d", import_roots=(tmp_path,))
    with reopened(config) as again:
        yield again
