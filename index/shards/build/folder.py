"""The folder of a build that is under way: `.building` beside the shards to be.

Each piece in it appears in one step, whole, and under a name that says what it is; a
task that runs twice makes the same piece twice, and the second one is dropped.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from gleann.index.errors import AlreadyExistsError, ConflictError, CorruptDataError
from gleann.index.shards.manifest import (
    MANIFEST,
    NEW_MANIFEST,
    is_shard_name,
    shard_name,
)
from gleann.index.shards.whole import UNFINISHED, found_json, write_json
from gleann.index.storage.array_file import refusing_disk

BUILDING = ".building"
ASKED = "asked.json"
"""What is built of what, in the folder of a build."""

FINISHED = "finished.json"
"""Beside the pieces of a build: the manifest to be, where all shards are finished."""

LOCK = "lock"
"""What the process that builds has locked: a file, which file systems of several
machines lock for all of them."""

PROBE = ".gleann-"
"""Begins the names of files that show whether machines share a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFolder:
    """Where the pieces of a build are.

    Attributes:
        out: the folder of the index in shards.
        name: what tells this build from others: the same for the same files.
    """

    out: Path
    name: str

    @property
    def root(self) -> Path:
        """The folder of all that is not published."""
        return self.out / BUILDING

    @property
    def pieces(self) -> Path:
        """The folder of the pieces of this build."""
        return self.root / self.name[:16]

    @property
    def assigned(self) -> Path:
        """The folder with the lists of the rows."""
        return self.pieces / "assigned"

    @property
    def arranged(self) -> Path:
        """The folder with what was decided for all rows."""
        return self.pieces / "arranged"

    @property
    def of_tasks(self) -> tuple[Path, ...]:
        """The folders in which tasks put folders."""
        return tuple(self.pieces / name for name in ("placed", "shards", "scanned"))

    def placed(self, block: int) -> Path:
        """The folder of a block, its rows by shard."""
        return self.pieces / "placed" / f"block-{block:06d}"

    def shard(self, number: int) -> Path:
        """The folder of a shard to be."""
        return self.pieces / "shards" / shard_name(number)

    def scanned(self, number: int) -> Path:
        """The folder with lists and codes of a shard to be."""
        return self.pieces / "scanned" / shard_name(number)


@contextmanager
def opened_folder(
    out: Path, asked: dict[str, Any], *, overwrite: bool
) -> Iterator[BuildFolder]:
    """Begin a build, or go on with one that was stopped; one process at a time.

    Args:
        out: of the index in shards; made where it is missing.
        asked: what is built of what, as JSON; the same for the same files.
        overwrite: whether an index in shards may be replaced, and what is left of
            another build.

    Raises:
        AlreadyExistsError: there is something at `out`, or the rest of another build.
        ConflictError: another process builds there.
        StorageError: the disk refused.
    """
    text = json.dumps(asked, sort_keys=True)
    folder = BuildFolder(out=out, name=sha256(text.encode()).hexdigest())
    require_free(out, overwrite=overwrite)
    with refusing_disk(out):
        folder.root.mkdir(parents=True, exist_ok=True)
    with _locked(folder.root):
        # Again: the one that was there may have ended just now.
        require_free(out, overwrite=overwrite)
        if not is_published(folder):
            if not overwrite:
                _require_no_index(out)
            _begin(folder, asked, overwrite=overwrite)
        yield folder


def _begin(folder: BuildFolder, asked: dict[str, Any], *, overwrite: bool) -> None:
    """Make the folder that of a build, or go on with its pieces.

    Raises:
        AlreadyExistsError: it has the rest of another build.
        StorageError: the disk refused.
    """
    known = found_json(folder.root / ASKED)
    if known is not None and known != asked and not overwrite:
        raise AlreadyExistsError(
            f"{folder.root} is left of another build: {differences(known, asked)};"
            " build that, or overwrite it"
        )
    if known != asked:
        with refusing_disk(folder.root):
            _empty(folder.root)
        write_json(folder.root / ASKED, asked)
    _sweep(folder.root)
    with refusing_disk(folder.root):
        for one in (folder.assigned, *folder.of_tasks):
            one.mkdir(parents=True, exist_ok=True)


def is_published(folder: BuildFolder) -> bool:
    """Whether the index in place is what this build made.

    So it is where a process was killed after it had published the index, and before it
    had removed the folder of the build: nothing is left to do but that.
    """
    return folder.pieces.name in _published_by(folder.out)


