"""What `Client` and `AsyncClient` share: groups of calls and their short forms."""

from collections.abc import Sequence
from typing import Any, Generic

from google.protobuf.field_mask_pb2 import FieldMask
from numpy.typing import ArrayLike

from gleann.service.client.connection import Connection
from gleann.service.client.coreset_calls import CoresetCalls
from gleann.service.client.curation_calls.calls import CurationCalls
from gleann.service.client.index_calls import IndexCalls
from gleann.service.client.job_calls import JobCalls
from gleann.service.client.modes import InMode, M, method
from gleann.service.client.operation import Handle, T
from gleann.service.client.operation_calls import OperationCalls
from gleann.service.client.payload_calls import PayloadCalls
from gleann.service.client.plans import Plans
from gleann.service.client.reports import Wanted
from gleann.service.client.session_calls.active import ActiveCalls
from gleann.service.client.session_calls.estimates import EstimateCalls
from gleann.service.client.session_calls.groups import GroupCalls
from gleann.service.client.session_calls.means import MeansCalls
from gleann.service.client.session_calls.promises import PromiseCalls
from gleann.service.client.session_calls.rounds import RoundsCalls
from gleann.service.client.session_calls.sessions import SessionCalls
from gleann.service.client.snapshot_calls import SnapshotCalls
from gleann.service.client.vector_calls import VectorCalls
from gleann.service.server_status import ServerStatus
from gleann.service.stubs import Stubs
from gleann.service.values import Selected, ServerInfo, SessionInfo
from gleann.service.wire import index_messages, status_messages
from gleann.v1 import admin_pb2


