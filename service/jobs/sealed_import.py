"""Imports straight into a sealed version: no copy of the file in the database."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gleann.index import SoarIndex
from gleann.index.arrays import HeldIds, Rows
from gleann.index.build.on_disk import RowSource
from gleann.index.fold import fold_on_disk
from gleann.index.ids.held import joined_ids
from gleann.index.payload.payload import Payload
from gleann.index.progress import Report
from gleann.service.files.import_payload import ImportPayload
from gleann.service.files.row_source import FileRows, JoinedRows
from gleann.service.files.vector_files import VectorFile
from gleann.service.jobs.building import LiveRows, live_payload
from gleann.service.jobs.first_version import first_params
from gleann.service.state.disk_room import require_room
from gleann.service.views.live_index import View

NO_ROWS: Rows = np.empty(0, np.int64)

LARGE_BYTES = 1 << 30
"""Vectors of a file from which it is always sealed."""
SEALED_BYTES, SEALED_SHARE = 1 << 24, 0.2
"""Vectors of a file, and its share of the index, from which it is sealed."""

BYTES_AN_ID = 16
"""About what an id and its row take on disk besides the vector."""
BYTES_A_NUMBER = 5
"""Four of a vector, one of its code."""


def is_sealed_at_once(view: View, rows: int) -> bool:
    """Whether an import of so many rows writes a sealed version.

    A small file is logged instead: a version costs a copy of the whole index.
    """
    size = 4 * rows * view.dim
    if view.count == 0 or size >= LARGE_BYTES:
        return True
    return size >= SEALED_BYTES and rows >= SEALED_SHARE * view.count


def require_space(
    view: View, source: VectorFile, directory: Path, *, extra: int
) -> None:
    """Refuse an import for which the disk has no room.

    Args:
        view: the index.
        source: the vectors.
        directory: on the disk.
        extra: bytes of payload.

    Raises:
        StorageError: with both numbers.
    """
    if is_sealed_at_once(view, source.count):
        rows = source.count + view.count
        needed = rows * (BYTES_A_NUMBER * view.dim + BYTES_AN_ID) + extra
    else:
        # In the database, and in its write-ahead log.
        needed = 2 * (source.count * (4 * view.dim + BYTES_AN_ID) + extra)
    what = f"an import of the {source.count} vectors in {source.path.name}"
    require_room(directory, needed=needed, what=what)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SealedImport:
    """A file that is imported into a new sealed version of an index.

    Attributes:
        view: the index as it was when the import began.
        file: its rows replace those with the same ids.
        ids: (n,) of its rows.
        payload: of its rows.
        report: called with the progress.
        threads: of the engine; 0 takes all cores.
    """

    view: View
    file: VectorFile
    ids: HeldIds
    payload: ImportPayload
    report: Report
    threads: int

    def write(self, path: Path, device: str | None) -> None:
        """Write the new version.

        Raises:
            InvalidInputError: rows of the file that cannot be stored.
            StorageError: the disk refused.
        """
        rows = FileRows(self.file, dim=self.view.dim)
        sealed = self.view.sealed
        staying = self._staying()
        if sealed is None or len(staying) + self.file.count < sealed.index.nlist:
            self._build(path, rows, staying, device)
            return
        keep = np.zeros(len(sealed), np.bool_)
        keep[staying[staying < len(sealed)]] = True
        newer = staying[staying >= len(sealed)]
        fold_on_disk(
            sealed.index,
            self._with(rows, newer),
            path,
            ids=self._ids_with(newer),
            keep=keep,
            payload=self._payload_with(newer, before=np.flatnonzero(keep)),
            schema=self.view.schema,
            progress=self.report,
            threads=self.threads,
            device=device,
        )

    def _build(
        self, path: Path, rows: FileRows, staying: Rows, device: str | None
    ) -> None:
        """Write a version with one list."""
        SoarIndex.build_on_disk(
            self._with(rows, staying),
            path,
            first_params(self.view.metric),
            ids=self._ids_with(staying),
            payload=self._payload_with(staying),
            schema=self.view.schema,
            progress=self.report,
            threads=self.threads,
            device=device,
        )

    def _staying(self) -> Rows:
        """The live rows of the index that the file does not replace."""
        replaced = self.view.find(self.ids)
        stays = np.zeros(self.view.sealed_rows + len(self.view.delta), np.bool_)
        stays[self.view.live_rows()] = True
        stays[replaced[replaced >= 0]] = False
        return np.flatnonzero(stays)

    def _with(self, rows: FileRows, others: Rows) -> RowSource:
        """The rows of the file, and then `others` of the index.

        In this order, messages name the rows of the file.
        """
        if not len(others):
            return rows
        live = LiveRows(self.view, others, self.view.ids_at(others))
        return JoinedRows([rows, live])

    def _payload_with(self, others: Rows, before: Rows = NO_ROWS) -> Iterator[Payload]:
        """The payload of the rows `before`, of the file, and then of `others`."""
        yield from live_payload(self.view, before)
        yield from self.payload.blocks(self.view.schema, n=self.file.count)
        yield from live_payload(self.view, others)

    def _ids_with(self, others: Rows) -> HeldIds:
        if not len(others):
            return self.ids
        return joined_ids([self.ids, self.view.ids_at(others)])
