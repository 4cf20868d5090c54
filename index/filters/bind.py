"""Binding of a condition to a schema and to parameters."""

from collections.abc import Callable
from typing import Any, NoReturn

from gleann.index.filters.bound import (
    BoundNode,
    CompareTest,
    ConstantTest,
    ContainsTest,
    MemberTest,
    NullTest,
    Operand,
    Plain,
    PrefixTest,
    joined,
)
from gleann.index.filters.tree import (
    All,
    Bare,
    Between,
    Compare,
    Constant,
    Contains,
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
from gleann.index.filters.values import IdType, Parameters, as_plain, converted
from gleann.index.filters.words import refuse
from gleann.index.payload.schema import Schema

_CONTRARY: dict[Operator, Operator] = {
    "=": "<>",
    "<>": "=",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
}
_NEVER = ConstantTest(False)


class Binder:
    """Binds the nodes of one condition.

    Args:
        schema: the columns.
        parameters: the values of `$1` and so on.
        id_type: of the ids; None where there are none yet, and any is right.
    """

    def __init__(
        self, schema: Schema, parameters: tuple[object, ...], id_type: IdType | None
    ) -> None:
        self._schema = schema
        self._parameters = Parameters(parameters, set())
        self._id_type = id_type

    def bind(self, node: Node) -> BoundNode:
        """The whole condition, bound.

        Raises:
            InvalidFilterError: an unknown column, a value of another type than its
                column, a parameter too many or too few.
        """
        bound = self._bound(node, holds=True)
        self._parameters.require_used()
        return bound

    def _bound(self, node: Node, *, holds: bool) -> BoundNode:
        """Where the node is true, or where it is false."""
        if isinstance(node, Negated):
            return self._bound(node.part, holds=not holds)
        if isinstance(node, All | Some):
            parts = tuple([self._bound(part, holds=holds) for part in node.parts])
            return joined(parts, by_and=isinstance(node, All) is holds)
        bind: Callable[[Binder, Any, bool], BoundNode] = _BIND[type(node)]
        return bind(self, node, holds)

    def compare(self, node: Compare, holds: bool) -> BoundNode:
        """A comparison; of null it is neither true nor false."""
        return self._compare(node.column, node.operator, node.value, holds)

    def _compare(
        self, name: Name, operator: Operator, value: Value, holds: bool
    ) -> BoundNode:
        operand = self._operand(name)
        if operand.type in ("strings", "json"):
            self._refuse_test(name, operand, operator)
        if operand.type == "bool" and operator not in ("=", "<>"):
            self._refuse_test(name, operand, operator)
        if (plain := converted(value, name, operand, self._parameters)) is None:
            return _NEVER
        return CompareTest(operand, operator if holds else _CONTRARY[operator], plain)

    def between(self, node: Between, holds: bool) -> BoundNode:
        """Two comparisons."""
        low = self._compare(node.column, ">=", node.low, holds)
        high = self._compare(node.column, "<=", node.high, holds)
        return joined((low, high), by_and=holds)

    def is_in(self, node: IsIn, holds: bool) -> BoundNode:
        """One of several values; not in several of which one is null is never true."""
        operand = self._operand(node.column)
        if operand.type in ("strings", "json"):
            self._refuse_test(node.column, operand, "IN")
        values = self._values(node, operand)
        plain = dict.fromkeys(value for value in values if value is not None)
        if not values:
            return ConstantTest(not holds)
        if not plain or (not holds and len(plain) < len(set(values))):
            return _NEVER
        if len(plain) == 1:
            return CompareTest(operand, "=" if holds else "<>", next(iter(plain)))
        return MemberTest(operand, tuple(plain), holds)

    def _values(self, node: IsIn, operand: Operand) -> list[Plain | None]:
        name, parameters = node.column, self._parameters
        if not isinstance(node.values, Parameter):
            if not node.values:
                refuse("IN needs values in its parentheses", name.position, name.name)
            return [converted(v, name, operand, parameters) for v in node.values]
        listed = parameters.get(node.values)
        if not isinstance(listed, tuple):
            number = node.values.number
            refuse(
                f"IN needs a list, ${number} is none; write IN (${number})",
                node.values.position,
                name.name,
            )
        return [
            None if raw is None else as_plain(raw, name, operand, node.values)
            for raw in listed
        ]

    def is_null(self, node: IsNull, holds: bool) -> BoundNode:
        """Ids are never null."""
        operand = self._operand(node.column)
        return ConstantTest(not holds) if operand.is_id else NullTest(operand, holds)

    def like(self, node: Like, holds: bool) -> BoundNode:
        """A text and %, no more: nothing that would have to be searched for."""
        pattern = self._text(node.column, node.pattern, "LIKE")
        if pattern is None:
            return _NEVER
        prefix = pattern[:-1]
        if not pattern.endswith("%") or any(sign in prefix for sign in "%_\\"):
            position = node.pattern.position
            refuse(
                f"LIKE {pattern!r:.60} is not a prefix: it must end in % and have no"
                " other %, _ or backslash; starts_with takes any text",
                position,
                node.column.name,
            )
        return PrefixTest(self._operand(node.column), prefix, holds)

    def starts_with(self, node: StartsWith, holds: bool) -> BoundNode:
        """A prefix."""
        prefix = self._text(node.column, node.prefix, "starts_with")
        if prefix is None:
            return _NEVER
        return PrefixTest(self._operand(node.column), prefix, holds)

    def contains(self, node: Contains, holds: bool) -> BoundNode:
        """A member of a list."""
        operand = self._operand(node.column)
        if operand.type != "strings":
            self._refuse_test(node.column, operand, "contains")
        member = converted(node.member, node.column, operand, self._parameters)
        if member is None:
            return _NEVER
        return ContainsTest(operand, str(member), holds)

    def bare(self, node: Bare, holds: bool) -> BoundNode:
        """A column of bool."""
        operand = self._operand(node.column)
        if operand.type != "bool":
            refuse(
                f"column {operand.name!r} ({operand.type}) is no condition by itself,"
                " only a column of bool is",
                node.column.position,
                operand.name,
            )
        return CompareTest(operand, "=" if holds else "<>", True)

    def constant(self, node: Constant, holds: bool) -> BoundNode:
        """TRUE or FALSE."""
        return ConstantTest(node.value is holds)

    def _text(self, name: Name, value: Value, test: str) -> str | None:
        operand = self._operand(name)
        if operand.type != "string":
            self._refuse_test(name, operand, test)
        plain = converted(value, name, operand, self._parameters)
        return None if plain is None else str(plain)

    def _operand(self, name: Name) -> Operand:
        if name.name == "id":
            return Operand("id", self._id_type or "string", is_id=True)
        if (column := self._schema.get(name.name)) is None:
            refuse(
                f"there is no column {name.name!r:.60}, {self._schema.described()},"
                " and id",
                name.position,
                name.name,
            )
        assert column is not None
        return Operand(column.name, column.type)

    def _refuse_test(self, name: Name, operand: Operand, test: str) -> NoReturn:
        tests = _TESTS[operand.type]
        what = "the id" if operand.is_id else f"column {operand.name!r}"
        refuse(
            f"{what} ({operand.type}) has no {test}, its tests are {tests}",
            name.position,
            operand.name,
        )
        raise AssertionError


_COMPARISONS = "= <> < <= > >= IN BETWEEN, IS NULL"
_TESTS = {
    "string": f"{_COMPARISONS}, LIKE, starts_with",
    "int64": _COMPARISONS,
    "float64": _COMPARISONS,
    "bool": "= <> IN, IS NULL, and the column by itself",
    "timestamp": _COMPARISONS,
    "strings": "contains, IS NULL",
    "json": "IS NULL",
}
_BIND: dict[type, Callable[[Binder, Any, bool], BoundNode]] = {
    Compare: Binder.compare,
    Between: Binder.between,
    IsIn: Binder.is_in,
    IsNull: Binder.is_null,
    Like: Binder.like,
    StartsWith: Binder.starts_with,
    Contains: Binder.contains,
    Bare: Binder.bare,
    Constant: Binder.constant,
}
