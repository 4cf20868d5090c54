"""Conversion of coreset options to messages: costs, cost_on, quotas."""

import numpy as np
from numpy.typing import ArrayLike

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

_COST_ON = {"sum": coreset_pb2.COST_ON_SUM, "mean": coreset_pb2.COST_ON_MEAN}
_QUOTA_RULES = {
    "proportional": coreset_pb2.QUOTA_RULE_PROPORTIONAL,
    "equal": coreset_pb2.QUOTA_RULE_EQUAL,
}


def quotas_to_wire(groups: Groups, rule: str) -> coreset_pb2.Quotas:
    """Pack the group of each id and the quota rule."""
    ids, names = groups
    if rule not in _QUOTA_RULES:
        raise InvalidParamsError(
            f"quotas must be one of {', '.join(_QUOTA_RULES)}; got {rule!r}"
        )
    return coreset_pb2.Quotas(
        ids=ids_to_wire(hold_id_array(ids, name="groups ids")),
        groups=np.asarray(names).astype(np.str_).tolist(),
        rule=_QUOTA_RULES[rule],
    )


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
