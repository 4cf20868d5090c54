"""The gRPC server: connections, keys, threads, waiting, health."""

from gleann.service.server.grpc_server import Server, serve

__all__ = ["Server", "serve"]
