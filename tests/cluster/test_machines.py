"""A Ray of several machines: where the actors are that hold shards."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs ray: pip install 'ray[data]'")

HOLDING = """
import sys
import numpy as np
import ray
from ray.cluster_utils import Cluster as Machines
from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.shards.cut import cut
from gleann.service.cluster.search.opened import held
from gleann.service.cluster.search.replicas import Holding
from gleann.service.cluster.session import joined

folder = sys.argv[1]
rows = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
cut(SoarIndex.build(rows, BuildParams(nlist=9, tune_queries=0)), folder, shards=3)
machines = Machines(initialize_head=True, head_node_args={"num_cpus": 0})
first, second = (machines.add_node(num_cpus=1) for _ in range(2))
names = {first.node_id: "first", second.node_id: "second"}

def places(ray):
    actors = ray._private.state.actors().values()
    alive = [one["Address"]["NodeID"] for one in actors if one["State"] == "ALIVE"]
    return sorted(names.get(one, "head") for one in alive)

with joined(machines.address) as cluster:
    with held(cluster, folder, holding=Holding(replicas=2, threads=1)) as whole:
        print(*places(cluster.ray))
        machines.remove_node(first)
        found = whole.search(rows, SearchParams(k=1, exact=True))
        print((found.ids[:, 0] == np.arange(600)).all(), found.stats.covered)
machines.shutdown()
"""


def test_actors_are_on_the_machines_with_cpus_in_turn(tmp_path: Path) -> None:
    """None on the head, which has none; and a machine that is lost is not missed."""
    done = subprocess.run(
        [sys.executable, "-c", HOLDING, str(tmp_path / "cut")],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    placed, answer = done.stdout.splitlines()[-2:]
    assert placed.split() == ["first"] * 3 + ["second"] * 3
    assert answer == "True 1.0"
