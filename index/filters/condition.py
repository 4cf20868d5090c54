"""`Condition`: a filter as a caller writes it, and bound to the columns of an index."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from gleann._needed import needing
from gleann.index.arrays import HeldIds, Mask
from gleann.index.errors import DimensionMismatchError, InvalidFilterError
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema

if TYPE_CHECKING:
    from gleann.index.filters.bound import BoundNode, Plain
    from gleann.index.filters.values import IdType

VALUE_BYTES = 64
"""About what a value, or a test with one, takes in memory beside its characters."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A condition on payload, as the WHERE clause of SQL has it.

    Attributes:
        where: such as "split = 'train' AND score >= $1"; the grammar is in the README.
        parameters: the values of $1, $2 and so on: text, a number, true or false, a
            datetime, None, or a list of those for IN.

    Raises:
        InvalidFilterError: on creation, a parameter of another type.
    """

    where: str
    parameters: tuple[object, ...] = ()
    _key: tuple[object, ...] = field(init=False, repr=False)

    def __init__(self, where: str, parameters: Sequence[object] = ()) -> None:
        with needing("a condition"):
            from gleann.index.filters.values import plain_parameter

        given: object = where  # from outside
        if not isinstance(given, str):
            raise InvalidFilterError(f"where is a text, got a {type(given).__name__}")
        if isinstance(parameters, str) or not hasattr(parameters, "__len__"):
            raise InvalidFilterError(
                f"parameters is a sequence of values, got a {type(parameters).__name__}"
            )
        kept = tuple(map(plain_parameter, parameters))
        object.__setattr__(self, "where", where)
        object.__setattr__(self, "parameters", kept)
        # 1, 1.0 and TRUE are equal, and not the same parameter.
        object.__setattr__(self, "_key", (where, *map(_typed, kept)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @classmethod
    def of(
        cls, where: str | None, parameters: Sequence[object] = ()
    ) -> "Condition | None":
        """The condition of arguments such as those of a search; None for None.

        Raises:
            InvalidFilterError: parameters without a condition.
        """
        if where is not None:
            return cls(where, parameters)
        if len(parameters):
            raise InvalidFilterError(
                f"there are {len(parameters)} parameters and no condition"
            )
        return None

    def bound(self, schema: Schema, *, id_type: "IdType | None") -> "BoundCondition":
        """The condition for these columns.

        Args:
            schema: the columns.
            id_type: "int64" or "string", what the ids are; None where there are none.

        Raises:
            InvalidFilterError: it does not follow the grammar, is over a cap, names a
                column that is not there, compares one with a value of another type, or
                has a parameter too many or too few. It has `position` and `column`.
        """
        with needing("a condition"):
            from gleann.index.filters.bind import Binder
            from gleann.index.filters.parse import parse

        tree = parse(self.where)
        if id_type is not None:
            return BoundCondition(Binder(schema, self.parameters, id_type).bind(tree))
        try:
            return self.bound(schema, id_type="int64")
        except InvalidFilterError:
            return self.bound(schema, id_type="string")


class BoundCondition:
    """A condition that is bound to columns; immutable."""

    def __init__(self, node: "BoundNode") -> None:
        self._node = node

    def mask(self, payload: Payload, ids: HeldIds) -> Mask:
        """(n,) True for each row of which the condition is true, not null.

        Args:
            payload: (n,) rows; a column that it lacks is null.
            ids: (n,) of the kind that the condition was bound for.

        Raises:
            DimensionMismatchError: another number of rows than of ids.
        """
        from gleann.index.filters.evaluate import evaluate

        if len(payload) != len(ids):
            raise DimensionMismatchError(
                f"payload has {len(payload)} entries for {len(ids)} rows"
            )
        return evaluate(self._node, payload, ids)

    @cached_property
    def key(self) -> "ConditionKey":
        """The same for conditions that pass the same rows by the same tests."""
        return ConditionKey(self._node)

    @property
    def columns(self) -> frozenset[str]:
        """Names of what it reads; "id" for the ids."""
        return frozenset(_names(self._node))

    @cached_property
    def equalities(self) -> tuple[tuple[str, "Plain"], ...]:
        """Column and value of each test of equality that every passing row meets."""
        from gleann.index.filters.bound import AllTests, CompareTest

        node = self._node
        parts = node.parts if isinstance(node, AllTests) else (node,)
        return tuple(
            (part.operand.name, part.value)
            for part in parts
            if isinstance(part, CompareTest) and part.operator == "="
        )


class ConditionKey:
    """Hashable; the hash is computed once, also where IN has a million values.

    Attributes:
        nbytes: about what it takes in memory.
    """

    __slots__ = ("_hash", "_node", "nbytes")

    def __init__(self, node: "BoundNode") -> None:
        self._node = node
        self._hash = hash(node)
        self.nbytes = _bytes_of(node)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConditionKey) and self._node == other._node

    def __hash__(self) -> int:
        return self._hash


def _bytes_of(node: "BoundNode") -> int:
    from gleann.index.filters import bound

    match node:
        case bound.AllTests() | bound.SomeTests():
            return sum(map(_bytes_of, node.parts))
        case bound.MemberTest():
            texts = sum(len(one) for one in node.values if isinstance(one, str))
            return VALUE_BYTES * (1 + len(node.values)) + texts
        case bound.CompareTest(value=str() as text):
            return VALUE_BYTES + len(text)
        case bound.PrefixTest(prefix=text) | bound.ContainsTest(member=text):
            return VALUE_BYTES + len(text)
    return VALUE_BYTES


def _typed(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_typed, value))
    return (type(value), value)


def _names(node: "BoundNode") -> Iterable[str]:
    from gleann.index.filters.bound import AllTests, ConstantTest, SomeTests

    if isinstance(node, AllTests | SomeTests):
        return {name for part in node.parts for name in _names(part)}
    return () if isinstance(node, ConstantTest) else (node.operand.name,)
