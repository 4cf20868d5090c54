"""AdminService."""

from gleann.service.application import Application
from gleann.service.wire import index_messages
from gleann.v1 import admin_pb2, admin_pb2_grpc


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Servicer for information about the server."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def GetServerInfo(  # noqa: N802
        self, request: admin_pb2.GetServerInfoRequest, _: object
    ) -> admin_pb2.ServerInfo:
        """Return version, limits and features."""
        del request  # it has no fields
        return index_messages.server_info_to_wire(self._application.server_info())
