"""From the text of a condition to its tree: sqlglot parses, a whitelist translates.

Each class of node is let in by name, with the arguments that we read; a node that has
another one, such as `negate` in versions of sqlglot to come, is refused, never
misread.
"""

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn

from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError

from gleann.index.errors import InvalidFilterError
from gleann.index.filters.tree import (
    All,
    Bare,
    Between,
    Compare,
    Constant,
    Contains,
    Given,
    IsIn,
    IsNull,
    Like,
    Name,
    Negated,
    Node,
    Operator,
    Parameter,
    Some,
    StartsWith,
    Value,
)
from gleann.index.filters.words import (
    DIALECT,
    MAX_DEPTH,
    Word,
    is_null,
    is_parameter,
    numbered,
    refuse,
    words_of,
)

MAX_DIGITS = 400
"""Most digits of a number: those of the largest float64."""
MAX_PARAMETERS = 65_536
"""Largest number of a parameter."""

_WHOLE = re.compile(r"[0-9]+")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_SHOWN = 40
_CACHED = 256


@lru_cache(_CACHED)
def parse(where: str) -> Node:
    """The tree of a condition.

    Raises:
        InvalidFilterError: it does not follow the grammar, or is over a cap.
    """
    try:
        return _node(_parsed(words_of(where), where))
    except RecursionError:
        raise InvalidFilterError(
            f"where is nested too deep for the stack of this call, which {MAX_DEPTH}"
            " parentheses or fewer may be"
        ) from None


def _parsed(words: list[Word], where: str) -> Any:
    """The nodes of a condition, whose names and values know where they are written.

    sqlglot gets the numbers of words in place of names and values. So both come back as
    they were written, and with their places, which not all of its versions keep.
    """
    parser = DIALECT.parser(error_level=ErrorLevel.IMMEDIATE)
    try:
        (node,) = parser.parse_into(exp.Condition, numbered(words), where)
    except ParseError as error:
        _refuse_parse(error, where)
    except (SqlglotError, ValueError) as error:
        raise InvalidFilterError(f"where cannot be parsed: {error}") from error
    if node is None:
        raise InvalidFilterError("where has no condition")
    for part in node.walk():
        if type(part) in (exp.Identifier, exp.Literal):
            number = str(part.this)
            if not number.isdigit():
                refuse(
                    f"{number!r:.{_SHOWN}} is no name: put it in double quotes", None
                )
            word = words[int(number)]
            part.args["this"] = word.text
            part.meta["start"] = word.start
            part.meta["is_parameter"] = is_parameter(word, where)
            part.meta["is_null"] = is_null(word, where)
    return node


def _refuse_parse(error: ParseError, where: str) -> NoReturn:
    """Say it as sqlglot does, but without the colours that are for terminals."""
    details = error.errors[0] if error.errors else {}
    near = str(details.get("highlight") or "")
    line, column = details.get("line"), details.get("col")
    position = None
    if isinstance(line, int) and isinstance(column, int):
        before = where.split("\n")[: line - 1]
        position = max(0, sum(len(text) + 1 for text in before) + column - len(near))
    refuse(
        "it cannot be parsed"
        + (f" near {near!r:.{_SHOWN}}" if near else "")
        + ", see the grammar of conditions",
        position,
    )
    raise AssertionError


def _node(node: Any) -> Node:
    if (translate := _TRANSLATED.get(type(node))) is None:
        _refuse_node(node)
    return translate(node)


def _args(node: Any, *names: str) -> tuple[Any, ...]:
    """The arguments of these names, of a node that has no others."""
    for name, value in node.args.items():
        if name not in names and value not in (None, False, []):
            _refuse_node(node)
    return tuple(node.args.get(name) for name in names)


def _refuse_node(node: Any) -> NoReturn:
    refuse(
        f"{_shown(node)} is no condition: a test is column operator value, or"
        " a column of bool; see the grammar of conditions",
        _position(node),
    )
    raise AssertionError


def _shown(node: Any) -> str:
    if not hasattr(node, "sql"):  # what is missing may be None
        return "nothing"
    return f"{node.sql(dialect=DIALECT)!r:.{_SHOWN}}"


def _position(node: Any) -> int | None:
    """Offset of the first name or value of a node that knows its own."""
    for part in node.walk(bfs=False) if hasattr(node, "walk") else ():
        if (start := part.meta.get("start")) is not None:
            return int(start)
    return None


def _chain(node: Any) -> tuple[Node, ...]:
    """The parts of a left-deep chain of one connective, however long."""
    kind, parts = type(node), []
    while type(node) is kind:
        left, right = _args(node, "this", "expression")
        parts.append(_node(right))
        node = left
    return (_node(node), *reversed(parts))


def _all(node: Any) -> Node:
    return All(_chain(node))


def _some(node: Any) -> Node:
    return Some(_chain(node))


def _not(node: Any) -> Node:
    (part,) = _args(node, "this")
    return Negated(_node(part))


def _paren(node: Any) -> Node:
    (part,) = _args(node, "this")
    return _node(part)


def _compare(operator: Operator) -> Callable[[Any], Node]:
    def translate(node: Any) -> Node:
        column, value = _args(node, "this", "expression")
        return Compare(_name(column), operator, _value(value))

    return translate


