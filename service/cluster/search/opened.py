"""An index in shards, held by a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from gleann.index.progress import Report, ignore
from gleann.index.shards.manifest import read, require_shard
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cluster.search.cluster_shards import ClusterShards, Waiting
from gleann.service.cluster.search.replicas import Holding, Replicas
from gleann.service.cluster.session import Cluster

OPENING_SECONDS = 600.0
"""For all actors to open their shards, at least: all files are read and checked."""

OPENING_BYTES = 50_000_000
"""A second that all actors together read at least, where that takes longer: what a slow
folder gives that all machines see."""


@contextmanager
def held(
    cluster: Cluster,
    path: str | PathLike[str],
    *,
    holding: Holding | None = None,
    waiting: Waiting | None = None,
    progress: Report = ignore,
) -> Iterator[ShardedIndex]:
    """Have a cluster hold the index in shards at `path`, until the end of the block.

    Args:
        cluster: as `joined` gives it.
        path: of the index, seen by all machines under this name.
        holding: how many actors a shard has, and how they open it.
        waiting: what to do where one does not answer; None waits.
        progress: told how many actors have opened their shards.

    Raises:
        MissingFileError: no index in shards at `path`, or a shard is not there.
        CorruptDataError: one is damaged, or of another build.
        EngineUnavailableError: a machine has another version of gleann.
        UnavailableError: actors cannot be started, or do not open their shards within
            `opening_seconds`.
    """
    folder, how = Path(path), holding or Holding()
    manifest = read(folder)
    for shard in manifest.shards:
        require_shard(folder, shard)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    seconds = opening_seconds(how.replicas * size)
    replicas = Replicas(cluster, folder, manifest, how)
    try:
        replicas.wait(seconds, progress)
        shards = ClusterShards(cluster.ray, replicas, waiting or Waiting())
        yield ShardedIndex(shards, manifest)
    finally:
        replicas.close()


def opening_seconds(size: int) -> float:
    """How long actors may take to open files of so many bytes together."""
    return max(OPENING_SECONDS, size / OPENING_BYTES)
