"""The gRPC server: wiring, start and stop."""

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeAlias

import grpc
from google.longrunning import operations_pb2_grpc
from google.protobuf.descriptor_pool import Default
from grpc_reflection.v1alpha import reflection

from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.config.address import socket_path, split_address
from gleann.service.limits import bounded
from gleann.service.server import admission, health, operation_waits
from gleann.service.server.access import Access
from gleann.service.server.call import Method
from gleann.service.server.connections import Connections, Silence
from gleann.service.server.free_memory import FreeMemory
from gleann.service.server.kinds import Kind, kind_of
from gleann.service.server.queues.lane_set import LaneSet
from gleann.service.server.queues.lanes import Lane
from gleann.service.server.queues.search_lane import SEARCH, searches_in_bytes
from gleann.service.server.rate_limited_log import OneLine, RareLog
from gleann.service.server.rpc import Inline
from gleann.service.server.upsert_streams import UpsertRoute
from gleann.service.server_status import QueueStatus
from gleann.service.servicers.active import ActiveServicer
from gleann.service.servicers.admin import AdminServicer
from gleann.service.servicers.coreset import CoresetServicer
from gleann.service.servicers.curation import CurationServicer
from gleann.service.servicers.estimate import EstimateServicer
from gleann.service.servicers.index import IndexServicer
from gleann.service.servicers.job import JobServicer
from gleann.service.servicers.means import MeansServicer
from gleann.service.servicers.operations import OperationsServicer
from gleann.service.servicers.promise import PromiseServicer
from gleann.service.servicers.rounds import RoundsServicer
from gleann.service.servicers.search import SearchServicer
from gleann.service.servicers.session import SessionServicer
from gleann.service.servicers.snapshot import SnapshotServicer
from gleann.service.servicers.vector import VectorServicer
from gleann.service.views.sharded_view import ShardedView
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
    search_pb2_grpc,
    session_pb2_grpc,
    snapshot_pb2_grpc,
    vector_pb2_grpc,
)

if TYPE_CHECKING:
    from gleann.service.server.metrics_port import MetricsPort

SERVICES = (
    "gleann.v1.IndexService",
    "gleann.v1.VectorService",
    "gleann.v1.SearchService",
    "gleann.v1.CoresetService",
    "gleann.v1.CurationService",
    "gleann.v1.ActiveLearningService",
    "gleann.v1.RoundsService",
    "gleann.v1.EstimateService",
    "gleann.v1.PromiseService",
    "gleann.v1.MeansService",
    "gleann.v1.SessionService",
    "gleann.v1.SnapshotService",
    "gleann.v1.AdminService",
    "gleann.v1.JobService",
    "google.longrunning.Operations",
)

WRITE_HEALTH = "gleann.v1.VectorService"
"""A health check of it tells whether changes are taken: not while the disk is full.
"" and all other services are served then, so that a probe of the whole server keeps it
for searches."""

Registration: TypeAlias = tuple[Callable[..., None], Callable[[Application], object]]
"""What registers a servicer with a server, and the servicer."""

_SERVICERS: tuple[Registration, ...] = (
    (index_pb2_grpc.add_IndexServiceServicer_to_server, IndexServicer),
    (vector_pb2_grpc.add_VectorServiceServicer_to_server, VectorServicer),
    (search_pb2_grpc.add_SearchServiceServicer_to_server, SearchServicer),
    (coreset_pb2_grpc.add_CoresetServiceServicer_to_server, CoresetServicer),
    (curation_pb2_grpc.add_CurationServiceServicer_to_server, CurationServicer),
    (active_pb2_grpc.add_ActiveLearningServiceServicer_to_server, ActiveServicer),
    (rounds_pb2_grpc.add_RoundsServiceServicer_to_server, RoundsServicer),
    (estimate_pb2_grpc.add_EstimateServiceServicer_to_server, EstimateServicer),
    (promises_pb2_grpc.add_PromiseServiceServicer_to_server, PromiseServicer),
    (means_pb2_grpc.add_MeansServiceServicer_to_server, MeansServicer),
    (session_pb2_grpc.add_SessionServiceServicer_to_server, SessionServicer),
    (snapshot_pb2_grpc.add_SnapshotServiceServicer_to_server, SnapshotServicer),
    (admin_pb2_grpc.add_AdminServiceServicer_to_server, AdminServicer),
    (job_pb2_grpc.add_JobServiceServicer_to_server, JobServicer),
    (operations_pb2_grpc.add_OperationsServicer_to_server, OperationsServicer),
)

SILENT_CALLS_A_PLACE = 16
"""Calls that may wait for their message, for each that may be computed."""

CONNECTION_IDLE_SECONDS = 3600
HANDSHAKE_SECONDS = 20
KEEPALIVE_SECONDS = 60
"""A connection is asked for a sign of life after so long without one."""

PING_SECONDS = 20
"""So often a client may ask for a sign of life; gleann's does once a minute."""

UPSERTS = "/gleann.v1.VectorService/StreamUpsertVectors"
"""The only stream of the services."""