class ClientMethods(InMode[M], Generic[M]):
    """The methods of a client, in either mode.

    Attributes:
        indexes: makes, describes, builds and removes indexes.
        vectors: stores, fetches, removes and searches vectors.
        payload: sets, fetches and removes the payload of vectors.
        coresets: chooses subsets by selection jobs.
        curation: finds near-duplicates and the like, and reads stored results.
        active: sessions of active learning.
        rounds: sessions of training sets chosen in rounds.
        estimates: sessions of an estimate from few labels.
        groups: sessions of estimates for several groups.
        promises: sessions of promised sets and audits of a batch.
        means: sessions of several means and shares from one sample.
        sessions: describes and closes sessions of any kind.
        snapshots: keeps states of indexes, and makes indexes of them again.
        operations: finds, cancels and deletes operations.
        jobs: lists, pauses, resumes and retries operations, and shows their logs.
        plans: says what builds, compactions, imports, selections and curations would
            take.
    """

    def _assemble(self, stubs: Stubs, mode: M) -> None:
        """Make the groups of calls.

        Args:
            stubs: what the calls await.
            mode: of the client.
        """
        self._mode = mode
        self._stubs = stubs
        self._connection = connection = Connection(stubs, mode)
        self.indexes: IndexCalls[M] = IndexCalls(connection)
        self.vectors: VectorCalls[M] = VectorCalls(connection)
        self.payload: PayloadCalls[M] = PayloadCalls(connection)
        self.coresets: CoresetCalls[M] = CoresetCalls(connection)
        self.curation: CurationCalls[M] = CurationCalls(connection)
        self.active: ActiveCalls[M] = ActiveCalls(connection)
        self.rounds: RoundsCalls[M] = RoundsCalls(connection)
        self.estimates: EstimateCalls[M] = EstimateCalls(connection)
        self.groups: GroupCalls[M] = GroupCalls(connection)
        self.promises: PromiseCalls[M] = PromiseCalls(connection)
        self.means: MeansCalls[M] = MeansCalls(connection)
        self.sessions: SessionCalls[M] = SessionCalls(connection)
        self.snapshots: SnapshotCalls[M] = SnapshotCalls(connection)
        self.operations: OperationCalls[M] = OperationCalls(connection)
        self.jobs: JobCalls[M] = JobCalls(connection)
        self.plans: Plans[M] = Plans(connection)

    create_index = IndexCalls.create.short_for("indexes")
    update_index = IndexCalls.update.short_for("indexes")
    get_index = IndexCalls.get.short_for("indexes")
    list_indexes = IndexCalls.list.short_for("indexes")
    delete_index = IndexCalls.delete.short_for("indexes")
    build = IndexCalls.build.short_for("indexes")
    optimize = IndexCalls.optimize.short_for("indexes")
    upsert = VectorCalls.upsert.short_for("vectors")
    upsert_table = VectorCalls.upsert_table.short_for("vectors")
    upload = VectorCalls.upload.short_for("vectors")
    get_vectors = VectorCalls.get.short_for("vectors")
    delete_vectors = VectorCalls.delete.short_for("vectors")
    import_vectors = VectorCalls.import_file.short_for("vectors")
    count = VectorCalls.count.short_for("vectors")
    scroll = VectorCalls.scroll.short_for("vectors")
    search = VectorCalls.search.short_for("vectors")
    search_radius = VectorCalls.search_radius.short_for("vectors")
    update_payload = PayloadCalls.update.short_for("payload")
    delete_payload = PayloadCalls.delete.short_for("payload")
    get_payload = PayloadCalls.get.short_for("payload")
    start_active_session = ActiveCalls.start.short_for("active")
    score_items = ActiveCalls.score_items.short_for("active")
    start_rounds_session = RoundsCalls.start.short_for("rounds")
    start_estimate_session = EstimateCalls.start.short_for("estimates")
    list_operations = OperationCalls.list.short_for("operations")

    @method
    async def next_batch(self, session: str | SessionInfo) -> Selected:
        """The vectors to label next, in a session of any kind but of several groups.

        Errors as `ActiveCalls.next_batch`, `RoundsCalls.next_batch`,
        `EstimateCalls.next_batch`, `PromiseCalls.next_batch` and
        `MeansCalls.next_batch`.
        """
        kind = (await self._info(session)).kind
        if kind == "estimate":
            return await EstimateCalls.next_batch.body(self.estimates, session)
        if kind == "means":
            return await MeansCalls.next_batch.body(self.means, session)
        if kind in ("promise", "audit"):
            return await PromiseCalls.next_batch.body(self.promises, session)
        if kind == "rounds":
            return await RoundsCalls.next_batch.body(self.rounds, session)
        return await ActiveCalls.next_batch.body(self.active, session)

    @method
    async def submit_labels(
        self,
        session: str | SessionInfo,
        ids: ArrayLike,
        labels: ArrayLike,
        *,
        values: ArrayLike | None = None,
        request_id: str = "",
    ) -> SessionInfo:
        """Submit labels to a session of active learning, rounds, estimate or promise.

        Arguments and errors as `ActiveCalls.submit_labels`,
        `RoundsCalls.submit_labels` and `PromiseCalls.submit_labels`, without values,
        and `EstimateCalls.submit_labels`. Several values go to
        `MeansCalls.submit_values`.
        """
        kind = (await self._info(session)).kind
        if kind == "estimate":
            return await EstimateCalls.submit_labels.body(
                self.estimates,
                session,
                ids,
                labels,
                values=values,
                request_id=request_id,
            )
        if kind == "rounds":
            return await RoundsCalls.submit_labels.body(
                self.rounds, session, ids, labels, request_id=request_id
            )
        if kind in ("promise", "audit"):
            return await PromiseCalls.submit_labels.body(
                self.promises, session, ids, labels, request_id=request_id
            )
        return await ActiveCalls.submit_labels.body(
            self.active, session, ids, labels, request_id=request_id
        )

    async def _info(self, session: str | SessionInfo) -> SessionInfo:
        if isinstance(session, SessionInfo):
            return session
        return await SessionCalls.get.body(self.sessions, session)

    @method
    async def wait_ready(self, seconds: float) -> None:
        """Wait until the server is there and serves; in process it does at once.

        A server that has just been started opens its indexes first, and one that is
        stopping takes no calls.

        Args:
            seconds: to wait at most.

        Raises:
            UnavailableError: it does not serve within this time.
        """
        await self._stubs.ready(seconds)

    @method
    async def wait(
        self,
        operation: Handle[Any, T],
        progress: Wanted = None,
        timeout: float | None = None,
    ) -> T:
        """Wait until an operation ends, and return its result.

        Args:
            operation: the operation; `operations.get` finds one by its name.
            progress: as in `Operation.wait`.
            timeout: as in `Operation.wait`.

        Raises:
            As `Operation.wait`.
        """
        result: Any = await Handle.wait.body(operation, progress, timeout)
        done: T = result
        return done

    @method
    async def close(self) -> None:
        """Close the connection; in process, stop jobs (resumed at the next opening)."""
        await self._stubs.close()

    @method
    async def server_info(self) -> ServerInfo:
        """Version, limits and features of the server, or of the library in process."""
        reply = await self._stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
        return index_messages.server_info_of(reply)

    @method
    async def server_status(self, fields: Sequence[str] = ()) -> ServerStatus:
        """What the server does now, or the library in process.

        Args:
            fields: those of `ServerStatus` to fill, such as ["queues"]; all if empty.
                Others have their defaults.

        Raises:
            InvalidInputError: a field that a status does not have.
        """
        request = admin_pb2.GetServerStatusRequest(read_mask=FieldMask(paths=fields))
        reply = await self._stubs.admin.GetServerStatus(request)
        return status_messages.status_of_wire(reply)
