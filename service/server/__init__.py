"""The gRPC server: connections, keys, thread pools, waits and health."""

from gleann._needed import needing as _needing

with _needing("gleann.service.server"):
    from gleann.service.server.grpc_server import Server, serve

__all__ = ["Server", "serve"]
