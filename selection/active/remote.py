"""Vectors of a session that are not in its process, such as those of shards."""

from collections.abc import Callable
from typing import Any, Protocol, cast, runtime_checkable

from numpy.typing import ArrayLike, NDArray

from gleann.index import as_vectors
from gleann.index.arrays import Rows, Vectors
from gleann.selection.checks import kept
from gleann.selection.provenance import fingerprint


@runtime_checkable
class RemoteVectors(Protocol):
    """Vectors (n, d) that are read by row, and to which functions are sent."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""

    @property
    def data_hash(self) -> str:
        """Of all vectors."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Rows, /) -> Vectors:
        """Float32 (m, d) of rows (m,)."""

    def apply(
        self, function: Callable[[Vectors], NDArray[Any]], rows: Rows
    ) -> NDArray[Any]:
        """What `function` makes of the vectors of rows (m,), where they are.

        Args:
            function: of vectors (b, d), one row of its answer each, whatever b is.
            rows: (m,), at least one.
        """


def as_remote(vectors: object) -> RemoteVectors | None:
    """The vectors, if they are not in this process."""
    return vectors if isinstance(vectors, RemoteVectors) else None


def session_vectors(given: ArrayLike | RemoteVectors) -> Vectors:
    """The vectors of a session, checked, in memory that no one else can write to.

    Raises:
        InvalidInputError, NonFiniteError: as `as_vectors`.
    """
    if isinstance(given, RemoteVectors):
        return cast("Vectors", given)  # a session takes rows by number only
    return kept(as_vectors(given), given)


def hash_of(vectors: Vectors) -> str:
    """SHA-256 of the vectors of a session."""
    remote = as_remote(vectors)
    return fingerprint(vectors) if remote is None else remote.data_hash
