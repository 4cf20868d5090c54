"""Exceptions to gRPC status and back, from one table.

Every status carries an `ErrorInfo` whose reason is the exception's name, so that a
client raises the class that the server raised.
"""

import re
from collections.abc import Iterator
from itertools import accumulate, takewhile

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gleann.index import errors

DOMAIN = "gleann"

CALL_ID_HEADER = "x-request-id"
"""Metadata with the name of a call in logs: of the request, and of the answer."""

MAX_BYTES = 3900
"""Bytes of trailers that a message may take: it travels there twice, and gRPC drops
calls whose trailers have more than 8 KiB, now and then or always."""

MAX_DETAIL_BYTES = 400
"""Of the same, that a detail beside the message may take."""

STATUS_OF: dict[type[errors.GleannError], grpc.StatusCode] = {
    errors.InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidParamsError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    errors.NotReadyError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.LimitError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ForbiddenPathError: grpc.StatusCode.PERMISSION_DENIED,
    errors.PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    errors.ConflictError: grpc.StatusCode.ABORTED,
    errors.DeadlineError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.EngineUnavailableError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.CancelledError: grpc.StatusCode.CANCELLED,
    errors.StorageError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.CorruptDataError: grpc.StatusCode.DATA_LOSS,
    errors.ServiceError: grpc.StatusCode.INTERNAL,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
}
"""The code of each exception; a subclass that is not listed has its parent's."""

_CLASS_WITHOUT_INFO: dict[grpc.StatusCode, type[errors.GleannError]] = {
    # Codes that gRPC itself returns, before gleann's code runs.
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.LimitError,
    # Who cancels a call does not look at its status: this one, a stopping server ended.
    grpc.StatusCode.CANCELLED: errors.UnavailableError,
    grpc.StatusCode.UNAVAILABLE: errors.UnavailableError,
    grpc.StatusCode.UNAUTHENTICATED: errors.UnauthenticatedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineError,
    grpc.StatusCode.UNIMPLEMENTED: errors.UnsupportedError,
}


def code_of(error: errors.GleannError) -> grpc.StatusCode:
    """The gRPC code of an exception."""
    return next(STATUS_OF[c] for c in type(error).__mro__ if c in STATUS_OF)


def reason_of(kind: type[errors.GleannError]) -> str:
    """The ErrorInfo reason of a class: UnknownIndexError is UNKNOWN_INDEX."""
    words = re.findall("[A-Z][a-z0-9]*", kind.__name__.removesuffix("Error"))
    return "_".join(words).upper()


def status_of(error: errors.GleannError) -> status_pb2.Status:
    """The status of an exception, with its ErrorInfo."""
    info = error_details_pb2.ErrorInfo(
        reason=reason_of(type(error)), domain=DOMAIN, metadata=_details(error)
    )
    details = [info, *_retry_info(error)]
    number: int = code_of(error).value[0]
    status = status_pb2.Status(code=number, message=_fitting(str(error)))
    for detail in details:
        status.details.add().Pack(detail)
    return status


def error_of(status: status_pb2.Status) -> errors.GleannError:
    """The exception of a status."""
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        _ = detail.Unpack(info) or detail.Unpack(retry)
    if info.domain != DOMAIN:
        return errors.ServiceError(status.message)
    return _made(_class_of(info.reason), status.message, info, retry)


def _details(error: errors.GleannError) -> dict[str, str]:
    """What an exception has beside its message."""
    if not isinstance(error, errors.InvalidFilterError):
        return {}
    found = {"position": error.position, "column": error.column}
    # A column that is not there can have any name.
    return {
        name: _fitting(str(value), most=MAX_DETAIL_BYTES)
        for name, value in found.items()
        if value is not None
    }


def _retry_info(error: errors.GleannError) -> list[error_details_pb2.RetryInfo]:
    """When to try again, of an error that says so."""
    if not isinstance(error, errors.OverloadedError):
        return []
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromNanoseconds(round(error.retry_seconds * 1e9))
    return [retry]


def _made(
    kind: type[errors.GleannError],
    message: str,
    info: error_details_pb2.ErrorInfo,
    retry: error_details_pb2.RetryInfo,
) -> errors.GleannError:
    if issubclass(kind, errors.OverloadedError):
        return kind(message, retry_seconds=retry.retry_delay.ToNanoseconds() / 1e9)
    if not issubclass(kind, errors.InvalidFilterError):
        return kind(message)
    position = info.metadata.get("position", "")
    return kind(
        message,
        position=int(position) if position.isdecimal() else None,
        column=info.metadata.get("column"),
    )


def error_of_call(call: grpc.RpcError) -> errors.GleannError:
    """The exception of a failed call."""
    status = rpc_status.from_call(call)
    if status is not None:
        error = error_of(status)
    else:
        kind = _CLASS_WITHOUT_INFO.get(call.code(), errors.ServiceError)
        error = kind(f"{call.code().name}: {call.details()}")
    error.call_id = _call_id(call)
    return error


def _call_id(call: grpc.RpcError) -> str:
    """The name of a call in the server's log; "" where none came back."""
    trailers = call.trailing_metadata() or ()
    return next((str(value) for key, value in trailers if key == CALL_ID_HEADER), "")


def all_errors() -> Iterator[type[errors.GleannError]]:
    """Every exception class of gleann."""
    found = [errors.GleannError]
    for kind in found:
        found.extend(kind.__subclasses__())
    yield from found[1:]


def _class_of(reason: str) -> type[errors.GleannError]:
    by_reason = {reason_of(kind): kind for kind in all_errors()}
    return by_reason.get(reason, errors.ServiceError)


def _fitting(text: str, *, most: int = MAX_BYTES) -> str:
    """The text, truncated with a note if too long; without lone surrogates."""
    start = text[:most].encode(errors="backslashreplace").decode()
    if len(text) <= most and _trailer_bytes(start) <= most:
        return start
    length = len(start) + max(0, len(text) - most)
    room = most - _trailer_bytes(_cut_note(length))
    costs = accumulate(_trailer_bytes(letter) for letter in start)
    kept = sum(1 for _ in takewhile(lambda cost: cost <= room, costs))
    return start[:kept] + _cut_note(length - kept)


def _cut_note(characters: int) -> str:
    return f" ... ({characters} more characters)"


def _trailer_bytes(text: str) -> float:
    """Bytes of a message, percent-encoded in one header and in base64 in another."""
    packed = text.encode()
    plain = sum(0x20 <= byte <= 0x7E and byte != 0x25 for byte in packed)
    return plain + 3 * (len(packed) - plain) + len(packed) * 4 / 3