REFLECTION_STREAMS = 4
"""Threads for reflection, which reads its messages in one: more streams wait."""

_log = logging.getLogger(__name__)
_encoding = OneLine(_log)


class Server:
    """A running server; `serve` starts one.

    Attributes:
        port: the port it listens on; 1 for a socket file.
        metrics: the port for Prometheus, if it has one.
        upserts: the open streams of upserts.
        target: address for `gleann.Client` on this machine.
    """

    def __init__(
        self, config: Config, shards: Iterable[ShardedView] = (), closed: str = ""
    ) -> None:
        """Open the data directory and listen; errors as `serve`."""
        self.application = Application(config)
        self.metrics: MetricsPort | None = None
        try:
            for one in shards:
                self.application.registry.serve_shards(one)
            self.application.registry.close_to_new(closed)
            self._open(config)
        except BaseException:
            self._close_metrics()
            self.application.close()
            raise
        self.target = _target(config.listen, self.port, self._access.scheme)
        self.application.registry.watch(self._set_index_health)
        self.application.store.disk.tell(self._set_write_health)
        self._free_memory = FreeMemory()
        _log.info("serving %s at %s", config.data_dir, self.target)

    @property
    def busy(self) -> int:
        """Number of running and queued calls."""
        return self._lanes.held

    def queues(self) -> list[QueueStatus]:
        """The queues of calls now, one for each kind."""
        return self._lanes.status()

    def stop(self, grace: float = 5.0) -> None:
        """Stop: report NOT_SERVING, finish calls within `grace` seconds, close.

        Jobs are interrupted and resume when the directory is opened again. Calls that
        wait for an operation or watch the health are answered at once.
        """
        with self._stop_once:
            if self._stopped.is_set():
                return
            self.application.monitor.stopping = True
            self._health.close()
            jobs = Thread(target=self.application.jobs.close, kwargs={"seconds": grace})
            jobs.start()
            ended = self._grpc.stop(grace)
            self._waits.close()
            self._silence.close()
            self.upserts.close()
            ended.wait()
            self._lanes.close()
            self._streams.shutdown(wait=False, cancel_futures=True)
            jobs.join()
            self._access.close()
            self.application.close(seconds=0)
            self._close_metrics()
            self._free_memory.close()
            self._stopped.set()

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._stopped.wait()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _set_write_health(self, reason: str) -> None:
        """Report whether changes are taken; all else is served in any case."""
        self._health.set(WRITE_HEALTH, serving=not reason)

    def _set_index_health(self, name: str, serving: bool | None) -> None:
        """Set the health of one index; the server's health does not depend on it."""
        service = f"{health.INDEX_HEALTH}{name}"
        if serving is None:
            self._health.forget(service)
            self.application.telemetry.forget(name)
        else:
            self._health.set(service, serving=serving)

    def reload(self, config: Config) -> None:
        """Apply the settings that may change; read keys and certificates again.

        Raises:
            StorageError: the token of the metrics cannot be read; it stays.
            InvalidParamsError: that token is too short; likewise.
        """
        self.application.reload(config)
        self._lanes.reload(config.load)
        self.upserts.reload(config.load)
        self.reread()
        if self.metrics is not None:
            self.metrics.reload(config.metrics)

    def reread(self) -> None:
        """Read keys and certificates again, and open the audit log again, now.

        What cannot be read stays in force.
        """
        self._access.reread()

    def _listen(self) -> int:
        try:
            return self._access.listen(self._grpc)
        except BaseException:
            self._access.close()
            raise

    def _open(self, config: Config) -> None:
        self._stopped, self._stop_once = Event(), Lock()
        self._lanes = LaneSet(
            config, SearchServicer(self.application), self.application.telemetry
        )
        self._streams = ThreadPoolExecutor(REFLECTION_STREAMS, "gleann-reflection")
        self._health = health.Health(["", *SERVICES], share=config.load.client_share)
        self._grpc = grpc.server(Inline(), options=_options(config))
        self.metrics = self._open_metrics(config)
        # Last, as they can fail, and before any other thread is started.
        self._access = Access(config, self.application)
        self.port = self._listen()
        self._waits = operation_waits.Waits(
            self.application.jobs.get,
            self._access.allowing(operation_waits.METHOD),
            share=config.load.client_share,
        )
        self._silence = Silence(
            seconds=config.message_seconds,
            most=SILENT_CALLS_A_PLACE * config.load.places,
        )
        rare = RareLog(_log)
        front = admission.Front(
            self._all_routes(config, rare),
            _reflection(self._streams),
            access=self._access,
            connections=Connections(most=config.connection_calls),
            silence=self._silence,
            rare=rare,
            telemetry=self.application.telemetry,
        )
        self._grpc.add_generic_rpc_handlers((front,))
        logging.getLogger("grpc._cython.cygrpc").addFilter(_encoding)
        self._grpc.start()
        self.application.monitor.queues = self.queues
        self.application.monitor.streams = lambda: len(self.upserts.streams())

    def _all_routes(
        self, config: Config, rare: RareLog
    ) -> Mapping[str, admission.Route]:
        """The route of each method; makes that of streams."""
        methods = _methods(self.application, self._access)
        self.upserts = UpsertRoute(
            methods[UPSERTS],
            self._lanes.writes,
            rare,
            streams=self.application.streams,
            settings=config.load,
            access=self._access,
        )
        return {
            **_routes(methods, self._lanes.by_kind, rare),
            UPSERTS: self.upserts,
            operation_waits.METHOD: admission.InlineRoute(self._waits.take),
            health.CHECK: admission.InlineRoute(self._health.check),
            health.WATCH: admission.InlineRoute(self._health.watch),
        }

    def _close_metrics(self) -> None:
        if self.metrics is not None:
            self.metrics.close()

    def _open_metrics(self, config: Config) -> "MetricsPort | None":
        """The port for Prometheus; None where none is configured.

        Raises:
            ServiceError: listening failed.
        """
        if config.metrics.listen is None:
            return None
        # Not for a server without the port: it takes 20 ms.
        from gleann.service.server.metrics_port import MetricsPort

        application = self.application
        return MetricsPort(
            config.metrics, application.telemetry, application.monitor.status
        )


