"""Conversion of the status of a server to messages and back."""

from collections.abc import Collection, Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from gleann.service.server_status import (
    IndexStatus,
    MethodStatus,
    QueueStatus,
    ServerState,
    ServerStatus,
)
from gleann.service.wire.field_mask import ALL, require_mask
from gleann.v1 import admin_pb2

_STATES: dict[ServerState, admin_pb2.ServerState] = {
    "serving": admin_pb2.SERVER_STATE_SERVING,
    "read-only": admin_pb2.SERVER_STATE_READ_ONLY,
    "stopping": admin_pb2.SERVER_STATE_STOPPING,
}
_SINGLE = (
    "version",
    "reason",
    "uptime_seconds",
    "compute_threads",
    "memory_bytes",
    "mapped_bytes",
    "disk_free_bytes",
    "sessions",
    "streams",
)
_QUEUE = tuple(admin_pb2.QueueStatus.DESCRIPTOR.fields_by_name)
_FIELDS = frozenset(admin_pb2.ServerStatus.DESCRIPTOR.fields_by_name)


def wanted_fields(mask: FieldMask) -> Collection[str]:
    """The fields of a status that a read mask names; all where it is empty.

    Raises:
        InvalidInputError: a field that a status does not have.
    """
    require_mask(mask, admin_pb2.ServerStatus)
    if not mask.paths or ALL in mask.paths:
        return _FIELDS
    return frozenset(mask.paths)


def status_to_wire(
    status: ServerStatus, wanted: Collection[str] = _FIELDS
) -> admin_pb2.ServerStatus:
    """Pack the fields of a status that are wanted."""
    message = admin_pb2.ServerStatus(
        **{name: getattr(status, name) for name in _SINGLE if name in wanted}
    )
    if "state" in wanted:
        message.state = _STATES[status.state]
    message.operations.update(status.operations)
    for queue in status.queues:
        message.queues.add(**{name: getattr(queue, name) for name in _QUEUE})
    for method in status.methods:
        message.methods.add(
            method=method.method,
            codes=method.codes,
            rate=method.rate,
            median_seconds=method.median_seconds,
            p99_seconds=method.p99_seconds,
        )
    message.indexes.extend(map(_index_to_wire, status.indexes))
    return message


def status_of_wire(message: admin_pb2.ServerStatus) -> ServerStatus:
    """Read a status."""
    states = {number: state for state, number in _STATES.items()}
    return ServerStatus(
        **{name: getattr(message, name) for name in _SINGLE},
        state=states.get(message.state, "serving"),
        operations=dict(message.operations),
        queues=_queues_of(message.queues),
        methods=tuple(
            MethodStatus(
                method=one.method,
                codes=dict(one.codes),
                rate=one.rate,
                median_seconds=one.median_seconds,
                p99_seconds=one.p99_seconds,
            )
            for one in message.methods
        ),
        indexes=tuple(map(_index_of, message.indexes)),
    )


def _queues_of(messages: Sequence[admin_pb2.QueueStatus]) -> tuple[QueueStatus, ...]:
    return tuple(
        QueueStatus(**{name: getattr(one, name) for name in _QUEUE}) for one in messages
    )


def _index_to_wire(status: IndexStatus) -> admin_pb2.IndexStatus:
    return admin_pb2.IndexStatus(
        name=status.name,
        count=status.count,
        pending=status.pending,
        removed=status.removed,
        memory_bytes=status.memory_bytes,
        disk_bytes=status.disk_bytes,
        queries=status.queries,
        probed_recall=status.probed_recall,
        probed_queries=status.probed_queries,
        broken=status.broken,
    )


def _index_of(message: admin_pb2.IndexStatus) -> IndexStatus:
    probed = message.HasField("probed_recall")
    return IndexStatus(
        name=message.name,
        count=message.count,
        pending=message.pending,
        removed=message.removed,
        memory_bytes=dict(message.memory_bytes),
        disk_bytes=message.disk_bytes,
        queries=message.queries,
        probed_recall=message.probed_recall if probed else None,
        probed_queries=message.probed_queries,
        broken=message.broken,
    )
