"""Stubs that call a server and raise the exceptions that the server raised."""

from collections.abc import Callable
from dataclasses import dataclass

import grpc
from google.longrunning import operations_pb2_grpc
from google.protobuf.message import Message

from gleann.index.errors import (
    GleannError,
    InvalidParamsError,
    ServiceError,
    UnavailableError,
)
from gleann.service.security import KEY_HEADER, bearer, require_sendable_key
from gleann.service.status import error_of_call
from gleann.service.stubs import Stubs
from gleann.v1 import (
    active_pb2_grpc,
    admin_pb2_grpc,
    coreset_pb2_grpc,
    estimate_pb2_grpc,
    index_pb2_grpc,
    job_pb2_grpc,
    rounds_pb2_grpc,
    search_pb2_grpc,
    session_pb2_grpc,
    snapshot_pb2_grpc,
    vector_pb2_grpc,
)

OPTIONS = [
    # The server enforces its own caps; a client limit could only differ.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]

_STUBS: dict[str, Callable[[grpc.Channel], object]] = {
    "index": index_pb2_grpc.IndexServiceStub,
    "vector": vector_pb2_grpc.VectorServiceStub,
    "search": search_pb2_grpc.SearchServiceStub,
    "coreset": coreset_pb2_grpc.CoresetServiceStub,
    "active": active_pb2_grpc.ActiveLearningServiceStub,
    "rounds": rounds_pb2_grpc.RoundsServiceStub,
    "estimate": estimate_pb2_grpc.EstimateServiceStub,
    "session": session_pb2_grpc.SessionServiceStub,
    "snapshot": snapshot_pb2_grpc.SnapshotServiceStub,
    "admin": admin_pb2_grpc.AdminServiceStub,
    "job": job_pb2_grpc.JobServiceStub,
    "operations": operations_pb2_grpc.OperationsStub,
}


READY_SECONDS = 0.1
"""For the state of a connection, once a call to it has timed out."""


def connect(address: str, *, api_key: str | None, timeout: float | None) -> Stubs:
    """Stubs of the server at an address; the first call connects.

    Args:
        address: of the server, as gRPC takes it; see `gleann.service.client.target`.
        api_key: the server's API key, if it has one.
        timeout: seconds after which a call fails; None waits without limit.

    Raises:
        InvalidParamsError: a key that no server can have, or a timeout that is not
            above 0.
    """
    if timeout is not None and not timeout > 0:
        raise InvalidParamsError(f"timeout must be above 0 seconds, got {timeout}")
    metadata = []
    if api_key is not None:
        require_sendable_key(api_key)
        metadata = [(KEY_HEADER, bearer(api_key))]
    channel = grpc.insecure_channel(address, options=OPTIONS)
    link = _Link(address=address, channel=channel, timeout=timeout, metadata=metadata)
    stubs = {name: _Remote(stub(channel), link) for name, stub in _STUBS.items()}
    return Stubs(**stubs, close=channel.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """The connection of stubs.

    Attributes:
        address: of the server.
        channel: to it.
        timeout: of a call, in seconds, or None.
        metadata: of every call.
    """

    address: str
    channel: grpc.Channel
    timeout: float | None
    metadata: list[tuple[str, str]]

    def error_of(self, call: grpc.RpcError) -> GleannError:
        """The exception of a failed call; a server that is not there is named."""
        error = error_of_call(call)
        if isinstance(error, UnavailableError):
            return UnavailableError(f"no server answers at {self.address}: {error}")
        if call.code() == grpc.StatusCode.DEADLINE_EXCEEDED and not self._ready():
            return UnavailableError(
                f"no server answers at {self.address} within {self.timeout:g} s"
            )
        return error

    def _ready(self) -> bool:
        """Whether the connection stands."""
        try:
            grpc.channel_ready_future(self.channel).result(READY_SECONDS)
        except grpc.FutureTimeoutError:
            return False
        return True


class _Remote:
    """Calls the methods of a stub and raises gleann's exceptions."""

    def __init__(self, stub: object, link: _Link) -> None:
        self._stub = stub
        self._link = link

    def __getattr__(self, name: str) -> Callable[[Message], Message]:
        method = getattr(self._stub, name)
        link = self._link

        def call(request: Message) -> Message:
            try:
                return method(request, timeout=link.timeout, metadata=link.metadata)
            except grpc.RpcError as error:
                raise link.error_of(error) from error
            except ValueError as error:  # raised by a closed channel
                raise ServiceError(f"the client is closed: {error}") from error

        return call
