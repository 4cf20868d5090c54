"""Conversion of coreset options to messages: costs, cost_on, quotas."""

from collections.abc import Hashable, Mapping
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.checks import require_integer
from gleann.index.errors import InvalidParamsError
from gleann.index.ids.checks import hold_id_array
from gleann.service.wire.arrays import (
    Column,
    float64s_to_wire,
    ids_to_wire,
)
from gleann.v1 import coreset_pb2

Groups = tuple[ArrayLike, ArrayLike]
"""Ids, and the name of each one's group."""

Quotas: TypeAlias = str | Mapping[str, int | float]
"""A rule, or the number or share of each group."""

_COST_ON = {"sum": coreset_pb2.COST_ON_SUM, "mean": coreset_pb2.COST_ON_MEAN}
_QUOTA_RULES = {
    "proportional": coreset_pb2.QUOTA_RULE_PROPORTIONAL,
    "equal": coreset_pb2.QUOTA_RULE_EQUAL,
}


def quotas_to_wire(groups: Groups, quotas: Quotas) -> coreset_pb2.Quotas:
    """Pack the group of each id, and the quota rule or the quota of each group.

    Raises:
        InvalidParamsError: no such rule, or a quota that is no number.
    """
    ids, names = groups
    message = coreset_pb2.Quotas(
        ids=ids_to_wire(hold_id_array(ids, name="groups ids")),
        groups=np.asarray(names).astype(np.str_).tolist(),
    )
    if isinstance(quotas, Mapping):
        message.quotas.extend(
            _quota_to_wire(str(group), quota) for group, quota in quotas.items()
        )
    elif quotas in _QUOTA_RULES:
        message.rule = _QUOTA_RULES[quotas]
    else:
        raise InvalidParamsError(
            f"quotas must be one of {', '.join(_QUOTA_RULES)}, or a number or share by"
            f" group; got {quotas!r}"
        )
    return message


def _quota_to_wire(group: str, quota: object) -> coreset_pb2.GroupQuota:
    if isinstance(quota, float | np.floating):
        return coreset_pb2.GroupQuota(group=group, share=float(quota))
    require_integer(f"quota of {group!r}", quota, at_least=0)
    try:
        return coreset_pb2.GroupQuota(group=group, number=int(cast(int, quota)))
    except ValueError as error:
        raise InvalidParamsError(f"quota of {group!r} cannot be {quota}") from error


def quotas_of(message: coreset_pb2.Quotas) -> dict[Hashable, int | float] | None:
    """Read the quota of each group; None where there is only a rule.

    Raises:
        InvalidParamsError: a group twice, or without a quota.
    """
    found: dict[Hashable, int | float] = {}
    for one in message.quotas:
        kind = one.WhichOneof("quota")
        if kind is None or one.group in found:
            what = "has no number and no share" if kind is None else "is there twice"
            raise InvalidParamsError(f"the quota of group {one.group!r:.60} {what}")
        found[one.group] = one.number if kind == "number" else one.share
    return found or None


def cost_on_to_wire(cost_on: str) -> coreset_pb2.CostOn:
    """Pack `cost_on`."""
    if cost_on not in _COST_ON:
        raise InvalidParamsError(
            f"cost_on must be one of {', '.join(_COST_ON)}; got {cost_on!r}"
        )
    return _COST_ON[cost_on]


def costs_to_wire(costs: Column | None) -> coreset_pb2.Costs | None:
    """Pack the cost of each id, if any."""
    if costs is None:
        return None
    ids, prices = costs
    return coreset_pb2.Costs(
        ids=ids_to_wire(hold_id_array(ids, name="costs ids")),
        values=float64s_to_wire(prices, name="costs"),
    )
