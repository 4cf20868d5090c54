"""Vector columns of tables, shared by imports and the command line.

Messages begin with `shown`, the file as the caller may see it: its name on a server,
its path on the command line.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.errors import (
    GleannError,
    InvalidInputError,
    LimitError,
    MissingFileError,
)
from gleann.index.tables.list_columns import holds_vectors, matrix_of_lists


@contextmanager
def reading(shown: str | Path) -> Iterator[None]:
    """Convert exceptions during the read of a file to gleann's errors.

    Raises:
        MissingFileError: the file does not exist or cannot be read.
        InvalidInputError: its contents are invalid.
        LimitError: it needs more memory than available.
    """
    try:
        yield
    except GleannError:
        raise
    except MemoryError as error:
        # From Arrow, among others: a damaged file may claim any size.
        raise LimitError(f"{shown} takes more memory than there is") from error
    except OSError as error:
        # Arrow raises it for invalid content too.
        reason = error.strerror or str(error) or "cannot be read"
        raise MissingFileError(f"{shown}: {reason}") from error
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise InvalidInputError(f"{shown} cannot be understood: {error}") from error


def require_columns(
    shown: str | Path, wanted: Sequence[str], there: Sequence[str]
) -> None:
    """Refuse a table without one of the columns `wanted`.

    Raises:
        InvalidInputError: names the first missing column and the existing ones.
    """
    if missing := [name for name in wanted if name not in there]:
        raise InvalidInputError(
            f"{shown} has no column {missing[0]!r}, only {', '.join(there)}"
        )


def require_vectors(shown: str | Path, name: str, kind: pa.DataType) -> None:
    """Refuse a column that holds no lists of numbers.

    Raises:
        InvalidInputError: names its type.
    """
    if not holds_vectors(kind):
        raise InvalidInputError(
            f"{shown}: column {name!r} must hold lists of numbers, got {kind}"
        )


def matrix_of(
    lists: pa.Array, *, shown: str | Path, name: str, first: int, dim: int | None
) -> NDArray[np.generic]:
    """Lists of numbers as a matrix (n, dim) of the stored dtype.

    Args:
        lists: of a type that `holds_vectors`.
        shown: the file.
        name: of the column.
        first: file row of the first list.
        dim: length of each; None takes that of the first list, 0 without lists.

    Raises:
        InvalidInputError: nulls among the lists or inside them.
        DimensionMismatchError: a list of another length; names the row.
    """
    where = f"{shown}: column {name!r}"
    return matrix_of_lists(lists, where=where, first=first, dim=dim)
