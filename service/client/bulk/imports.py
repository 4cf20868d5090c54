"""The request of an import."""

from os import PathLike, fspath
from typing import TypedDict, Unpack

from gleann.index.errors import InvalidInputError
from gleann.service.client.bulk.payload_values import Columns, column_names
from gleann.v1 import vector_pb2


class ImportOptions(TypedDict, total=False):
    """What an import takes from a file, or from a folder or glob that an URL names.

    Attributes:
        ids_path: for .npy, a .npy file of n ids; None numbers the rows.
        payload_path: for .npy, a .csv, .jsonl or .parquet file of n lines, or None.
        id_column: for parquet, the column of ids; None numbers the rows.
        vector_column: for parquet, the column of vectors; "vector" by default.
        columns: of payload to take; none takes those that the index has.
        add_columns: whether columns that the index does not have are added to it.
    """

    ids_path: str | PathLike[str] | None
    payload_path: str | PathLike[str] | None
    id_column: str | None
    vector_column: str
    columns: Columns
    add_columns: bool


def import_request(
    name: str,
    path: str | PathLike[str],
    *,
    request_id: str,
    **options: Unpack[ImportOptions],
) -> vector_pb2.ImportVectorsRequest:
    """The request; arguments as `VectorCalls.import_file`.

    Raises:
        InvalidInputError: an option that such a file does not have.
    """
    text = fspath(path)
    by_columns = _is_read_by_columns(text, options)
    _require_taken(text, options, by_columns=by_columns)
    request = vector_pb2.ImportVectorsRequest(
        index=name,
        columns=column_names(options.get("columns", ())),
        add_columns=options.get("add_columns", False),
        request_id=request_id,
    )
    if by_columns:
        request.parquet.path = text
        request.parquet.vector_column = options.get("vector_column", "vector")
        request.parquet.id_column = options.get("id_column") or ""
    else:
        request.npy.path = text
        request.npy.ids_path = fspath(options.get("ids_path") or "")
        request.npy.payload_path = fspath(options.get("payload_path") or "")
    return request


VECTOR_COLUMN = "vector"
"""The column of vectors where none is named."""


def _is_read_by_columns(path: str, options: ImportOptions) -> bool:
    """Whether a path is of tables: by its suffix, or by what is wanted of it.

    The files that an URL of a folder or a glob names are known to the server alone.
    """
    if path.endswith(".parquet"):
        return True
    if "://" not in path or options.get("ids_path") or options.get("payload_path"):
        return False
    named = options.get("vector_column") or VECTOR_COLUMN
    columns = options.get("id_column"), options.get("columns")
    return any(columns) or options.get("add_columns", False) or named != VECTOR_COLUMN


def _require_taken(path: str, options: ImportOptions, *, by_columns: bool) -> None:
    """Refuse options that would be passed over.

    Raises:
        InvalidInputError: names one.
    """
    named = options.get("vector_column")
    if by_columns:
        said = "is read by its columns"
        words = {"ids_path": options.get("ids_path")}
        words["payload_path"] = options.get("payload_path")
    else:
        said = "has no columns"
        words = {"id_column": options.get("id_column")}
        words["vector_column"] = None if named == VECTOR_COLUMN else named
    for name, value in words.items():
        if value:
            raise InvalidInputError(
                f"{name} is {fspath(value)!r:.200}, but {path!r:.200} {said}"
            )
