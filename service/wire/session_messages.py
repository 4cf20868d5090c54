"""Conversion of session descriptions."""

from typing import TYPE_CHECKING, cast

from gleann.service.values import SessionInfo
from gleann.service.wire.fields import time_of, time_to_wire
from gleann.v1 import session_pb2

if TYPE_CHECKING:
    from gleann.service.values import SessionKind


def session_info_to_wire(info: SessionInfo) -> session_pb2.Session:
    """Describe a session."""
    return session_pb2.Session(
        name=info.name,
        kind=info.kind,
        index=info.index,
        sealed_version=info.version,
        labelled=info.labelled,
        create_time=time_to_wire(info.created_at),
        update_time=time_to_wire(info.updated_at),
    )


def session_info_of(message: session_pb2.Session) -> SessionInfo:
    """Read the description of a session."""
    return SessionInfo(
        name=message.name,
        kind=cast("SessionKind", message.kind),
        index=message.index,
        version=message.sealed_version,
        labelled=message.labelled,
        created_at=time_of(message.create_time),
        updated_at=time_of(message.update_time),
    )
