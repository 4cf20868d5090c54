"""An index with sealed rows, newer ones, removed and replaced ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from snapshot_archives import CONTENT, MANIFEST_OF, NAME

import gleann
from gleann.index import BuildParams
from gleann.service.snapshots import transfer
from gleann.service.snapshots.shelf import Shelf

Fill = Callable[..., None]


@pytest.fixture
def fill(rows: np.ndarray, quick: BuildParams) -> Fill:
    """Make an index of every kind of rows, by default under integer ids."""

    def make(client: gleann.Client, name: str = "words", **given: object) -> None:
        names = np.asarray(given.get("ids", np.arange(len(rows))))
        metric = given.get("metric", "l2")
        client.create_index(name, dim=8, metric=metric)
        client.upsert(name, names[:200], rows[:200])
        if given.get("is_built", True):
            params = BuildParams(metric=metric, nlist=8, tune_queries=0)
            client.build(name, params).wait(timeout=60)
        client.upsert(name, names[190:], rows[190:] + 1)
        client.delete_vectors(name, names[[0, 5, 195, 230]])

    return make


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A shelf with one snapshot."""
    shelf = Shelf(tmp_path / "data")
    (tmp_path / "data").mkdir()
    with shelf.adding(NAME) as scratch:
        for path, content in CONTENT.items():
            (scratch / path).parent.mkdir(parents=True, exist_ok=True)
            (scratch / path).write_bytes(content)
        transfer.write_manifest(scratch, MANIFEST_OF)
    return shelf


@pytest.fixture
def other(tmp_path: Path) -> Shelf:
    """The empty shelf of another machine."""
    (tmp_path / "other").mkdir()
    return Shelf(tmp_path / "other")
