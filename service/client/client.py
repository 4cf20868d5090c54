"""`Client`: one interface to indexes in this process and behind gRPC."""

from os import PathLike
from types import TracebackType
from typing import Self

from numpy.typing import ArrayLike

from gleann.service.client.active_calls import ActiveCalls
from gleann.service.client.connection import Connection
from gleann.service.client.coreset_calls import CoresetCalls
from gleann.service.client.estimate_calls import EstimateCalls
from gleann.service.client.group_calls import GroupCalls
from gleann.service.client.index_calls import IndexCalls
from gleann.service.client.job_calls import JobCalls
from gleann.service.client.operation_calls import OperationCalls
from gleann.service.client.payload_calls import PayloadCalls
from gleann.service.client.rounds_calls import RoundsCalls
from gleann.service.client.session_calls import SessionCalls
from gleann.service.client.snapshot_calls import SnapshotCalls
from gleann.service.client.target import Server, read_target
from gleann.service.client.vector_calls import VectorCalls
from gleann.service.stubs import Stubs
from gleann.service.values import Selected, ServerInfo, SessionInfo
from gleann.service.wire import index_messages
from gleann.v1 import admin_pb2


class Client:
    """Indexes, searches and selections of one data directory or one server.

    `Client("path/to/directory")` runs everything in this process and keeps its state in
    the directory, which no other process may have open; `Client("grpc://host:port")`
    calls a server. Methods, values and exceptions are the same in both cases.

        with gleann.Client("library") as client:
            client.create_index("words", dim=50)
            client.upsert("words", ids, vectors)
            client.build("words").wait()
            found = client.search("words", queries, SearchParams(k=10))

    Frequent calls have a short form: `client.upsert` is `client.vectors.upsert`.
    Any number of threads may use a client at once.

    Attributes:
        indexes: makes, describes, builds and removes indexes.
        vectors: stores, fetches, removes and searches vectors.
        payload: sets, fetches and removes the payload of vectors.
        coresets: chooses subsets by selection jobs.
        active: sessions of active learning.
        rounds: sessions of training sets chosen in rounds.
        estimates: sessions of an estimate from few labels.
        groups: sessions of estimates for several groups.
        sessions: describes and closes sessions of any kind.
        snapshots: keeps states of indexes, and makes indexes of them again.
        operations: finds, cancels and deletes operations.
        jobs: lists, pauses, resumes and retries operations, and shows their logs.
    """

    def __init__(
        self,
        target: str | PathLike[str],
        *,
        api_key: str | None = None,
        timeout: float | None = 300.0,
    ) -> None:
        """Open a data directory, or connect to a server.

        Args:
            target: a directory (created if missing), or a server: "grpc://host:port",
                "dns:///host:port" or "unix:path". What looks like an address without
                such a scheme is refused; "./name" and path objects are directories.
            api_key: the server's API key, if it has one.
            timeout: seconds after which a remote call fails with `ServiceError`, or
                with `UnavailableError` if no server answers there; None waits without
                limit. It does not apply to operations.

        Raises:
            InvalidParamsError: neither a directory nor the address of a server.
            NotReadyError: another process has the directory open.
            CorruptDataError: its contents cannot be read.
        """
        self._assemble(_open_stubs(target, api_key=api_key, timeout=timeout))

    @classmethod
    def of_stubs(cls, stubs: Stubs) -> Self:
        """A client on open stubs; closing it closes them."""
        client = cls.__new__(cls)
        client._assemble(stubs)
        return client

    def _assemble(self, stubs: Stubs) -> None:
        self._stubs = stubs
        connection = Connection(stubs)
        self.indexes = IndexCalls(connection)
        self.vectors = VectorCalls(connection)
        self.payload = PayloadCalls(connection)
        self.coresets = CoresetCalls(connection)
        self.active = ActiveCalls(connection)
        self.rounds = RoundsCalls(connection)
        self.estimates = EstimateCalls(connection)
        self.groups = GroupCalls(connection)
        self.sessions = SessionCalls(connection)
        self.snapshots = SnapshotCalls(connection)
        self.operations = OperationCalls(connection)
        self.jobs = JobCalls(connection)
        self._shorten()

    def _shorten(self) -> None:
        """Set the short forms; each is the bound method, with its documentation."""
        self.create_index = self.indexes.create
        self.update_index = self.indexes.update
        self.get_index = self.indexes.get
        self.list_indexes = self.indexes.list
        self.delete_index = self.indexes.delete
        self.build = self.indexes.build
        self.optimize = self.indexes.optimize
        self.upsert = self.vectors.upsert
        self.upsert_table = self.vectors.upsert_table
        self.get_vectors = self.vectors.get
        self.delete_vectors = self.vectors.delete
        self.import_vectors = self.vectors.import_file
        self.count = self.vectors.count
        self.scroll = self.vectors.scroll
        self.search = self.vectors.search
        self.search_radius = self.vectors.search_radius
        self.update_payload = self.payload.update
        self.delete_payload = self.payload.delete
        self.get_payload = self.payload.get
        self.start_active_session = self.active.start
        self.score_items = self.active.score_items
        self.start_rounds_session = self.rounds.start
        self.start_estimate_session = self.estimates.start
        self.list_operations = self.operations.list

    def next_batch(self, session: str | SessionInfo) -> Selected:
        """The vectors to label next: in active learning, rounds or an estimate.

        Errors as `ActiveCalls.next_batch`, `RoundsCalls.next_batch` and
        `EstimateCalls.next_batch`.
        """
        kind = self._info(session).kind
        if kind == "estimate":
            return self.estimates.next_batch(session)
        if kind == "rounds":
            return self.rounds.next_batch(session)
        return self.active.next_batch(session)

    def submit_labels(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        labels: ArrayLike,
        *,
        values: ArrayLike | None = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Submit labels to a session of active learning, rounds or estimate.

        Arguments and errors as `ActiveCalls.submit_labels` and
        `RoundsCalls.submit_labels`, without values, and `EstimateCalls.submit_labels`.
        """
        kind = self._info(session).kind
        if kind == "estimate":
            return self.estimates.submit_labels(
                session, ids, labels, values=values, request_id=request_id
            )
        if kind == "rounds":
            return self.rounds.submit_labels(
                session, ids, labels, request_id=request_id
            )
        return self.active.submit_labels(session, ids, labels, request_id=request_id)

    def _info(self, session: str | SessionInfo) -> SessionInfo:
        return self.sessions.get(session) if isinstance(session, str) else session

    def server_info(self) -> ServerInfo:
        """Version, limits and features of the server, or of the library in process."""
        reply = self._stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
        return index_messages.server_info_of(reply)

    def close(self) -> None:
        """Close the connection; in process, stop jobs (resumed at the next opening)."""
        self._stubs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _open_stubs(
    target: str | PathLike[str], *, api_key: str | None, timeout: float | None
) -> Stubs:
    place = read_target(target)
    if isinstance(place, Server):
        from gleann.service.client.remote import connect

        return connect(place.address, api_key=api_key, timeout=timeout)
    from gleann.service.local import open_directory

    return open_directory(place)
