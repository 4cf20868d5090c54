"""The stored curations of a data directory: curations/<number>, each with its tables.

A directory has the description, the numbers of its indexes, one Arrow file a table, and
a manifest with the sizes and CRC-32 of them all, which is written last. It gets its
name when it is whole.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path
from re import compile as compiled
from secrets import token_hex
from typing import Any
from zlib import crc32

import pyarrow as pa
from google.protobuf.message import DecodeError

from gleann.index.errors import (
    CorruptDataError,
    GleannError,
    InvalidInputError,
    UnknownJobError,
)
from gleann.index.heartbeat import beat
from gleann.index.storage.manifest import sync_dir
from gleann.service.calls.visible import may_read
from gleann.service.jobs.curation.curated import Curated, Lines, to_arrow
from gleann.service.jobs.curation.lives import Lives, Numbers, indexes_of, tell_deleted
from gleann.service.state.database import disk_errors
from gleann.service.state.permissions import PRIVATE, private_folder
from gleann.v1 import curation_pb2

FOLDER = "curations"
PREFIX = f"{FOLDER}/"
BATCH_ROWS = 1 << 16
"""Lines of a batch of a file."""

_CHUNK_BYTES = 1 << 20
_DESCRIPTION, _MANIFEST, _STATE = "curation.binpb", "manifest.json", "state."
_INDEXES = "indexes.json"
_NAME = compiled("[0-9a-f]{1,64}")
_log = logging.getLogger(__name__)


class Shelf:
    """The directories of stored curations."""

    def __init__(self, data: Path, lives: Lives | None = None) -> None:
        """Keep them below a data directory.

        Args:
            data: the directory.
            lives: the indexes there are; None for none, so that all curations are of
                deleted ones.
        """
        self._folder = data / FOLDER
        self._lives = lives or Lives()
        self._whole: set[Path] = set()  # tables whose checksum was compared
        self._damaged: set[str] = set()  # names of those that were logged

    @property
    def folder(self) -> Path:
        """The directory of all curations, made if it is missing.

        Raises:
            StorageError: the disk refused.
        """
        return private_folder(self._folder)

    def clear_unfinished(self) -> None:
        """Remove what interrupted work has left; no other may be under way."""
        if self._folder.is_dir():
            for path in self._folder.glob(".*"):
                _log.info("%s is removed: it was left unfinished", path)
                shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory that is removed when the block ends, unless it has been moved.

        Raises:
            StorageError: the disk refused.
        """
        path = self.folder / f".new-{token_hex(8)}"
        try:
            with disk_errors(path):
                path.mkdir(mode=PRIVATE)
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def holds(self, name: str) -> bool:
        """Whether there is a curation of this name, damaged or not."""
        short = name.removeprefix(PREFIX)
        return bool(_NAME.fullmatch(short)) and (self._folder / short).is_dir()

    def add(
        self,
        described: curation_pb2.Curation,
        made: Curated,
        *,
        indexes: Callable[[], Numbers] = dict,
    ) -> None:
        """Store a result under the name in `described`, and describe its tables there.

        Args:
            described: the description, without tables.
            made: the result.
            indexes: numbers of the indexes that it tells of; called when all lines are
                written, as a method may read some while they are.

        Raises:
            StorageError: the disk refused; nothing is left.
        """
        final = self.folder / described.name.removeprefix(PREFIX)
        with self.scratch() as folder, disk_errors(final):
            for name, lines in made.state.items():
                _write(folder / f"{_STATE}{name}.arrow", lines)
            for name, lines in made.tables.items():
                table = described.tables.add(name=name)
                _write(folder / f"{name}.arrow", lines)
                _describe(folder / f"{name}.arrow", table)
            (folder / _DESCRIPTION).write_bytes(described.SerializeToString())
            (folder / _INDEXES).write_text(json.dumps(dict(indexes())))
            _write_manifest(folder)
            folder.rename(final)
            sync_dir(final.parent)

    def get(self, name: str) -> curation_pb2.Curation:
        """The description of a curation, with those of its indexes that are deleted.

        Raises:
            UnknownJobError: no curation has this name.
            CorruptDataError: it is damaged.
        """
        return self._described(name, now=self._lives.numbers())

    def indexes(self, name: str) -> Numbers:
        """Numbers of the indexes of a curation as it read them; errors as `get`."""
        path = self._path(name) / _INDEXES
        if not path.is_file():  # of an older gleann
            return {}
        _require_whole(path, name)
        try:
            known: dict[str, int] = json.loads(path.read_text())
        except (ValueError, OSError) as error:
            raise CorruptDataError(f"{path} cannot be read: {error}") from error
        return known

    def _described(self, name: str, *, now: Numbers) -> curation_pb2.Curation:
        path = self._path(name) / _DESCRIPTION
        _require_whole(path, name)
        try:
            described = curation_pb2.Curation.FromString(path.read_bytes())
        except (DecodeError, OSError) as error:
            raise CorruptDataError(f"{path} cannot be read: {error}") from error
        return tell_deleted(described, then=self.indexes(name), now=now)

    def table(self, name: str, table: str) -> pa.Table:
        """A table of a curation; its file is mapped, not read.

        Raises:
            UnknownJobError: no curation has this name.
            InvalidInputError: it has no such table.
            CorruptDataError: it is damaged.
        """
        known = [one.name for one in self.get(name).tables]
        if table not in known:
            raise InvalidInputError(
                f"{name!r} has no table {table[:80]!r}: it has {', '.join(known)}"
            )
        return self._opened(self._path(name) / f"{table}.arrow", name)

    def state(self, name: str, table: str) -> pa.Table:
        """As `table`, of the state that a method keeps for later jobs."""
        return self._opened(self._path(name) / f"{_STATE}{table}.arrow", name)

    def listed(
        self, index: str, *, after: int, most: int
    ) -> tuple[list[curation_pb2.Curation], int | None]:
        """Descriptions of curations that the caller may read, oldest first.

        A damaged one is left out and logged; `get` tells what is wrong with it.

        Args:
            index: only those of this index; all if empty.
            after: position from which to go on; 0 starts.
            most: curations to return.

        Returns:
            At most `most` curations, and the position after them if there are more.
        """
        found = [
            one
            for one in self._readable()
            if _moment(one) > after and index in ("", one.index) and _may_read(one)
        ]
        found.sort(key=lambda one: (_moment(one), one.name))
        page = found[:most]
        return page, _moment(page[-1]) if len(found) > most else None

    def delete(self, name: str) -> None:
        """Remove a curation, also a damaged one.

        Raises:
            UnknownJobError: no curation has this name.
            StorageError: the disk refused; it is still there.
        """
        path = self._path(name)
        gone = self._folder / f".gone-{token_hex(8)}"
        with disk_errors(path):
            path.rename(gone)
            sync_dir(self._folder)
        self._whole = {one for one in self._whole if one.parent != path}
        self._damaged.discard(name)
        shutil.rmtree(gone, ignore_errors=True)

    def expire(self, before: float) -> int:
        """Remove the curations made before a time, in seconds; return their number.

        A damaged one, whose description says no time, goes by that of its directory.
        """
        old = [name for name in self._names() if self._made(name) < before]
        for name in old:
            with suppress(UnknownJobError):  # deleted meanwhile
                if name in self._damaged:
                    path = self._path(name)
                    _log.warning("%s is removed: it is damaged, and old", path)
                self.delete(name)
        return len(old)

    def _made(self, name: str) -> float:
        """Seconds since 1970 when a curation was made; infinity if it is gone."""
        try:
            made = _moment(self._described(name, now={})) / 1e6
        except UnknownJobError:
            return inf
        except GleannError as error:
            self._note_damage(name, error)
        else:
            self._damaged.discard(name)
            return made
        try:
            return (self._folder / name.removeprefix(PREFIX)).stat().st_mtime
        except OSError:
            return inf

    def _readable(self) -> Iterator[curation_pb2.Curation]:
        """Descriptions of all; a damaged one is left out, and logged once."""
        now = self._lives.numbers()
        for name in self._names():
            try:
                yield self._described(name, now=now)
            except UnknownJobError:
                continue  # deleted meanwhile
            except GleannError as error:
                self._note_damage(name, error)

    def _note_damage(self, name: str, error: GleannError) -> None:
        if name not in self._damaged:
            self._damaged.add(name)
            _log.error("a curation is left out of lists: %s", error)

    def _names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        found = sorted(path.name for path in self._folder.iterdir())
        return [PREFIX + name for name in found if _NAME.fullmatch(name)]

    def _path(self, name: str) -> Path:
        if not name.startswith(PREFIX) or not self.holds(name):
            raise UnknownJobError(f"there is no curation {name[:80]!r}")
        return self._folder / name.removeprefix(PREFIX)

    def _opened(self, path: Path, name: str) -> pa.Table:
        if path not in self._whole:
            _require_whole(path, name)
            self._whole.add(path)
        try:
            return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        except (pa.ArrowException, OSError) as error:
            raise CorruptDataError(f"{path} cannot be read: {error}") from error


