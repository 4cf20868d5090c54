"""Stubs that call a server and raise the exceptions that the server raised."""

from collections.abc import Callable

import grpc
from google.longrunning import operations_pb2_grpc
from google.protobuf.message import Message

from gleann.index.errors import InvalidParamsError, ServiceError
from gleann.service.config import split_address
from gleann.service.security import KEY_HEADER, bearer
from gleann.service.status import error_of_call
from gleann.service.stubs import Stubs
from gleann.v1 import (
    active_pb2_grpc,
    admin_pb2_grpc,
    coreset_pb2_grpc,
    estimate_pb2_grpc,
    index_pb2_grpc,
    rounds_pb2_grpc,
    search_pb2_grpc,
    session_pb2_grpc,
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
    "admin": admin_pb2_grpc.AdminServiceStub,
    "operations": operations_pb2_grpc.OperationsStub,
}


def connect(address: str, *, api_key: str | None, timeout: float | None) -> Stubs:
    """Stubs of the server at "host:port"; the first call connects.

    Args:
        address: where the server listens.
        api_key: the server's API key, if it has one.
        timeout: seconds after which a call fails; None waits without limit.

    Raises:
        InvalidParamsError: not host:port.
    """
    _, port = split_address(address)
    if port == 0:
        raise InvalidParamsError(f"a server never listens on port 0: {address!r}")
    channel = grpc.insecure_channel(address, options=OPTIONS)
    metadata = [] if api_key is None else [(KEY_HEADER, bearer(api_key))]

    stubs = {
        name: _Remote(stub(channel), timeout=timeout, metadata=metadata)
        for name, stub in _STUBS.items()
    }
    return Stubs(**stubs, close=channel.close)


class _Remote:
    """Calls the methods of a stub and raises gleann's exceptions."""

    def __init__(
        self, stub: object, *, timeout: float | None, metadata: list[tuple[str, str]]
    ) -> None:
        self._stub = stub
        self._timeout = timeout
        self._metadata = metadata

    def __getattr__(self, name: str) -> Callable[[Message], Message]:
        method = getattr(self._stub, name)

        def call(request: Message) -> Message:
            try:
                return method(request, timeout=self._timeout, metadata=self._metadata)
            except grpc.RpcError as error:
                raise error_of_call(error) from error
            except ValueError as error:  # raised by a closed channel
                raise ServiceError(f"the client is closed: {error}") from error

        return call
