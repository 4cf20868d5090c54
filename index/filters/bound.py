"""A condition bound to columns and parameters: what is evaluated.

NOT has been moved into the tests, each of which holds where it is true and not where it
is null. So no third truth value is left: what is true of AND, OR and NOT of tests
follows from where each test, or its contrary, is true (Kleene, by De Morgan's laws).
"""

from dataclasses import dataclass
from typing import TypeAlias

from gleann.index.filters.tree import Operator
from gleann.index.payload.schema import ColumnType


@dataclass(frozen=True, slots=True)
class Operand:
    """What a test reads: a column, or the ids of the vectors."""

    name: str
    type: ColumnType
    is_id: bool = False


Plain: TypeAlias = str | int | float | bool
"""A value as its column holds it; a moment is its microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class CompareTest:
    """True where the value is there and compares so."""

    operand: Operand
    operator: Operator
    value: Plain


@dataclass(frozen=True, slots=True)
class MemberTest:
    """True where the value is there and is, or is not, one of several."""

    operand: Operand
    values: tuple[Plain, ...]
    holds: bool


@dataclass(frozen=True, slots=True)
class NullTest:
    """True where there is no value, or where there is one."""

    operand: Operand
    holds: bool


@dataclass(frozen=True, slots=True)
class PrefixTest:
    """True where the text is there and begins so, or does not."""

    operand: Operand
    prefix: str
    holds: bool


@dataclass(frozen=True, slots=True)
class ContainsTest:
    """True where the list is there and has the member, or has not."""

    operand: Operand
    member: str
    holds: bool


@dataclass(frozen=True, slots=True)
class ConstantTest:
    """True everywhere or nowhere."""

    value: bool


@dataclass(frozen=True, slots=True)
class AllTests:
    """True where all parts are."""

    parts: tuple["BoundNode", ...]


@dataclass(frozen=True, slots=True)
class SomeTests:
    """True where some part is."""

    parts: tuple["BoundNode", ...]


BoundTest: TypeAlias = (
    CompareTest | MemberTest | NullTest | PrefixTest | ContainsTest | ConstantTest
)
BoundNode: TypeAlias = BoundTest | AllTests | SomeTests


def joined(parts: tuple[BoundNode, ...], *, by_and: bool) -> BoundNode:
    """The parts joined, without constants and without nesting of one connective."""
    kind = AllTests if by_and else SomeTests
    kept: dict[BoundNode, None] = {}
    for part in parts:
        if isinstance(part, ConstantTest):
            if part.value is not by_and:
                return part
        elif isinstance(part, kind):
            kept |= dict.fromkeys(part.parts)
        else:
            kept[part] = None
    if not kept:
        return ConstantTest(by_and)
    return next(iter(kept)) if len(kept) == 1 else kind(tuple(kept))
