"""A Ray that is joined by its client: tasks, pinned shards, searches."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ray_head import head

pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")

JOINING = """
import sys
import numpy as np
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.shards.cut import cut
from gleann.index.shards.places import ShardPlaces
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cluster.pinned import pinned
from gleann.service.cluster.search.opened import held
from gleann.service.cluster.session import joined

address, folder = sys.argv[1:]
rows = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
cut(SoarIndex.build(rows, BuildParams(nlist=9, tune_queries=0)), folder, shards=2)
one = ShardedIndex.load(folder)
with joined(address) as cluster:
    assert cluster.workers == 2
    assert list(cluster.run(abs, [-1, -2, -3])) == [1, 2, 3]
    with pinned(cluster) as runner:
        ids = ShardPlaces(folder, runner=runner).held_ids()
        assert (ids == one.all_ids()).all()
    with held(cluster, folder) as whole:
        asked = SearchParams(k=5, nprobe=3)
        found, true = whole.search(rows, asked), one.search(rows, asked)
        assert (found.ids == true.ids).all()
        every = np.arange(600)
        assert (whole.vectors_at(every) == one.vectors_at(every)).all()
print("as one process")
"""


def test_it_is_joined_from_elsewhere(tmp_path: Path) -> None:
    """It asks for the token that the client finds by itself."""
    client = {**os.environ}
    client.pop("RAY_AUTH_MODE", None)
    with head(mode="token") as address:
        done = subprocess.run(
            [sys.executable, "-c", JOINING, address, str(tmp_path / "cut")],
            capture_output=True,
            text=True,
            env=client,
            check=False,
            timeout=180,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1:] == ["as one process"]
