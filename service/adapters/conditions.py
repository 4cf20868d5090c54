"""Filters of other libraries as conditions of gleann."""

from collections.abc import Mapping, Sequence

from gleann.index.errors import InvalidInputError

Condition = str | Mapping[str, object] | None
"""A condition, or columns and the values they must have."""


def condition_of(
    given: Condition, parameters: Sequence[object] = ()
) -> tuple[str | None, list[object]]:
    """A condition and its parameters; None for no filter.

    Of a mapping every column must have its value: one of them where it is a list, and
    null where it is None. Values become parameters, and never part of the text.

    Raises:
        InvalidInputError: neither a text nor a mapping.
    """
    if given is None or isinstance(given, str):
        return given, list(parameters)
    if not isinstance(given, Mapping):
        raise InvalidInputError(
            f"filter must be a condition or a mapping of columns to values, got"
            f" {type(given).__name__}"
        )
    tests, values = [], list(parameters)
    for column, value in given.items():
        quoted = '"' + column.replace('"', '""') + '"'
        if value is None:
            tests.append(f"{quoted} IS NULL")
            continue
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            values.append(list(value))
            tests.append(f"{quoted} IN ${len(values)}")
        else:
            values.append(value)
            tests.append(f"{quoted} = ${len(values)}")
    return " AND ".join(tests) or None, values
