"""The parts of an index in files: written, and read again."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from gleann.index.arrays import HeldIds
from gleann.index.checks import require_one_of
from gleann.index.engines.contract import IndexData
from gleann.index.errors import CorruptDataError
from gleann.index.params import EntryCodes, Keep
from gleann.index.payload.payload import Payload
from gleann.index.payload.saved import add_payload, read_payload
from gleann.index.storage import files, packing
from gleann.index.storage.array_file import ArrayFile
from gleann.index.storage.encoding_files import require_features
from gleann.index.storage.packing import Header
from gleann.index.storage.row_files import copy_rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SavedParts:
    """What a saved index consists of.

    Attributes:
        data: its arrays.
        ids: (n,).
        header: its metadata.
        payload: (n,); None without one.
        deferred: arrays whose numbers are not checked yet.
    """

    data: IndexData
    ids: HeldIds
    header: Header
    payload: Payload | None
    deferred: tuple[ArrayFile, ...] = ()

    def kept_as(
        self, *, keep: Keep | None, entry_codes: EntryCodes | None
    ) -> "SavedParts":
        """These with rows or codes of entries kept in another way; None as they are."""
        params = replace(
            self.header.params,
            keep=keep or self.header.params.keep,
            entry_codes=entry_codes or self.header.params.entry_codes,
        )
        return replace(self, header=replace(self.header, params=params))

    def write(self, path: Path) -> None:
        """Write them to the directory `path`; see `SoarIndex.save`."""
        data = self.data
        arrays = packing.pack_codes(data.codes, data.encoding) | packing.pack_lists(
            data.centroids, data.lists, self.ids
        )

        def add(draft: files.Draft) -> None:
            copy_rows(draft, self.header.params.keep, data.vectors)
            require_features(draft, data.encoding)
            if self.payload is not None:
                schema = self.payload.schema
                add_payload(draft, [self.payload], schema, n=len(data.vectors))

        header = packing.pack_header(self.header, data.encoding)
        files.write(path, arrays, header, add=add)


def read_parts(path: Path, *, checks: files.Checks) -> SavedParts:
    """Read the parts of the index at `path`; see `SoarIndex.load`."""
    require_one_of("checks", checks, get_args(files.Checks))
    saved = files.read(path, checks=checks)
    try:
        data, ids, header = packing.unpack(
            saved.arrays, saved.header, saved.version, saved.rerank_layout
        )
        payload = read_payload(saved, n=len(data.vectors))
    except CorruptDataError as error:
        raise CorruptDataError(f"{path}: {error}") from error
    return SavedParts(
        data=data, ids=ids, header=header, payload=payload, deferred=saved.deferred
    )
