"""A snapshot of made-up files on a shelf, and its archive."""

import os
from hashlib import sha256
from pathlib import Path

from gleann.index import Progress
from gleann.service.snapshots.manifest import (
    SnapshotFile,
    SnapshotManifest,
)
from gleann.service.snapshots.shelf import Shelf
from gleann.service.snapshots.transferring import (
    export_snapshot,
)

DATA = "sealed/data-0123456789abcdef"
CONTENT = {
    "newer.arrow": b"rows" * 1000,
    f"{DATA}/ids.npy": b"",
    f"{DATA}/vectors.npy": os.urandom(2_500_000),
    "sealed/manifest.json": b"{}",
}
NAME = "words-0123456789ab"


def manifest_of(content: dict[str, bytes]) -> SnapshotManifest:
    return SnapshotManifest(
        name=NAME,
        index="words",
        dim=4,
        metric="l2",
        id_type="int64",
        count=3,
        sealed=1,
        sequence=2,
        columns="[]",
        optimizer="{}",
        where="",
        parameters="[]",
        created=1_700_000_000.5,
        files={
            path: SnapshotFile(bytes=len(one), sha256=sha256(one).hexdigest())
            for path, one in sorted(content.items())
        },
    )


MANIFEST_OF = manifest_of(CONTENT)


def ignore(_: Progress) -> None:
    pass


def exported(shelf: Shelf, target: Path) -> Path:
    source = shelf.path(f"snapshots/{NAME}")
    export_snapshot(source, MANIFEST_OF, target, report=ignore)
    return target


def files_in(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }
