"""A slow evaluator of conditions: one row at a time, with SQL's three truth values.

It shares nothing with `gleann.index.filters`: conditions are made as trees of tuples,
from which both the text and the answer follow.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
Truth = bool | None

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "prefix": lambda a, b: a.startswith(b),
    "contains": lambda a, b: b in a,
    "bare": lambda a, b: a is b,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def truth(node: tuple[Any, ...], row: Row) -> Truth:
    """Whether the condition is true of the row; None where it is unknown."""
    kind, *parts = node
    if kind == "and":
        return all_of([truth(part, row) for part in parts])
    if kind == "or":
        return negated(all_of([negated(truth(part, row)) for part in parts]))
    if kind == "not":
        return negated(truth(parts[0], row))
    if kind == "constant":
        return bool(parts[0])
    return test(kind, row[parts[0]], parts[1:])


def test(kind: str, value: Any, parts: list[Any]) -> Truth:
    if kind == "null":
        return value is None
    if kind == "in":
        return any_of([compared("=", value, other) for other in parts[0]])
    if kind == "between":
        low, high = parts
        return all_of([compared(">=", value, low), compared("<=", value, high)])
    return compared(kind, value, parts[0] if parts else True)


def compared(operator: str, value: Any, other: Any) -> Truth:
    if value is None or other is None:
        return None
    return OPERATORS[operator](value, other)


def negated(value: Truth) -> Truth:
    return None if value is None else not value


def all_of(values: list[Truth]) -> Truth:
    if any(value is False for value in values):
        return False
    return None if any(value is None for value in values) else True


def any_of(values: list[Truth]) -> Truth:
    return negated(all_of([negated(value) for value in values]))


def text(node: tuple[Any, ...], parameters: list[Any], *, inline: bool) -> str:
    """The condition in SQL; values become parameters where they must or may."""
    kind, *parts = node
    if kind in ("and", "or"):
        joined = [f"({text(part, parameters, inline=inline)})" for part in parts]
        return f" {kind} ".join(joined)
    if kind == "not":
        return f"NOT ({text(parts[0], parameters, inline=inline)})"
    if kind == "constant":
        return "TRUE" if parts[0] else "FALSE"
    name = parts[0]

    def said(value: Any) -> str:
        return literal(value, parameters, inline=inline)

    def listed(value: Any) -> str:
        return "NULL" if value is None and inline else said(value)

    forms: dict[str, Callable[[], str]] = {
        "null": lambda: f"{name} IS NULL",
        "bare": lambda: name,
        "in": lambda: f"{name} IN ({', '.join(map(listed, parts[1]))})",
        "between": lambda: f"{name} BETWEEN {said(parts[1])} AND {said(parts[2])}",
        "prefix": lambda: f"starts_with({name}, {said(parts[1])})",
        "contains": lambda: f"contains({name}, {said(parts[1])})",
    }
    if kind in forms:
        return forms[kind]()
    return f"{name} {kind} {said(parts[1])}"


def literal(value: Any, parameters: list[Any], *, inline: bool) -> str:
    if value is None or not inline:
        parameters.append(value)
        return f"${len(parameters)}"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
