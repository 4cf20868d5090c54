"""The end of a build: shards get their manifests, and the whole its own.

First all shards are finished where they are, then `finished.json` says so; from there
on they only move, and a build that is stopped goes on with that.
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gleann.index.shards.build.arranged import Decided
from gleann.index.shards.build.folder import FINISHED, BuildFolder, is_published
from gleann.index.shards.build.gather import CONTENT, shard_content
from gleann.index.shards.build.scan import joined_content, move_files
from gleann.index.shards.build.sources import IdKind
from gleann.index.shards.cut import shard_header
from gleann.index.shards.manifest import (
    MANIFEST,
    Shard,
    ShardsManifest,
    describe_shard,
    is_shard_name,
    publish,
    require_shard,
    shard_name,
)
from gleann.index.shards.whole import read_json, write_json
from gleann.index.storage.array_file import refusing_disk
from gleann.index.storage.manifest import MANIFEST as SHARD_MANIFEST
from gleann.index.storage.manifest import publish_empty, publish_manifest, sync_dir
from gleann.index.storage.packing import pack_header


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What all shards together are to be.

    Attributes:
        manifest: of the index.
        entries: of all lists.
    """

    manifest: ShardsManifest
    entries: int

    def write(self, folder: BuildFolder) -> None:
        """Say that all shards are finished.

        Raises:
            StorageError: the disk refused.
        """
        values = asdict(self.manifest) | {"entries": self.entries}
        write_json(folder.pieces / FINISHED, values)

    @classmethod
    def read(cls, folder: BuildFolder) -> "Finished":
        """What was finished; errors as of `read_json`."""
        values = read_json(folder.pieces / FINISHED)
        entries = values.pop("entries")
        shards = tuple(Shard(**shard) for shard in values.pop("shards"))
        return cls(manifest=ShardsManifest(**values, shards=shards), entries=entries)


def finish_shards(
    folder: BuildFolder, *, dim: int, id_kind: IdKind, decided: Decided, shards: int
) -> None:
    """Make each shard an index of its own, in the folder of the build.

    Raises:
        StorageError: the disk refused.
    """
    with refusing_disk(folder.out):
        finished = tuple(_finish(folder, number, decided) for number in range(shards))
    manifest = ShardsManifest(
        n=sum(shard.n for shard in finished),
        dim=dim,
        id_kind=id_kind,
        shards=finished,
        header=decided.packed,
    )
    Finished(manifest=manifest, entries=decided.entries).write(folder)


def is_finished(folder: BuildFolder) -> bool:
    """Whether all shards are finished."""
    return (folder.pieces / FINISHED).exists()


def publish_shards(folder: BuildFolder) -> Finished:
    """Put finished shards in place, and then the manifest, unless that was done.

    An index that was there before goes just before: for that moment there is none.

    Raises:
        CorruptDataError: a shard is not the one that was finished.
        StorageError: the disk refused.
    """
    finished = Finished.read(folder)
    if not is_published(folder):
        with refusing_disk(folder.out):
            _publish(folder, finished.manifest)
    return finished


def _publish(folder: BuildFolder, manifest: ShardsManifest) -> None:
    (folder.out / MANIFEST).unlink(missing_ok=True)
    for number in range(len(manifest.shards)):
        _put_in_place(folder.shard(number), folder.out / shard_name(number))
    names = {shard.directory for shard in manifest.shards}
    for old in folder.out.glob("shard-*"):
        if is_shard_name(old.name) and old.name not in names:
            shutil.rmtree(old)
    sync_dir(folder.out)
    for shard in manifest.shards:
        require_shard(folder.out, shard)
    publish(folder.out, manifest)


def _put_in_place(made: Path, path: Path) -> None:
    """Move a finished shard, unless that was done."""
    if not made.is_dir():
        return
    if path.is_dir():
        shutil.rmtree(path)
    (made / CONTENT).unlink(missing_ok=True)
    made.rename(path)


def _finish(folder: BuildFolder, number: int, decided: Decided) -> Shard:
    """Make a shard an index of its own, unless it is one."""
    path, name = folder.shard(number), shard_name(number)
    n, content = shard_content(folder, number)
    if not (path / SHARD_MANIFEST).exists():
        if n:
            _complete(folder, number, content, decided, n=n)
        else:
            publish_empty(path, exist_ok=True)
    return describe_shard(path.parent, name, n=n)


def _complete(
    folder: BuildFolder,
    number: int,
    content: dict[str, Any],
    decided: Decided,
    *,
    n: int,
) -> None:
    scanned, path = folder.scanned(number), folder.shard(number)
    data = path / content["data"]
    move_files(scanned, data)
    sync_dir(data)
    content = joined_content(content, read_json(scanned / CONTENT))
    header = shard_header(decided.header, n=n)
    publish_manifest(path, {**content, "index": pack_header(header, decided.encoding)})
