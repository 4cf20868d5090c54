"""What was decided for all rows, kept in files."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gleann.index.arrays import Vectors
from gleann.index.build.arrange import Arranged
from gleann.index.codes import Encoding
from gleann.index.shards.whole import read_json, whole_folder, write_json
from gleann.index.storage import packing
from gleann.index.storage.array_file import refusing_disk
from gleann.index.storage.packing import Header

_HEADER, _ARRAYS = "header.json", "arrays.npz"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decided:
    """What was decided for all rows.

    Attributes:
        header: the parameters, and what was measured.
        encoding: of the rows.
        centroids: (nlist, d).
        entries: of all lists.
    """

    header: Header
    encoding: Encoding
    centroids: Vectors
    entries: int

    @classmethod
    def of(cls, arranged: Arranged) -> "Decided":
        """What is left of it, beside the lists."""
        return cls(
            header=arranged.header,
            encoding=arranged.encoding,
            centroids=arranged.centroids,
            entries=arranged.lists.entries,
        )

    @property
    def packed(self) -> dict[str, Any]:
        """The header, as manifests have it."""
        return packing.pack_header(self.header, self.encoding)

    def write(self, path: Path) -> None:
        """Keep it.

        Raises:
            StorageError: the disk refused.
        """
        arrays = packing.pack_encoding(self.encoding) | {"centroids": self.centroids}
        with whole_folder(path) as folder:
            file = folder / _ARRAYS
            with refusing_disk(file), file.open("wb") as handle:
                np.savez(handle, **arrays)  # type: ignore[arg-type]
                handle.flush()
                os.fsync(handle.fileno())
            write_json(folder / _HEADER, {"entries": self.entries, **self.packed})

    @classmethod
    def read(cls, path: Path) -> "Decided | None":
        """What was kept; None where nothing was."""
        if not path.is_dir():
            return None
        content = read_json(path / _HEADER)
        header = packing.unpack_header(content)
        with np.load(path / _ARRAYS) as found:
            arrays = dict(found)
        return cls(
            header=header,
            encoding=packing.unpack_encoding(arrays, content, header.params),
            centroids=arrays["centroids"],
            entries=int(content["entries"]),
        )
