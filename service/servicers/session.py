"""SessionService."""

from google.protobuf.empty_pb2 import Empty

from gleann.service.application import Application
from gleann.service.wire.page_tokens import page_position, page_size, page_token
from gleann.service.wire.session_messages import session_info_to_wire
from gleann.v1 import session_pb2, session_pb2_grpc


class SessionServicer(session_pb2_grpc.SessionServiceServicer):
    """Servicer that describes and closes sessions of any kind."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._store = application.sessions
        self._receipts = application.receipts

    def GetSession(  # noqa: N802
        self, request: session_pb2.GetSessionRequest, _: object
    ) -> session_pb2.Session:
        """Describe a session."""
        return session_info_to_wire(self._store.info(request.name))

    def ListSessions(  # noqa: N802
        self, request: session_pb2.ListSessionsRequest, _: object
    ) -> session_pb2.ListSessionsResponse:
        """Describe a page of sessions, oldest first."""
        size = page_size(request.page_size, default=100, most=1000)
        found = self._store.list(
            index=request.index,
            after=page_position(request.page_token),
            limit=size + 1,
        )
        page = found[:size]
        more = len(found) > size
        return session_pb2.ListSessionsResponse(
            sessions=[session_info_to_wire(info) for _, info in page],
            next_page_token=page_token(page[-1][0]) if more else "",
        )

    def CloseSession(  # noqa: N802
        self, request: session_pb2.CloseSessionRequest, _: object
    ) -> Empty:
        """End a session."""
        closed: list[int] = []

        def close() -> Empty:
            closed.append(self._store.close(request.name))
            return Empty()

        answer = self._receipts.once(request, lambda _: close, Empty)
        for number in closed:
            # Removing files takes time, so it is done outside the write transaction.
            self._application.registry.sweep(number)
        return answer
