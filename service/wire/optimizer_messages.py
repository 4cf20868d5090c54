"""Conversion of when an index is compacted, and of the state of that, to messages."""

from dataclasses import asdict, fields

from gleann.service.optimizer_params import (
    CompactionKind,
    OptimizerParams,
    OptimizerState,
)
from gleann.service.wire.fields import fill, given, time_of, time_to_wire
from gleann.v1 import index_pb2


def optimizer_params_to_wire(
    params: OptimizerParams | None,
) -> index_pb2.OptimizerParams | None:
    """Pack parameters, if any; those that are None are left unset."""
    if params is None:
        return None
    message = index_pb2.OptimizerParams()
    fill(message, asdict(params))
    return message


def optimizer_params_of(message: index_pb2.OptimizerParams) -> OptimizerParams:
    """Read parameters; those that are not set are None.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    return OptimizerParams(
        **{
            field.name: getattr(message, field.name)
            for field in fields(OptimizerParams)
            if message.HasField(field.name)
        }
    )


def optimizer_to_wire(state: OptimizerState) -> index_pb2.Optimizer:
    """Pack the state of an index's compaction."""
    message = index_pb2.Optimizer(params=optimizer_params_to_wire(state.params))
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    for name in ("params", "last_time"):
        del values[name]
    fill(message, values)
    if state.last_time is not None:
        message.last_time.CopyFrom(time_to_wire(state.last_time))
    return message


def optimizer_of(message: index_pb2.Optimizer) -> OptimizerState:
    """Read the state of an index's compaction."""
    values = given(message)
    last: CompactionKind | None = values.get("last_kind")
    ended = message.HasField("last_time")
    return OptimizerState(
        params=optimizer_params_of(message.params),
        pending_share=message.pending_share,
        removed_share=message.removed_share,
        drift=message.drift or None,
        decision=message.decision,
        operation=message.operation or None,
        last_kind=last,
        last_time=time_of(message.last_time) if ended else None,
        last_error=message.last_error or None,
    )


def compaction_kind_to_wire(kind: CompactionKind | None) -> index_pb2.CompactionKind:
    """Pack how to compact; None leaves it to the optimizer.

    Raises:
        InvalidParamsError: no such kind.
    """
    request = index_pb2.OptimizeIndexRequest()
    fill(request, {"kind": kind})
    return request.kind
