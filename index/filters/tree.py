"""A condition as it was written: small frozen trees, not yet bound to columns."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Operator: TypeAlias = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Name:
    """A column, and the offset in characters at which it is written."""

    name: str
    position: int | None


@dataclass(frozen=True, slots=True)
class Given:
    """A value that is written in the condition.

    Attributes:
        value: None for NULL.
        position: offset in characters.
        moment: whether it is behind the word TIMESTAMP.
    """

    value: str | int | float | bool | None
    position: int | None
    moment: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """The value of a parameter, counted from 1."""

    number: int
    position: int | None


Value: TypeAlias = Given | Parameter


@dataclass(frozen=True, slots=True)
class Compare:
    """`column operator value`."""

    column: Name
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class IsIn:
    """`column IN (values)`, or of the list that is a parameter."""

    column: Name
    values: tuple[Value, ...] | Parameter


@dataclass(frozen=True, slots=True)
class Between:
    """`column BETWEEN low AND high`."""

    column: Name
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class IsNull:
    """`column IS NULL`."""

    column: Name


@dataclass(frozen=True, slots=True)
class Like:
    """`column LIKE pattern`."""

    column: Name
    pattern: Value


@dataclass(frozen=True, slots=True)
class StartsWith:
    """`starts_with(column, prefix)`."""

    column: Name
    prefix: Value


@dataclass(frozen=True, slots=True)
class Contains:
    """`contains(column, member)`."""

    column: Name
    member: Value


@dataclass(frozen=True, slots=True)
class Bare:
    """A column of bool by itself."""

    column: Name


@dataclass(frozen=True, slots=True)
class Constant:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class All:
    """Conditions joined by AND."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """Conditions joined by OR."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """NOT of a condition."""

    part: "Node"


Test: TypeAlias = (
    Compare | IsIn | Between | IsNull | Like | StartsWith | Contains | Bare | Constant
)
Node: TypeAlias = Test | All | Some | Negated
