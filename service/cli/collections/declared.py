"""Columns of payload as options declare them."""

from collections.abc import Iterable

from gleann.index.errors import InvalidParamsError
from gleann.index.payload.schema import COLUMN_TYPES, Column
from gleann.service.cli.files.payload import INDEXED, Declared


def declared_columns(texts: Iterable[str]) -> list[Column]:
    """Columns from texts such as "split:string" and "tenant:string:indexed".

    Raises:
        InvalidParamsError: a text of another form, or no such type.
        InvalidInputError: a name that no column can have.
    """
    return [_declared(text) for text in texts]


def _declared(text: str) -> Column:
    declared = Declared.parse(text)
    if declared.type is None:
        raise InvalidParamsError(
            f"column {declared.name!r:.60} has no type: {declared.name:.60}:TYPE, with"
            f" a type of {', '.join(COLUMN_TYPES)}"
        )
    return Column(declared.name, declared.type, indexed=declared.indexed)


def shown_column(column: Column) -> str:
    """A column as an option declares it."""
    more = f":{INDEXED}" if column.indexed else ""
    return f"{column.name}:{column.type}{more}"
