"""Evaluation of a bound condition by Arrow, to one flag a row."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gleann.index.arrays import HeldIds, Mask
from gleann.index.filters.bound import (
    AllTests,
    BoundNode,
    BoundTest,
    CompareTest,
    ConstantTest,
    ContainsTest,
    MemberTest,
    NullTest,
    Operand,
    Plain,
    PrefixTest,
    SomeTests,
)
from gleann.index.payload.arrow import TYPES
from gleann.index.payload.payload import Payload
from gleann.index.texts import Texts

Flags = Any
"""Arrow booleans without null, in one or in several chunks."""
FEW = 8
"""Numbers up to which comparing with each takes less time than hashing them all."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def evaluate(node: BoundNode, payload: Payload, ids: HeldIds) -> Mask:
    """(n,) True for the rows whose condition is true.

    Args:
        node: the condition.
        payload: (n,) a column that it lacks is null.
        ids: (n,).
    """
    if isinstance(node, ConstantTest):
        return np.full(len(ids), node.value, np.bool_)
    return _as_mask(_Rows(payload, ids).flags(node))


class _Rows:
    """The rows that a condition is evaluated over."""

    def __init__(self, payload: Payload, ids: HeldIds) -> None:
        self._payload = payload
        self._table = payload.to_arrow()
        self._ids = ids

    def flags(self, node: BoundNode) -> Flags:
        if isinstance(node, AllTests):
            return reduce(pc.and_, map(self.flags, node.parts))
        if isinstance(node, SomeTests):
            return reduce(pc.or_, map(self.flags, node.parts))
        assert not isinstance(node, ConstantTest)
        return _TEST[type(node)](self._values(node.operand), node)

    def _values(self, operand: Operand) -> Any:
        if operand.is_id:
            return self._id_values(operand)
        column = self._payload.schema.get(operand.name)
        if column is None or column.type != operand.type:
            return pa.nulls(len(self._ids), TYPES[operand.type])
        return self._table[operand.name]

    def _id_values(self, operand: Operand) -> Any:
        """The ids; a condition that was bound when there were none may be of others."""
        if isinstance(self._ids, Texts) is (operand.type == "int64"):
            return pa.nulls(len(self._ids), TYPES[operand.type])
        return (
            self._ids.to_arrow()
            if isinstance(self._ids, Texts)
            else pa.array(self._ids)
        )


def _compare(values: Any, test: CompareTest) -> Flags:
    if test.operand.type == "bool":
        same = test.value is (test.operator == "=")
        return _certain(values if same else pc.invert(values))
    value = pa.scalar(test.value, values.type)
    return _certain(_COMPARE[test.operator](values, value))


def _member(values: Any, test: MemberTest) -> Flags:
    wanted = pa.array(_with_both_zeros(test.values), values.type)
    if len(wanted) <= FEW and test.operand.type != "string":
        inside = _certain(reduce(pc.or_, [pc.equal(values, one) for one in wanted]))
    else:
        inside = pc.is_in(values, value_set=wanted)
    if test.holds:
        return inside
    return pc.and_(pc.invert(inside), pc.is_valid(values))


def _with_both_zeros(values: tuple[Plain, ...]) -> tuple[Plain, ...]:
    """0.0 equals -0.0, but Arrow's sets of float64 compare bits."""
    has_zero = any(isinstance(one, float) and one == 0 for one in values)
    return (*values, 0.0, -0.0) if has_zero else values


def _null(values: Any, test: NullTest) -> Flags:
    return pc.is_null(values) if test.holds else pc.is_valid(values)


def _prefix(values: Any, test: PrefixTest) -> Flags:
    begins = pc.starts_with(values, pattern=test.prefix)
    return _certain(begins if test.holds else pc.invert(begins))


def _contains(values: Any, test: ContainsTest) -> Flags:
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    return pa.chunked_array([_contains_in(chunk, test) for chunk in chunks], pa.bool_())


def _contains_in(lists: Any, test: ContainsTest) -> Flags:
    members = lists.flatten()
    hits = _as_mask(_certain(pc.equal(members, pa.scalar(test.member, members.type))))
    parents = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    has = np.zeros(len(lists), np.bool_)
    has[parents[hits]] = True
    if test.holds:
        return pa.array(has)
    return pc.and_(pa.array(~has), pc.is_valid(lists))


_TEST: dict[type[BoundTest], Callable[[Any, Any], Flags]] = {
    CompareTest: _compare,
    MemberTest: _member,
    NullTest: _null,
    PrefixTest: _prefix,
    ContainsTest: _contains,
}


def _certain(flags: Flags) -> Flags:
    return pc.fill_null(flags, False) if flags.null_count else flags


def _as_mask(flags: Flags) -> Mask:
    """Arrow booleans without null, as NumPy's."""
    chunks = flags.chunks if isinstance(flags, pa.ChunkedArray) else [flags]
    mask = np.empty(len(flags), np.bool_)
    begin = 0
    for chunk in chunks:
        bits = np.frombuffer(chunk.buffers()[1] or b"", np.uint8)
        count = chunk.offset + len(chunk)
        flat = np.unpackbits(bits, count=count, bitorder="little")
        mask[begin : begin + len(chunk)] = flat[chunk.offset :]
        begin += len(chunk)
    return mask