def _may_read(described: curation_pb2.Curation) -> bool:
    return all(may_read(index) for index in indexes_of(described))


def _moment(described: curation_pb2.Curation) -> int:
    return described.create_time.ToMicroseconds()


def _write(path: Path, lines: Lines) -> None:
    blocks = iter([lines]) if not isinstance(lines, Iterator) else lines
    first = to_arrow(next(blocks))
    with pa.ipc.new_file(str(path), first.schema) as writer:
        writer.write_table(first, BATCH_ROWS)
        for block in blocks:
            writer.write_table(to_arrow(block), BATCH_ROWS)
            beat()


def _describe(path: Path, table: curation_pb2.CurationTable) -> None:
    lines = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    table.rows, table.size_bytes = len(lines), path.stat().st_size
    for field in lines.schema:
        table.columns.add(name=field.name, type=str(field.type))


def _write_manifest(folder: Path) -> None:
    """Write the sizes and checksums of all files, and all of them to disk."""
    facts = {}
    for path in sorted(folder.iterdir()):
        facts[path.name] = {"bytes": path.stat().st_size, "crc32": _checksum(path)}
        _sync(path)
    manifest = folder / _MANIFEST
    manifest.write_text(json.dumps({"files": facts}))
    _sync(manifest)
    sync_dir(folder)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum = crc32(chunk, checksum)
            beat()
    return checksum


def _require_whole(path: Path, name: str) -> None:
    """Compare a file with the manifest beside it.

    Raises:
        UnknownJobError: the curation was deleted meanwhile.
        CorruptDataError: the file or the manifest is damaged.
    """
    try:
        known: Any = json.loads((path.parent / _MANIFEST).read_text())
        expected = known["files"][path.name]
        size, checksum = path.stat().st_size, _checksum(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if not path.parent.is_dir():
            raise UnknownJobError(f"there is no curation {name[:80]!r}") from error
        raise CorruptDataError(
            f"{path} and its manifest do not match: {error!r}; delete {name!r}"
        ) from error
    if (size, checksum) != (expected.get("bytes"), expected.get("crc32")):
        raise CorruptDataError(
            f"{path} has {size} bytes and CRC-32 {checksum}, its manifest says"
            f" {expected.get('bytes')} and {expected.get('crc32')}: delete {name!r}"
        )