def _published_by(out: Path) -> list[str]:
    """The builds, by their folders, whose finished shards the manifest at `out` names.

    At most one, which was killed before its folder was gone.
    """
    finished = list(out.glob(f"{BUILDING}/*/{FINISHED}"))
    try:
        manifest = found_json(out / MANIFEST) if finished else None
    except CorruptDataError:
        manifest = None
    if manifest is None or "shards" not in manifest:
        return []
    return [
        file.parent.name
        for file in finished
        if (found_json(file) or {}).get("shards") == manifest["shards"]
    ]


def names_in(folder: Path) -> set[str]:
    """The names of the pieces in a folder, by a list.

    Not by a look for each: file systems of several machines may remember for a while
    that a name was not there, when a task elsewhere has long written it.
    """
    return {child.name for child in folder.iterdir()} if folder.is_dir() else set()


def remove_pieces(folder: BuildFolder) -> None:
    """Remove the folder of a build that was published.

    What it is of goes before the pieces, as the rest of a folder without it is not gone
    on with; what says that the build is finished goes last, so that the same build
    removes the rest of a removal that was killed.
    """
    (folder.root / ASKED).unlink(missing_ok=True)
    for child in names_in(folder.pieces) - {FINISHED}:
        shutil.rmtree(folder.pieces / child, ignore_errors=True)
    shutil.rmtree(folder.root, ignore_errors=True)


def differences(known: dict[str, Any], asked: dict[str, Any]) -> str:
    """What differs between two builds, for a message."""
    names = [name for name in {**known, **asked} if known.get(name) != asked.get(name)]
    shown = [
        f"{name} was {_shown(known.get(name))}, now {_shown(asked.get(name))}"
        for name in names
    ]
    return ", ".join(shown)


def _shown(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 160 else f"{text[:160]}..."


def is_build_folder(path: Path) -> bool:
    """Whether a folder holds nothing but an index in shards, or what is to be one.

    Folders that are named as shards are, without a manifest or a build, are not ours.
    """
    children = list(path.iterdir())
    names = {child.name for child in children}
    is_ours = MANIFEST in names or BUILDING in names
    return all(
        child.name in (MANIFEST, NEW_MANIFEST, BUILDING)
        or child.name.startswith(PROBE)
        or (is_ours and is_shard_name(child.name) and child.is_dir())
        for child in children
    )


def require_free(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder with an index that is not to be replaced, or with other things.

    An index whose build was killed before its folder was removed is let pass: the same
    build ends that, and `opened_folder` refuses others.

    Raises:
        AlreadyExistsError: it is one.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise AlreadyExistsError(f"{out} is a file, not a folder for shards")
    if not is_build_folder(out):
        count = len(list(out.iterdir()))
        raise AlreadyExistsError(
            f"{out} holds {count} files that are no index in shards; choose another"
        )
    if not overwrite and not _published_by(out):
        _require_no_index(out)


def _require_no_index(out: Path) -> None:
    if (out / MANIFEST).exists():
        raise AlreadyExistsError(f"there is an index in shards at {out}")


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    path = root / LOCK
    with refusing_disk(root):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with refusing_disk(root):
            is_ours = _has_lock(descriptor) and _is_at(descriptor, path)
        if not is_ours:
            raise ConflictError(f"another process builds in {root}")
        yield
    finally:
        os.close(descriptor)


def _has_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the locked file is still the one that others would lock."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _empty(root: Path) -> None:
    """Remove what is left of another build, or of one that is not known.

    Raises:
        OSError: the disk refused.
    """
    (root / ASKED).unlink(missing_ok=True)
    for child in root.iterdir():
        if child.is_dir():
            shutil.rmtree(child)
        elif child.name != LOCK:
            child.unlink(missing_ok=True)


def _sweep(root: Path) -> None:
    """Remove what tasks that were killed left behind.

    A task may outlive its driver for a while, and end just now: what was there may be
    gone, or be whole under another name.
    """
    for path, folders, files in os.walk(root):
        left = [name for name in folders if name.startswith(UNFINISHED)]
        folders[:] = set(folders) - set(left)
        for name in left:
            _remove_unfinished(Path(path) / name)
        for name in files:
            if name.startswith(UNFINISHED):
                (Path(path) / name).unlink(missing_ok=True)


def _remove_unfinished(folder: Path) -> None:
    """Remove a folder that is not whole.

    Under another name, so that its task does not make it a piece without the files that
    are removed by then.
    """
    gone = folder.with_name(f"{UNFINISHED}{secrets.token_hex(6)}")
    with suppress(OSError):
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
