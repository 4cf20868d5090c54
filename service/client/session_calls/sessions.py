"""Client calls on sessions of any kind."""

from gleann.service.client.connection import Calls, name_of
from gleann.service.client.modes import M, method
from gleann.service.values import SessionInfo
from gleann.service.wire.session_messages import session_info_of
from gleann.v1 import session_pb2


class SessionCalls(Calls[M]):
    """Calls on sessions of any kind: `client.sessions`."""

    @method
    async def get(self, session: str | SessionInfo) -> SessionInfo:
        """Describe the current state of a session.

        Raises:
            UnknownJobError: no such session.
        """
        request = session_pb2.GetSessionRequest(name=name_of(session))
        return session_info_of(await self._stubs.session.GetSession(request))

    @method
    async def close(self, session: str | SessionInfo, *, request_id: str = "") -> None:
        """End a session and delete its state.

        Raises:
            UnknownJobError: no such session.
        """
        request = session_pb2.CloseSessionRequest(
            name=name_of(session), request_id=request_id
        )
        await self._stubs.session.CloseSession(request)

    @method
    async def list(self, index: str = "") -> list[SessionInfo]:
        """Describe the open sessions, oldest first; of one index if `index` is set."""
        request = session_pb2.ListSessionsRequest(index=index)
        sessions: list[SessionInfo] = []
        while True:
            page = await self._stubs.session.ListSessions(request)
            sessions.extend(map(session_info_of, page.sessions))
            if not page.next_page_token:
                return sessions
            request.page_token = page.next_page_token
