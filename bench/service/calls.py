"""Calls that a load consists of, as clients of any language would send them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass

from gleann.v1 import admin_pb2, search_pb2, vector_pb2

SEARCH = "/gleann.v1.SearchService/Search"
UPSERT = "/gleann.v1.VectorService/UpsertVectors"
EMPTY = "/gleann.v1.AdminService/GetServerInfo"
"""The cheapest unary call: a request without fields and a short answer."""

FILES = (admin_pb2, search_pb2, vector_pb2)
"""Modules of the methods above; importing one makes its messages known."""

OWN_CONNECTION = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
]
"""Otherwise channels to one address share a connection."""


@dataclass(frozen=True, slots=True)
class Call:
    """A method, and serialised requests that are sent in turn."""

    path: str
    requests: list[bytes]


EMPTY_CALL = Call(EMPTY, [b""])


def connect(address: str) -> grpc.Channel:
    """A connection of its own."""
    return grpc.insecure_channel(address, options=OWN_CONNECTION)


def method(channel: grpc.Channel, path: str) -> Callable[..., Any]:
    """What sends serialised requests of a method and decodes its answers."""
    service, _, name = path.removeprefix("/").partition("/")
    described = Default().FindServiceByName(service).FindMethodByName(name)
    answer = GetMessageClass(described.output_type)
    return channel.unary_unary(path, response_deserializer=answer.FromString)
