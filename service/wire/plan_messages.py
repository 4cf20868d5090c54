"""Conversion of plans, and of the operations that carry them, to messages."""

from google.longrunning import operations_pb2

from gleann.service.values import Plan
from gleann.v1 import index_pb2

PLANNED = "planned"
"""The phase of an operation that carries a plan."""


def plan_to_wire(plan: Plan) -> index_pb2.Plan:
    """Pack a plan."""
    return index_pb2.Plan(
        rows=plan.rows,
        seconds=plan.seconds or 0.0,
        memory_bytes=plan.memory_bytes,
        disk_bytes=plan.disk_bytes,
        disk_bytes_after=plan.disk_bytes_after,
        steps=plan.steps,
    )


def plan_of(message: index_pb2.Plan) -> Plan:
    """Read a plan."""
    return Plan(
        rows=message.rows,
        seconds=message.seconds or None,
        memory_bytes=message.memory_bytes,
        disk_bytes=message.disk_bytes,
        disk_bytes_after=message.disk_bytes_after,
        steps=tuple(message.steps),
    )


def planned_operation(kind: str, *, index: str, plan: Plan) -> operations_pb2.Operation:
    """The answer to a request that was only checked: an operation without a name."""
    metadata = index_pb2.OperationMetadata(
        kind=kind,
        index=index,
        phase=PLANNED,
        state=index_pb2.JOB_STATE_DONE,
        plan=plan_to_wire(plan),
    )
    operation = operations_pb2.Operation(done=True)
    operation.metadata.Pack(metadata)
    return operation
