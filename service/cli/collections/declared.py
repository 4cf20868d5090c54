"""Columns of payload as options declare them."""

from collections.abc import Iterable

from gleann.index.errors import InvalidParamsError
from gleann.index.payload.schema import COLUMN_TYPES, Column

INDEXED = "indexed"
"""What follows the type of a column that is indexed."""


def declared_columns(texts: Iterable[str]) -> list[Column]:
    """Columns from texts such as "split:string" and "tenant:string:indexed".

    Raises:
        InvalidParamsError: a text of another form, or no such type.
        InvalidInputError: a name that no column can have.
    """
    return [_declared(text) for text in texts]


def _declared(text: str) -> Column:
    name, _, kind = text.partition(":")
    kind, _, more = kind.partition(":")
    if kind not in COLUMN_TYPES or more not in ("", INDEXED):
        raise InvalidParamsError(
            f"a column is NAME:TYPE or NAME:TYPE:{INDEXED}, with a type of"
            f" {', '.join(COLUMN_TYPES)}; got {text!r}"
        )
    return Column(name, kind, indexed=more == INDEXED)


def shown_column(column: Column) -> str:
    """A column as an option declares it."""
    more = f":{INDEXED}" if column.indexed else ""
    return f"{column.name}:{column.type}{more}"
