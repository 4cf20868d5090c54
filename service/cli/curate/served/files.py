"""Files that a served command reads here and sends, with ids as the index has them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index import as_vectors
from gleann.index.arrays import HeldIds, Ids
from gleann.index.data.files import KINDS
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.checks import hold_distinct
from gleann.index.ids.held import to_numpy
from gleann.index.nouns import number_of
from gleann.index.texts import Texts
from gleann.selection.checks import IdMap
from gleann.service.cli.files import columns, inputs
from gleann.service.cli.files.answers import has_content
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.tables import Table, read_table
from gleann.service.client.client import Client


class Reader:
    """Reads files of ids of an index that is elsewhere.

    Args:
        client: knows the index.
        index: its name.
        record: has the files.
    """

    def __init__(self, client: Client, index: str, record: JobRecord) -> None:
        self._record = record
        text = client.get_index(index).id_type == "string"
        self._like: HeldIds = Texts.of_texts([]) if text else np.empty(0, np.int64)

    def ids(self, path: Path) -> Ids:
        """Distinct ids (m,): a `.npy` array, or the column `id` of a table."""
        self._record.add_file(path)
        return to_numpy(hold_distinct(self.ids_in(inputs.read_column(path, ID_COLUMN))))

    def ids_in(self, table: Table, name: str = ID_COLUMN) -> HeldIds:
        """The ids (m,) in a column of a table, of the kind of the index."""
        return columns.ids_like(table, name, self._like)

    def answered(self, path: Path) -> IdMap:
        """The ids of a table of answers; none where there is no such file yet."""
        ids = self._like
        if has_content(path):
            ids = self.ids_in(read_table(path, columns=(ID_COLUMN,)))
        return IdMap(ids, n=len(ids))

    def scores(self, path: Path, name: str) -> tuple[Ids, NDArray[np.float64]]:
        """The ids (m,) and the numbers of a table.

        Raises:
            InvalidInputError: no column `id`: rows of a file are none of an index.
        """
        if path.suffix.lower() == ".npy":
            raise InvalidInputError(
                f"{path} has no ids, and a server has no row numbers: give a table with"
                f" the columns {ID_COLUMN} and {name}"
            )
        self._record.add_file(path)
        table = read_table(path, columns=(ID_COLUMN, name))
        ids = hold_distinct(self.ids_in(table))
        return to_numpy(ids), columns.numbers(table, name)


def vectors_of(path: Path, record: JobRecord) -> tuple[NDArray[np.generic], IdMap]:
    """Vectors (m, d) of a file, and what they are called."""
    read = inputs.read_vectors(path)
    record.add_file(path)
    vectors = as_vectors(np.asarray(read.vectors), name=f"{path}: vectors")
    return vectors, IdMap(read.ids, n=len(vectors))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SentVectors:
    """Vectors of a file that a request has, or ids of vectors of the index.

    Attributes:
        path: of the file of vectors; None without one.
        vectors: (m, d); None without a file.
        names: what they are called; None without a file.
    """

    path: Path | None
    vectors: NDArray[np.generic] | None
    names: IdMap | None

    def reader(self, client: Client, index: str, record: JobRecord) -> Reader:
        """Reads more files for an index, whose dimension the vectors have.

        Raises:
            DimensionMismatchError: they have another.
        """
        require_dim(client, index, self.vectors, self.path)
        return Reader(client, index, record)

    def or_ids(self, path: Path | None, reader: Reader) -> tuple[Ids | None, IdMap]:
        """Ids of a file in place of vectors, or None; and what either is called."""
        if path is None:
            assert self.names is not None, "vectors or ids are there"
            return None, self.names
        ids = reader.ids(path)
        return ids, IdMap(ids, n=len(ids))


def sent_vectors(path: Path | None, record: JobRecord) -> SentVectors:
    """The vectors of a file, if there is one."""
    if path is None:
        return SentVectors(path=None, vectors=None, names=None)
    vectors, names = vectors_of(path, record)
    return SentVectors(path=path, vectors=vectors, names=names)


def require_dim(client: Client, index: str, vectors: object, path: Path | None) -> None:
    """Refuse vectors of a file of another dimension than the index has.

    Args:
        client: knows the index.
        index: its name.
        vectors: (m, d); what is no array is left alone.
        path: of the file.

    Raises:
        DimensionMismatchError: with the file and both numbers.
    """
    if not isinstance(vectors, np.ndarray):
        return
    dim = client.get_index(index).dim
    if vectors.shape[1] != dim:
        raise DimensionMismatchError(
            f"{path}: vectors has {number_of(vectors.shape[1], 'dimensions')}, the"
            f" index {index!r} has {dim}"
        )


def is_file(given: Path) -> bool:
    """Whether a name is that of a file of vectors, and not of an index."""
    return given.suffix.lower() in KINDS
