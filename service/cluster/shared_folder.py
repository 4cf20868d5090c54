"""That all machines of a cluster see a folder."""

import secrets
from pathlib import Path
from time import monotonic, sleep

from gleann.index.errors import MissingFileError
from gleann.index.shards.build.folder import PROBE
from gleann.index.storage.array_file import refusing_disk
from gleann.service.cluster.nodes import on_each_machine
from gleann.service.cluster.session import Cluster

PATIENCE = 10.0
"""Seconds until a file that one machine wrote is seen by the others."""


def require_shared(cluster: Cluster, folder: Path) -> None:
    """Refuse a folder that is not the same one on all machines.

    Args:
        cluster: the machines.
        folder: or what is to be made one, in a folder that is there.

    Raises:
        MissingFileError: a machine does not see it; names both.
        StorageError: the disk refused.
    """
    there = folder.absolute()
    while not there.is_dir() and there.parent != there:
        there = there.parent
    file = there / f"{PROBE}{secrets.token_hex(8)}"
    with refusing_disk(folder):
        file.touch()
    try:
        answers = on_each_machine(
            cluster.ray, is_seen, file, doing=f"look into {there}"
        )
        for host, seen in answers:
            if not seen:
                raise MissingFileError(
                    f"the machine {host} does not see the folder {there} of this one:"
                    " all machines have to share it"
                )
    finally:
        file.unlink(missing_ok=True)


def is_seen(file: Path) -> bool:
    """Whether a file is there, or comes up soon."""
    until = monotonic() + PATIENCE
    while not file.exists():
        if monotonic() > until:
            return False
        sleep(0.1)
    return True
