"""Stubs that call a server and raise the exceptions that the server raised."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import grpc
from google.longrunning import operations_pb2_grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2_grpc

from gleann.index.errors import InvalidParamsError
from gleann.service.calls.process import require_connectable
from gleann.service.client.link.link import HEALTH, Link, Wire
from gleann.service.client.link.options import channel_options
from gleann.service.client.link.repeats import (
    has_request_id,
    methods_of,
    require_retries,
)
from gleann.service.client.link.streams import STREAMS
from gleann.service.client.link.wires import (
    AwaitedWire,
    BlockingWire,
    Channel,
    MakeStub,
)
from gleann.service.client.modes import Awaiting, Blocking, Mode, run
from gleann.service.client.tls import Tls, warn_of_plaintext_key
from gleann.service.security.headers import KEY_HEADER, bearer, require_sendable_key
from gleann.service.stubs import Stubs
from gleann.service.wire.packed.search_message import packed_request
from gleann.service.wire.protocol import client_header
from gleann.v1 import (
    active_pb2_grpc,
    admin_pb2_grpc,
    coreset_pb2_grpc,
    curation_pb2_grpc,
    estimate_pb2_grpc,
    index_pb2_grpc,
    job_pb2_grpc,
    means_pb2_grpc,
    promises_pb2_grpc,
    rounds_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    session_pb2_grpc,
    snapshot_pb2_grpc,
    vector_pb2_grpc,
)


class _SearchStub(search_pb2_grpc.SearchServiceStub):
    """The stub of searches, which also sends a `SearchMessage`."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__(channel)  # type: ignore[no-untyped-call]  # generated
        self.Search = channel.unary_unary(
            "/gleann.v1.SearchService/Search",
            request_serializer=packed_request,
            response_deserializer=search_pb2.SearchResponse.FromString,
        )


_STUBS: Mapping[str, tuple[str, MakeStub]] = {
    "index": ("gleann.v1.IndexService", index_pb2_grpc.IndexServiceStub),
    "vector": ("gleann.v1.VectorService", vector_pb2_grpc.VectorServiceStub),
    "search": ("gleann.v1.SearchService", _SearchStub),
    "coreset": ("gleann.v1.CoresetService", coreset_pb2_grpc.CoresetServiceStub),
    "curation": ("gleann.v1.CurationService", curation_pb2_grpc.CurationServiceStub),
    "active": (
        "gleann.v1.ActiveLearningService",
        active_pb2_grpc.ActiveLearningServiceStub,
    ),
    "rounds": ("gleann.v1.RoundsService", rounds_pb2_grpc.RoundsServiceStub),
    "estimate": ("gleann.v1.EstimateService", estimate_pb2_grpc.EstimateServiceStub),
    "promise": ("gleann.v1.PromiseService", promises_pb2_grpc.PromiseServiceStub),
    "means": ("gleann.v1.MeansService", means_pb2_grpc.MeansServiceStub),
    "session": ("gleann.v1.SessionService", session_pb2_grpc.SessionServiceStub),
    "snapshot": ("gleann.v1.SnapshotService", snapshot_pb2_grpc.SnapshotServiceStub),
    "admin": ("gleann.v1.AdminService", admin_pb2_grpc.AdminServiceStub),
    "job": ("gleann.v1.JobService", job_pb2_grpc.JobServiceStub),
    "operations": ("google.longrunning.Operations", operations_pb2_grpc.OperationsStub),
}
"""The full names of services and their stubs, by their names in `Stubs`."""

RETRIES = 4
"""Repeats of a call that no server answered, unless the client states others."""


def connect(
    address: str,
    *,
    api_key: str | None = None,
    timeout: float | None = None,
    retries: int = RETRIES,
    tls: Tls | None = None,
) -> Stubs:
    """Blocking stubs of the server at an address; the first call connects.

    Args:
        address: of the server, as gRPC takes it; see `gleann.service.client.target`.
        api_key: the server's API key, if it has one.
        timeout: seconds after which a call fails; None waits without limit.
        retries: repeats of a call that no server answered, or that a server refused for
            having too much to do.
        tls: for a connection by TLS.

    Raises:
        MissingFileError: a file of `tls` cannot be read.
        InvalidParamsError: a key that no server can have, a timeout that is not above
            0, or too many retries.
    """
    stubs = connect_in(
        Blocking(),
        address,
        api_key=api_key,
        timeout=timeout,
        retries=retries,
        tls=tls,
    )
    services = {name: _AtOnce(getattr(stubs, name)) for name in _STUBS}
    return Stubs(
        **services,
        close=lambda: run(stubs.close()),
        ready=lambda seconds: run(stubs.ready(seconds)),
    )


def connect_in(
    mode: Mode,
    address: str,
    *,
    api_key: str | None,
    timeout: float | None,
    retries: int,
    tls: Tls | None,
) -> Stubs:
    """As `connect`, with methods that are awaited, in a mode.

    Raises:
        ServiceError: this process was forked while calls were under way.
    """
    require_connectable()
    if timeout is not None and not timeout > 0:
        raise InvalidParamsError(f"timeout must be above 0 seconds, got {timeout}")
    require_retries(retries)
    if api_key is not None and tls is None:
        warn_of_plaintext_key(address)
    options = channel_options((full for full, _ in _STUBS.values()), retries=retries)
    channel = Channel(
        address=address, options=options, metadata=_metadata(api_key), tls=tls
    )
    makes = {name: make for name, (_, make) in _STUBS.items()}
    makes[HEALTH] = health_pb2_grpc.HealthStub
    wire: Wire = (
        AwaitedWire(channel, makes)
        if isinstance(mode, Awaiting)
        else BlockingWire(channel, makes)
    )
    link = Link(
        address=address,
        timeout=timeout,
        retries=retries,
        mode=mode,
        wire=wire,
        tls=tls,
    )
    services = {name: _Service(name, link) for name in _STUBS}
    return Stubs(**services, close=link.close, ready=link.ready)


def _metadata(api_key: str | None) -> tuple[tuple[str, str], ...]:
    """The metadata of every call."""
    if api_key is None:
        return (client_header(),)
    require_sendable_key(api_key)
    return client_header(), (KEY_HEADER, bearer(api_key))


class _Service:
    """The methods of a service, as coroutines that raise gleann's exceptions."""

    def __init__(self, name: str, link: Link) -> None:
        self._name = name
        self._link = link
        self._methods = methods_of(_STUBS[name][0])

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        if (method := self._methods.get(name)) is None:
            raise AttributeError(f"{self._name} has no method {name}")
        link, changes = self._link, has_request_id(method)
        if name in STREAMS:
            return partial(link.stream, self._name, name)
        send = link.wire.sender(self._name, name)

        async def call(request: Message) -> Any:
            return await link.answer(send, request, changes=changes)

        setattr(self, name, call)  # the next use finds it without __getattr__
        return call


class _AtOnce:
    """The methods of a service in the blocking mode, without awaiting them."""

    def __init__(self, service: _Service) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Callable[[Message], Any]:
        call = getattr(self._service, name)
        if name in STREAMS:
            raise AttributeError(f"{name} has no blocking form: use a client")
        return lambda request: run(call(request))