def _in(node: Any) -> Node:
    column, listed, field = _args(node, "this", "expressions", "field")
    if field is not None:
        return IsIn(_name(column), _parameter(field))
    return IsIn(_name(column), tuple(map(_listed, listed or ())))


def _between(node: Any) -> Node:
    column, low, high = _args(node, "this", "low", "high")
    return Between(_name(column), _value(low), _value(high))


def _is(node: Any) -> Node:
    column, null, negate = _args(node, "this", "expression", "negate")
    if type(null) is not exp.Null:
        _refuse_node(node)
    return _unless(IsNull(_name(column)), negate)


def _like(node: Any) -> Node:
    column, pattern, negate = _args(node, "this", "expression", "negate")
    return _unless(Like(_name(column), _value(pattern)), negate)


def _unless(test: Node, negate: object) -> Node:
    return Negated(test) if negate else test


def _starts_with(node: Any) -> Node:
    column, prefix = _args(node, "this", "expression")
    return StartsWith(_name(column), _value(prefix))


def _contains(node: Any) -> Node:
    column, member = _args(node, "this", "expression")
    return Contains(_name(column), _value(member))


def _bare(node: Any) -> Node:
    return Bare(_name(node))


def _constant(node: Any) -> Node:
    (value,) = _args(node, "this")
    return Constant(bool(value))


def _identifier(node: Any) -> Any:
    """The name of a column, or a parameter; None for any other node."""
    if type(node) is not exp.Column:
        return None
    (identifier,) = _args(node, "this")
    return identifier if type(identifier) is exp.Identifier else None


def _name(node: Any) -> Name:
    identifier = _identifier(node)
    if _is_null(node):
        refuse("NULL is no column: write column IS NULL", _position(node))
    if identifier is None or identifier.meta["is_parameter"]:
        refuse(f"{_shown(node)} is no column: a test begins with one", _position(node))
    return Name(str(identifier.this), _position(identifier))


def _is_null(node: Any) -> bool:
    identifier = _identifier(node)
    return identifier is not None and bool(identifier.meta["is_null"])


def _listed(node: Any) -> Value:
    """A value in the list of IN, which NULL may be."""
    return Given(None, _position(node)) if _is_null(node) else _value(node)


def _value(node: Any) -> Value:
    kind = type(node)
    if _is_null(node):
        refuse(
            "NULL is no value here, as no test of it is ever true: write column IS"
            " NULL",
            _position(node),
        )
    identifier = _identifier(node)
    if identifier is not None and identifier.meta["is_parameter"]:
        return _parameter(node)
    if kind is exp.Literal:
        return _literal(node)
    if kind is exp.Boolean:
        return Given(bool(node.this), _position(node))
    if kind is exp.Neg and type(node.this) is exp.Literal and not node.this.is_string:
        given = _literal(node.this)
        assert isinstance(given.value, int | float)
        return Given(-given.value, given.position)
    if kind is exp.Cast and node.to.is_type("timestamp") and _is_text(node.this):
        return Given(node.this.this, _position(node.this), moment=True)
    return refuse(
        f"{_shown(node)} is no value: values are texts in single quotes, numbers,"
        " TRUE, FALSE, TIMESTAMP and a text, or parameters such as $1",
        _position(node),
    )


def _is_text(node: Any) -> bool:
    return type(node) is exp.Literal and bool(node.is_string)


def _literal(node: Any) -> Given:
    position, text = _position(node), str(node.this)
    if node.is_string:
        return Given(text, position)
    if len(text) > MAX_DIGITS:
        refuse(f"a number has {len(text)} digits, at most {MAX_DIGITS}", position)
    if _WHOLE.fullmatch(text):
        return Given(int(text), position)
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        refuse(f"{text!r:.{_SHOWN}} is not a finite number", position)
    return Given(float(text), position)


def _parameter(node: Any) -> Parameter:
    identifier, position = _identifier(node), _position(node)
    is_one = identifier is not None and identifier.meta["is_parameter"]
    digits = str(identifier.this)[1:] if is_one else ""
    if not 0 < len(digits) <= len(str(MAX_PARAMETERS)) or not (
        1 <= int(digits) <= MAX_PARAMETERS
    ):
        refuse(
            f"{_shown(node)} is no parameter: those are $1 to ${MAX_PARAMETERS}, and"
            " lists stand in parentheses",
            position,
        )
    return Parameter(int(digits), position)


_TRANSLATED: dict[type[Any], Callable[[Any], Node]] = {
    exp.And: _all,
    exp.Or: _some,
    exp.Not: _not,
    exp.Paren: _paren,
    exp.EQ: _compare("="),
    exp.NEQ: _compare("<>"),
    exp.LT: _compare("<"),
    exp.LTE: _compare("<="),
    exp.GT: _compare(">"),
    exp.GTE: _compare(">="),
    exp.In: _in,
    exp.Between: _between,
    exp.Is: _is,
    exp.Like: _like,
    exp.StartsWith: _starts_with,
    exp.Contains: _contains,
    exp.Column: _bare,
    exp.Boolean: _constant,
}
