"""An index of 400 rows, and compactions that hang."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from compaction_world import DIM, HANGS, SEALED, World

from gleann.service.optimizer import process


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An index "i" of 400 rows that is built, and an hour in which nothing happened."""
    world = World(tmp_path / "data")
    world.app.create_index("i", dim=DIM, metric="l2")
    world.upsert(np.arange(SEALED))
    world.build()
    yield world
    world.app.close(seconds=10)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Compactions that never end; call it to let later ones end."""
    real = process.CODE
    monkeypatch.setattr(process, "CODE", HANGS)
    return lambda: monkeypatch.setattr(process, "CODE", real)
