"""The gRPC server: wiring, health and stopping."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.longrunning import operations_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gleann.index.errors import ServiceError
from gleann.service.application import Application
from gleann.service.config import Config, split_address
from gleann.service.interceptors import ErrorsAsStatus, RequireKey
from gleann.service.servicers.admin import AdminServicer
from gleann.service.servicers.index import IndexServicer
from gleann.service.servicers.operations import OperationsServicer
from gleann.service.servicers.search import SearchServicer
from gleann.service.servicers.selection import SelectionServicer
from gleann.service.servicers.vector import VectorServicer
from gleann.v1 import (
    admin_pb2_grpc,
    index_pb2_grpc,
    search_pb2_grpc,
    selection_pb2_grpc,
    vector_pb2_grpc,
)

SERVICES = (
    "gleann.v1.IndexService",
    "gleann.v1.VectorService",
    "gleann.v1.SearchService",
    "gleann.v1.SelectionService",
    "gleann.v1.AdminService",
    "google.longrunning.Operations",
)

INDEX_HEALTH = "indexes/"
"""A health check of "indexes/words" tells whether the index "words" is served."""

_SERVICERS: tuple[tuple[Any, Any], ...] = (
    (index_pb2_grpc.add_IndexServiceServicer_to_server, IndexServicer),
    (vector_pb2_grpc.add_VectorServiceServicer_to_server, VectorServicer),
    (search_pb2_grpc.add_SearchServiceServicer_to_server, SearchServicer),
    (selection_pb2_grpc.add_SelectionServiceServicer_to_server, SelectionServicer),
    (admin_pb2_grpc.add_AdminServiceServicer_to_server, AdminServicer),
    (operations_pb2_grpc.add_OperationsServicer_to_server, OperationsServicer),
)

_log = logging.getLogger(__name__)


class Server:
    """A running server; `serve` starts one.

    Attributes:
        port: the port it listens on.
        target: what `gleann.Client` takes to reach it from this machine.
    """

    def __init__(self, config: Config) -> None:
        """Open the data directory and listen; errors as `serve`."""
        self._application = Application(config)
        self._health = health.HealthServicer()
        try:
            self._grpc = _grpc_server(config, self._application, self._health)
            self.port = _listen(self._grpc, config.listen)
        except BaseException:
            self._application.close()
            raise
        host, _ = split_address(config.listen)
        self.target = f"grpc://{_bracketed(host)}:{self.port}"
        self._grpc.start()
        for service in ("", *SERVICES):
            self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._application.registry.watch(self._set_index_health)
        _log.info("serving %s at %s", config.data_dir, self.target)

    def _set_index_health(self, name: str, serving: bool) -> None:
        """Tell probes of one index; the health of the server does not depend on it."""
        response = health_pb2.HealthCheckResponse
        state = response.SERVING if serving else response.NOT_SERVING
        self._health.set(f"{INDEX_HEALTH}{name}", state)

    def stop(self, grace: float = 5.0) -> None:
        """Stop: report NOT_SERVING, finish calls within `grace` seconds, close.

        Long work is cut off and goes on when the directory is opened again.
        """
        self._health.enter_graceful_shutdown()
        self._grpc.stop(grace).wait()
        self._application.close(seconds=grace)

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._grpc.wait_for_termination()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def serve(config: Config) -> Server:
    """Start a server, which answers from threads of its own.

    Raises:
        NotReadyError: another process has the data directory open.
        ServiceError: the address cannot be listened on.
        StorageError: the data directory cannot be made or written.
        CorruptDataError: what is stored there cannot be read.
        EngineUnavailableError: the device that is required is not usable.
    """
    return Server(config)


def _grpc_server(
    config: Config, application: Application, health_servicer: health.HealthServicer
) -> grpc.Server:
    guards = [] if config.api_key is None else [RequireKey(config.api_key)]
    server = grpc.server(
        ThreadPoolExecutor(config.rpc_threads, thread_name_prefix="gleann-rpc"),
        interceptors=[*guards, ErrorsAsStatus()],
        maximum_concurrent_rpcs=config.rpc_queue,
        options=[
            ("grpc.max_receive_message_length", config.limits.message_bytes),
            ("grpc.max_send_message_length", config.limits.message_bytes),
            # Two servers on one port would share its connections, silently.
            ("grpc.so_reuseport", 0),
        ],
    )
    for register, servicer in _SERVICERS:
        register(servicer(application), server)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server


def _listen(server: grpc.Server, address: str) -> int:
    try:
        port: int = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ServiceError(f"cannot listen on {address}: {error}") from error
    return port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
