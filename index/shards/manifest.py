"""The manifest of an index in shards: which directories there are, and of which build.

`shards.json` beside the directories `shard-00000`, `shard-00001`, ...: JSON with

- `format` "gleann-shards", `version`, `checksum` (SHA-256 of all else);
- `n`, `dim`, `placing` (`placing.py`), `id_kind` ("integers" or "strings");
- `shards`: for each its directory, its rows, and the checksum of its manifest, which
  holds those of its files: so a shard of another build is told from its own;
- `index`: the header of the whole, as `index/storage/FORMAT.md` has it for an index:
  its operating points hold for all shards together.

It is written last, in one step.
"""

import re
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from gleann.index.errors import CorruptDataError, InvalidParamsError
from gleann.index.shards.placing import PLACING
from gleann.index.storage.manifest import (
    manifest_checksum,
    publish_signed,
    read_manifest,
    read_signed,
    require_signed,
)
from gleann.index.storage.packing import Header, unpack_header

FORMAT = "gleann-shards"
VERSION = 1
MANIFEST = "shards.json"
NEW_MANIFEST = f"{MANIFEST}.new"

MOST_SHARDS = 4096
"""Of an index that is made: each has a copy of all centroids, and a process that holds
it. Manifests of more are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One shard, as the manifest describes it.

    Attributes:
        directory: its name, beside the manifest.
        n: rows; 0 for a directory without an index.
        manifest: checksum of its own manifest.
    """

    directory: str
    n: int
    manifest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsManifest:
    """The manifest of an index in shards.

    Attributes:
        n: rows of all shards.
        dim: dimensions of a row.
        id_kind: "integers" or "strings".
        shards: in order; rows of all shards are numbered one shard after the other.
        header: of the whole, as `pack_header` packs it.
    """

    n: int
    dim: int
    id_kind: str
    shards: tuple[Shard, ...]
    header: dict[str, Any]

    @property
    def offsets(self) -> list[int]:
        """(shards + 1,) the number of the first row of each shard, and of all rows."""
        offsets = [0]
        for shard in self.shards:
            offsets.append(offsets[-1] + shard.n)
        return offsets

    @property
    def checksum(self) -> str:
        """SHA-256 of the checksums of all shards; another build has another."""
        digest = sha256()
        for shard in self.shards:
            digest.update(shard.manifest.encode())
        return digest.hexdigest()

    def unpacked(self) -> Header:
        """The header of the whole."""
        return unpack_header(self.header)


def require_shard_count(shards: int) -> None:
    """Refuse a number of shards that no index is made of.

    Raises:
        InvalidParamsError: fewer than one, or more than `MOST_SHARDS`.
    """
    if shards < 1:
        raise InvalidParamsError(f"shards must be at least 1, got {shards}")
    if shards > MOST_SHARDS:
        raise InvalidParamsError(f"shards must be at most {MOST_SHARDS}, got {shards}")


def shard_name(number: int) -> str:
    """The directory of a shard."""
    return f"shard-{number:05d}"


def is_shard_name(name: str) -> bool:
    """Whether a directory of this name can be a shard."""
    return re.fullmatch(r"shard-[0-9]{5,}", name) is not None


def is_sharded(path: Path) -> bool:
    """Whether there is an index in shards at `path`."""
    return (path / MANIFEST).is_file()


def describe_shard(path: Path, directory: str, *, n: int) -> Shard:
    """What the manifest says of the shard in `directory` of `path`."""
    checksum = manifest_checksum(read_manifest(path / directory))
    return Shard(directory=directory, n=n, manifest=checksum)


def publish(path: Path, manifest: ShardsManifest) -> None:
    """Put the manifest in place, in one step; `OSError` if it cannot be."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "n": manifest.n,
        "dim": manifest.dim,
        "placing": PLACING,
        "id_kind": manifest.id_kind,
        "shards": [asdict(shard) for shard in manifest.shards],
        "index": manifest.header,
    }
    publish_signed(path / MANIFEST, content)


def read(path: Path) -> ShardsManifest:
    """The manifest of the index in shards at `path`; its shards are not looked at.

    Raises:
        MissingFileError: there is none.
        CorruptDataError: it cannot be trusted.
    """
    file = path / MANIFEST
    content = read_signed(file, missing=f"no index in shards at {path}")
    _check(file, content)
    return ShardsManifest(
        n=content["n"],
        dim=content["dim"],
        id_kind=content["id_kind"],
        shards=tuple(Shard(**shard) for shard in content["shards"]),
        header=content["index"],
    )


def require_shard(path: Path, shard: Shard) -> None:
    """Refuse a shard of `path` that is not the one its manifest names.

    Raises:
        MissingFileError: it is not there.
        CorruptDataError: it is damaged, or of another build.
    """
    found = manifest_checksum(read_manifest(path / shard.directory))
    if found != shard.manifest:
        raise CorruptDataError(
            f"{path / shard.directory} is of another build: its manifest has the"
            f" checksum {found[:12]}, and {path / MANIFEST} names {shard.manifest[:12]}"
        )


def _check(file: Path, content: Any) -> None:
    require_signed(file, content, form=FORMAT, oldest=VERSION, newest=VERSION)
    if content.get("placing") != PLACING:
        raise CorruptDataError(
            f"{file} places rows by {content.get('placing')!r:.40}, this gleann by"
            f" {PLACING!r}"
        )
    try:
        shards = [Shard(**shard) for shard in content["shards"]]
        fits = (
            content["n"] == sum(shard.n for shard in shards) > 0
            and min(shard.n for shard in shards) >= 0
            and all(s.directory == shard_name(i) for i, s in enumerate(shards))
            and all(isinstance(shard.manifest, str) for shard in shards)
            and content["id_kind"] in ("integers", "strings")
            and isinstance(content["dim"], int)
            and isinstance(content["index"], dict)
        )
    except (KeyError, TypeError) as error:
        raise CorruptDataError(f"{file} lacks something: {error}") from error
    if not fits:
        raise CorruptDataError(f"{file} contradicts itself")
