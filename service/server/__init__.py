"""The gRPC server: connections, keys, thread pools, waits and health."""

from gleann.service.server.grpc_server import Server, serve

__all__ = ["Server", "serve"]
