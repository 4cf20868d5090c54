"""The types of Arrow from which columns of payload are read."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from gleann.index.payload.schema import ColumnType


def stored_type(kind: pa.DataType) -> pa.DataType:
    """What an extension or dictionary type holds."""
    if isinstance(kind, pa.BaseExtensionType):
        return stored_type(kind.storage_type)
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def is_text(kind: pa.DataType) -> bool:
    """Whether it is a type of texts."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or (hasattr(pa.types, "is_string_view") and pa.types.is_string_view(kind))
    )


def _is_texts(kind: pa.DataType) -> bool:
    is_list = (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
    )
    if not is_list:
        return False
    inner = stored_type(kind.value_type)
    return is_text(inner) or pa.types.is_null(inner)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


READABLE: Mapping[ColumnType, Callable[[Any], bool]] = {
    "string": is_text,
    "int64": pa.types.is_integer,
    "float64": _is_number,
    "bool": pa.types.is_boolean,
    "timestamp": _is_moment,
    "strings": _is_texts,
    "json": is_text,
}
"""Whether a column can be read from a stored type."""
