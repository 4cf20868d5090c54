"""An index with sealed rows, newer ones, removed and replaced ones."""

from collections.abc import Callable

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams

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
