"""Vectors in an object store, as a `VectorFile` of an import."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.data.dataset import Dataset
from gleann.index.data.files import Files
from gleann.index.data.open import ROW_NUMBERS, open_files
from gleann.index.errors import DimensionMismatchError
from gleann.index.parallel.blocks import block_slices
from gleann.service.calls.context import current_call
from gleann.service.files.roots import path_of_url

BLOCK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredVectors:
    """A `VectorFile` that an URL names.

    Attributes:
        dataset: what is there.
    """

    dataset: Dataset

    @classmethod
    def open(
        cls,
        url: str,
        *,
        vector_column: str | None,
        id_column: str | None,
        dim: int,
        fence: Path | None,
    ) -> "StoredVectors":
        """Open what an URL names and check its headings.

        Args:
            url: that is allowed.
            fence: of `fence_of`.
            vector_column: of a table; None takes the only one.
            id_column: of a table; None numbers the rows.
            dim: that the vectors must have.

        Raises:
            ForbiddenPathError: a link leads out of the fence.
            MissingFileError: it cannot be read, or not before the call has to end.
            InvalidInputError: another format, or no such column.
            DimensionMismatchError: rows of another dimension than `dim`.
            EngineUnavailableError: the package obstore is not installed.
        """
        found = open_files(
            _files_of(url, fence), vectors=vector_column, ids=id_column or ROW_NUMBERS
        )
        if found.dim != dim:
            raise DimensionMismatchError(
                f"{url} has {found.dim} dimensions, expected {dim}"
            )
        return cls(dataset=found)

    @property
    def path(self) -> Path:
        """The URL, for its name."""
        return Path(self.dataset.name)

    @property
    def paths(self) -> tuple[Path, ...]:
        """No file of this machine."""
        return ()

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.dataset)

    def ids(self) -> HeldIds:
        """All ids, by default the row numbers."""
        held = self.dataset.held_ids
        return np.arange(self.count) if held is None else held

    def blocks(self) -> Iterator[NDArray[np.generic]]:
        """The vectors in order, block by block."""
        step = max(1, BLOCK_BYTES // (8 * self.dataset.dim))
        for block in block_slices(self.count, step):
            yield np.asarray(self.dataset.vectors[block])


def _files_of(url: str, fence: Path | None) -> Files:
    if fence is not None:
        from gleann.index.data.fenced_folder import fenced_files

        return fenced_files(path_of_url(url), fence)
    from gleann.index.data.stores import PATIENCE, stored_files

    left = current_call().seconds_left()
    patience = PATIENCE if left is None else min(PATIENCE, left)
    return stored_files(url, patience=patience)
