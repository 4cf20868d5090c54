"""What a curation method answers with, before it is stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.texts import Texts
from gleann.v1 import types_pb2

Columns: TypeAlias = Mapping[str, NDArray[Any] | Texts | pa.ChunkedArray]
"""Columns (m,) of a table by name: ids, numbers, bools or texts, or Arrow's own."""

Lines: TypeAlias = Columns | Iterator[Columns]
"""A table at once, or block after block: at least one block, which may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curated:
    """The result of a method.

    Attributes:
        summary: numbers about the whole, JSON values.
        provenance: method, params, seed, data_hash and version, JSON values.
        tables: by name, in the order in which they are listed.
        state: tables for later jobs alone, which clients do not see.
        version: the state of the index that it is about; None for that of the job.
    """

    summary: Mapping[str, Any]
    provenance: Mapping[str, Any]
    tables: Mapping[str, Lines]
    state: Mapping[str, Lines] = field(default_factory=dict)
    version: types_pb2.IndexVersion | None = None


def to_arrow(columns: Columns) -> pa.Table:
    """Columns as a table of Arrow; NaN becomes null."""
    return pa.table({name: _column(values) for name, values in columns.items()})


def _column(values: NDArray[Any] | Texts | pa.ChunkedArray) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values
    if isinstance(values, Texts):
        return values.to_arrow()
    if values.dtype.kind in "biuf":
        return pa.array(values, from_pandas=True)
    # Arrow cuts NumPy's strings at the first NUL.
    return pa.array(values.tolist(), pa.string())
