"""AdminService."""

from gleann.service.application import Application
from gleann.service.wire import index_messages, status_messages
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

    def GetServerStatus(  # noqa: N802
        self, request: admin_pb2.GetServerStatusRequest, _: object
    ) -> admin_pb2.ServerStatus:
        """Return what the server does now."""
        wanted = status_messages.wanted_fields(request.read_mask)
        status = self._application.monitor.status(wanted)
        return status_messages.status_to_wire(status, wanted)
