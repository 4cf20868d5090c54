"""Calls of any kind with bytes for messages, and what is wrong with their answers."""

from itertools import islice

import fuzzing
import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

WATCH = "/grpc.health.v1.Health/Watch"
"""A stream that never ends: its first answer is read."""
ANSWERS = 20
"""Read of a stream at most."""
CALL_SECONDS = 60.0

UNSERVED = (
    "/grpc.health.v1.Health/List",  # optional; Check and Watch are what probes use
)
"""In the descriptors, and not served."""

STATUS = grpc.StatusCode
DOCUMENTED = {
    STATUS.OK,
    STATUS.INVALID_ARGUMENT,
    STATUS.NOT_FOUND,
    STATUS.ALREADY_EXISTS,
    STATUS.FAILED_PRECONDITION,
    STATUS.ABORTED,
    STATUS.RESOURCE_EXHAUSTED,
    STATUS.PERMISSION_DENIED,
    STATUS.CANCELLED,
}

Metadata = list[tuple[str, str]]


def answered(
    channel: grpc.Channel, request: fuzzing.Seed, metadata: Metadata
) -> tuple[grpc.StatusCode, str]:
    """The status of a call, and what is wrong with its error, or ""."""
    path, messages = request
    # The wire format of all kinds of calls is one: streams of messages both ways.
    call = channel.stream_stream(path)(
        iter(messages), timeout=CALL_SECONDS, metadata=metadata
    )
    try:
        for _ in islice(call, 1 if path == WATCH else ANSWERS):
            pass
    except grpc.RpcError as error:
        return error.code(), untyped(error)
    call.cancel()
    return STATUS.OK, ""


def untyped(error: grpc.RpcError) -> str:
    """Why an error does not say its reason as every error of gleann does, or ""."""
    if error.code() not in DOCUMENTED:
        return str(error.details())
    status = rpc_status.from_call(error)
    if status is None:
        return f"no details: {error.details()}"
    if not any(detail.Is(ErrorInfo.DESCRIPTOR) for detail in status.details):
        return f"no ErrorInfo: {error.details()}"
    return ""
