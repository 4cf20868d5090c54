"""A gRPC server that answers as a test says, to see what clients make of it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status

from gleann.index.errors import GleannError
from gleann.service.client.link.repeats import methods_of
from gleann.service.server.grpc_server import SERVICES
from gleann.service.status import status_of

Answer = Callable[[str, Message], Message | grpc.StatusCode | GleannError]
"""The answer to a request of a method, by its short name."""


@contextmanager
def answering_as(answer: Answer) -> Iterator[str]:
    """A server of the methods of gleann; yields its address as a client's target."""
    server = grpc.server(ThreadPoolExecutor(8))
    for service in SERVICES:
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                _handler(name, answer),
                request_deserializer=GetMessageClass(method.input_type).FromString,
                response_serializer=lambda reply: reply.SerializeToString(),
            )
            for name, method in methods_of(service).items()
        }
        generic = grpc.method_handlers_generic_handler(service, handlers)
        server.add_generic_rpc_handlers((generic,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def _handler(name: str, answer: Answer) -> Callable[[Any, Any], Any]:
    def handle(request: Message, context: grpc.ServicerContext) -> Message:
        reply = answer(name, request)
        if isinstance(reply, GleannError):
            context.abort_with_status(rpc_status.to_status(status_of(reply)))
        if isinstance(reply, grpc.StatusCode):
            context.abort(reply, "as the test says")
        return reply

    return handle
