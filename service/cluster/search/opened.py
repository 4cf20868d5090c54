"""An index in shards, held by a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from gleann.index.shards.manifest import read, require_shard
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cluster.search.cluster_shards import ClusterShards, Waiting
from gleann.service.cluster.search.replicas import Holding, Replicas
from gleann.service.cluster.session import Cluster

OPENING_SECONDS = 600.0
"""For all actors to open their shards: all of their files are read and checked."""


@contextmanager
def held(
    cluster: Cluster,
    path: str | PathLike[str],
    *,
    holding: Holding | None = None,
    waiting: Waiting | None = None,
) -> Iterator[ShardedIndex]:
    """Have a cluster hold the index in shards at `path`, until the end of the block.

    Args:
        cluster: as `joined` gives it.
        path: of the index, seen by all machines under this name.
        holding: how many actors a shard has, and how they open it.
        waiting: what to do where one does not answer; None waits.

    Raises:
        MissingFileError: no index in shards at `path`, or a shard is not there.
        CorruptDataError: one is damaged, or of another build.
        EngineUnavailableError: a machine has another version of gleann.
        UnavailableError: actors cannot be started.
    """
    folder = Path(path)
    manifest = read(folder)
    for shard in manifest.shards:
        require_shard(folder, shard)
    replicas = Replicas(cluster, folder, manifest, holding or Holding())
    try:
        replicas.wait(OPENING_SECONDS)
        shards = ClusterShards(cluster.ray, replicas, waiting or Waiting())
        yield ShardedIndex(shards, manifest)
    finally:
        replicas.close()
