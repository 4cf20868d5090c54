"""What the edge records of every call: its id, its time and its status."""

import re
from collections.abc import Iterable
from itertools import count
from secrets import token_hex
from time import monotonic

from gleann.service.security.key_ring import Metadatum
from gleann.service.server.rpc import Rpc
from gleann.service.status import CALL_ID_HEADER
from gleann.service.telemetry.telemetry import Telemetry
from gleann.service.telemetry.traces import NoTracing, Trace

PARENT_HEADER = "traceparent"
_CALL_ID = re.compile(r"[!-~]{1,128}")
_PROCESS = token_hex(4)
_numbers = count(1)
"""Random bytes for each call would be a call of the system, in the polling thread."""


def call_id_of(metadata: Iterable[Metadatum]) -> str:
    """The id that the caller gave the call, or a new one.

    It is 1 to 128 visible ASCII letters; another one is not taken.
    """
    for item in metadata:
        if item.key == CALL_ID_HEADER and _CALL_ID.fullmatch(str(item.value)):
            return str(item.value)
    return f"{_PROCESS}{next(_numbers):08x}"


def observe(rpc: Rpc, telemetry: Telemetry) -> None:
    """Count a call of a method of the protocol when it has ended.

    Its time is from its arrival to the end of its answer.
    """
    began, method, trace = monotonic(), rpc.context.method, rpc.context.trace

    def ended() -> None:
        telemetry.call_ended(method, rpc.status_name, monotonic() - began)
        if trace is not None:
            trace.end(
                rpc.status_name,
                call_id=rpc.context.call_id,
                key=rpc.context.caller.name,
                peer=rpc.context.peer,
            )

    rpc.when_ended(ended)


def trace_of(
    method: str, metadata: Iterable[Metadatum], telemetry: Telemetry
) -> Trace | None:
    """Begin the trace of a call, below that of its caller; None without one."""
    if isinstance(telemetry.tracing, NoTracing):
        return None
    parents = (str(one.value) for one in metadata if one.key == PARENT_HEADER)
    return telemetry.tracing.begin(method[1:], "server", next(parents, ""))
