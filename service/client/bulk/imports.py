"""The request of an import."""

from os import PathLike, fspath
from typing import TypedDict, Unpack

from gleann.service.client.bulk.payload_values import Columns, column_names
from gleann.v1 import vector_pb2


class ImportOptions(TypedDict, total=False):
    """What an import takes from a file.

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
    """The request; arguments as `VectorCalls.import_file`."""
    request = vector_pb2.ImportVectorsRequest(
        index=name,
        columns=column_names(options.get("columns", ())),
        add_columns=options.get("add_columns", False),
        request_id=request_id,
    )
    if fspath(path).endswith(".parquet"):
        request.parquet.path = fspath(path)
        request.parquet.vector_column = options.get("vector_column", "vector")
        request.parquet.id_column = options.get("id_column") or ""
    else:
        request.npy.path = fspath(path)
        request.npy.ids_path = fspath(options.get("ids_path") or "")
        request.npy.payload_path = fspath(options.get("payload_path") or "")
    return request