def serve(
    config: Config, *, shards: Iterable[ShardedView] = (), closed: str = ""
) -> Server:
    """Start a server, which runs in its own threads.

    Args:
        config: of the server.
        shards: indexes in shards to serve besides, to calls that only read. Whoever
            holds them does so until the server has stopped.
        closed: why no index may be added; "" where one may.

    Raises:
        AlreadyExistsError: an index in shards has the name of one in the directory.
        NotReadyError: another process has the data directory open.
        ServiceError: listening on the address failed.
        StorageError: the data directory cannot be created or written.
        CorruptDataError: its contents cannot be read.
        EngineUnavailableError: the required device is not usable.
    """
    return Server(config, shards, closed)


class _Methods:
    """Collects the methods of servicers in place of a server."""

    def __init__(self) -> None:
        self._generic: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(
        self, handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        """Collect the methods of a service."""
        self._generic.extend(handlers)

    def add_registered_method_handlers(self, *_: object) -> None:
        """Do nothing: these are the same methods."""

    def handlers(self, services: Iterable[str]) -> dict[str, grpc.RpcMethodHandler]:
        """The methods of services by their paths, such as "/a.Service/Method"."""
        found = {}
        for service in services:
            for method in Default().FindServiceByName(service).methods:
                path = f"/{service}/{method.name}"
                details = SimpleNamespace(method=path, invocation_metadata=())
                for generic in self._generic:
                    if (one := generic.service(details)) is not None:
                        found[path] = one
        return found


def _methods(application: Application, access: Access) -> dict[str, Method]:
    methods = _Methods()
    for register, servicer in _SERVICERS:
        register(servicer(application), methods)
    found = {
        path: Method(
            path,
            bounded(path, one.request_deserializer),
            access.allowing(path),
            access.audit.audited(
                path, one.unary_unary or one.stream_stream, access.gate
            ),
            one.response_serializer,
        )
        for path, one in methods.handlers(SERVICES).items()
    }
    found[SEARCH] = searches_in_bytes(found[SEARCH], SearchServicer(application))
    return found


def _routes(
    methods: Mapping[str, Method], lanes: Mapping[Kind, Lane], rare: RareLog
) -> dict[str, admission.LaneRoute]:
    return {
        path: admission.LaneRoute(method, lanes[kind_of(path)], rare)
        for path, method in methods.items()
        if path != UPSERTS
    }


def _reflection(pool: ThreadPoolExecutor) -> dict[str, grpc.RpcMethodHandler]:
    methods = _Methods()
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, methods)
    found = methods.handlers([reflection.SERVICE_NAME])
    return {path: admission.in_pool(one, pool) for path, one in found.items()}


def _options(config: Config) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.limits.message_bytes),
        ("grpc.max_send_message_length", config.limits.message_bytes),
        # Otherwise two servers on one port would silently share its connections.
        ("grpc.so_reuseport", 0),
        # The HTTP/2 limit of a connection; our lower limit refuses with a message.
        ("grpc.max_concurrent_streams", 2 * config.connection_calls),
        ("grpc.server_handshake_timeout_ms", 1000 * HANDSHAKE_SECONDS),
        ("grpc.max_connection_idle_ms", 1000 * CONNECTION_IDLE_SECONDS),
        ("grpc.keepalive_time_ms", 1000 * KEEPALIVE_SECONDS),
        ("grpc.keepalive_timeout_ms", 1000 * HANDSHAKE_SECONDS),
        # Clients ask for one too, also without calls: by default a server of gRPC
        # permits that every five minutes, and ends the connections of others.
        ("grpc.keepalive_permit_without_calls", 1),
        (
            "grpc.http2.min_ping_interval_without_data_ms",
            round(1000 * PING_SECONDS),
        ),
    ]


def _target(listen: str, port: int, scheme: str) -> str:
    """What `gleann.Client` on this machine takes."""
    if socket_path(listen) is not None:
        return listen
    host, _ = split_address(listen)
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}"
