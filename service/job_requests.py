"""Requests for long work: checked at once, then stored and queued as operations."""

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from google.longrunning import operations_pb2
from google.protobuf.message import DecodeError, Message

from gleann.index.errors import CorruptDataError
from gleann.service.jobs.building import Building
from gleann.service.jobs.candidates import resolve
from gleann.service.jobs.curation.curating import Curating
from gleann.service.jobs.import_source import ImportRules, check_source
from gleann.service.jobs.jobs import Jobs
from gleann.service.limits import (
    MOST_ITERATIONS,
    MOST_TUNE_QUERIES,
    require_within,
)
from gleann.service.optimizer.history import KIND as OPTIMIZE
from gleann.service.optimizer.optimizer import Optimizer
from gleann.service.plans.planner import Planner
from gleann.service.snapshots import snapshots as snapshot_kinds
from gleann.service.snapshots.snapshots import Snapshots
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.views.live_index import require_not_empty_since
from gleann.service.wire.index_messages import build_params_of
from gleann.service.wire.plan_messages import planned_operation
from gleann.v1 import (
    coreset_pb2,
    curation_pb2,
    index_pb2,
    job_pb2,
    snapshot_pb2,
    vector_pb2,
)

Asked: TypeAlias = Callable[[], operations_pb2.Operation]
"""Puts long work into the queue: a quick call, for a transaction."""

_REQUESTS: Mapping[str, type[Message]] = {
    "build": index_pb2.BuildIndexRequest,
    "curate": curation_pb2.CreateCurationJobRequest,
    OPTIMIZE: index_pb2.OptimizeIndexRequest,
    "import": vector_pb2.ImportVectorsRequest,
    "select": coreset_pb2.CreateSelectionJobRequest,
    snapshot_kinds.CREATE: snapshot_pb2.CreateSnapshotRequest,
    snapshot_kinds.RESTORE: snapshot_pb2.RestoreSnapshotRequest,
    snapshot_kinds.VERIFY: snapshot_pb2.VerifySnapshotRequest,
    snapshot_kinds.EXPORT: snapshot_pb2.ExportSnapshotRequest,
    snapshot_kinds.IMPORT: snapshot_pb2.ImportSnapshotRequest,
}
"""The request of each kind of operation."""


class JobRequests(ABC):
    """The part of `Application` that starts long work.

    Attributes:
        store: the database.
        registry: the indexes.
        jobs: the operations.
        building: performs builds.
        curating: performs curation jobs.
        optimizer: compacts the indexes.
        snapshots: the snapshots.
        import_rules: what may be imported.
        planner: says what work would take.
    """

    store: Store
    registry: Registry
    jobs: Jobs
    building: Building
    curating: Curating
    optimizer: Optimizer
    snapshots: Snapshots
    import_rules: ImportRules
    planner: Planner

    def import_vectors(
        self, request: vector_pb2.ImportVectorsRequest
    ) -> operations_pb2.Operation:
        """Check the file and start an import."""
        return self.asked_to_import(request)()

    def asked_to_import(self, request: vector_pb2.ImportVectorsRequest) -> Asked:
        """Check what is cheap to check; return the function that starts an import."""
        view = self.registry.view(request.index)
        check_source(request, view=view, rules=self.import_rules)
        return self.jobs.asked("import", index=request.index, request=request)

    def build(self, request: index_pb2.BuildIndexRequest) -> operations_pb2.Operation:
        """Start a build; its operation is done at once if the index is up to date."""
        return self.asked_to_build(request)()

    def asked_to_build(self, request: index_pb2.BuildIndexRequest) -> Asked:
        """Return the function that starts a build."""
        view = self.registry.view(request.name)
        require_not_empty_since(view)
        params = build_params_of(request.params, metric=view.metric)
        require_within(params.kmeans_iterations, MOST_ITERATIONS, "kmeans_iterations")
        require_within(params.tune_queries, MOST_TUNE_QUERIES, "tune_queries")
        built = self.building.current(request)
        if built is None or not self.jobs.is_settled(request.name):
            return self.jobs.asked("build", index=request.name, request=request)
        response = built
        return lambda: self.jobs.answered(
            "build", index=request.name, request=request, response=response
        )

    def optimize(
        self, request: index_pb2.OptimizeIndexRequest
    ) -> operations_pb2.Operation:
        """Start a compaction; it is done at once if there is nothing to fold in."""
        return self.asked_to_optimize(request)()

    def asked_to_optimize(self, request: index_pb2.OptimizeIndexRequest) -> Asked:
        """Return the function that starts a compaction; see `Optimizer.asked`."""
        return self.optimizer.asked(request)

    def select(
        self, request: coreset_pb2.CreateSelectionJobRequest
    ) -> operations_pb2.Operation:
        """Check the request and start a selection job."""
        return self.asked_to_select(request)()

    def asked_to_select(self, request: coreset_pb2.CreateSelectionJobRequest) -> Asked:
        """Check the request; return the function that starts a selection job."""
        resolve(self.registry.view(request.index), request)
        return self.jobs.asked("select", index=request.index, request=request)

    def asked_to_curate(self, request: curation_pb2.CreateCurationJobRequest) -> Asked:
        """Check the request; return the function that starts a curation job."""
        self.curating.check(request)
        return self.jobs.asked("curate", index=request.index, request=request)

    def planned_build(
        self, request: index_pb2.BuildIndexRequest
    ) -> operations_pb2.Operation:
        """Check the request as `asked_to_build` does; return what it would take."""
        self.asked_to_build(request)
        plan = self.planner.build(request)
        return planned_operation("build", index=request.name, plan=plan)

    def planned_optimization(
        self, request: index_pb2.OptimizeIndexRequest
    ) -> operations_pb2.Operation:
        """Check the request as `asked_to_optimize` does; return what it would take."""
        self.asked_to_optimize(request)
        plan = self.planner.optimize(request)
        return planned_operation(OPTIMIZE, index=request.name, plan=plan)

    def planned_import(
        self, request: vector_pb2.ImportVectorsRequest
    ) -> operations_pb2.Operation:
        """Check the request as `asked_to_import` does; return what it would take."""
        self.asked_to_import(request)
        plan = self.planner.import_file(request)
        return planned_operation("import", index=request.index, plan=plan)

    def planned_selection(
        self, request: coreset_pb2.CreateSelectionJobRequest
    ) -> operations_pb2.Operation:
        """Check the request as `asked_to_select` does; return what it would take."""
        plan = self.planner.selection(request)
        return planned_operation("select", index=request.index, plan=plan)

    def planned_curation(
        self, request: curation_pb2.CreateCurationJobRequest
    ) -> operations_pb2.Operation:
        """Check the request as `asked_to_curate` does; return what it would take."""
        plan = self.planner.curation(self.curating.inspected(request))
        return planned_operation("curate", index=request.index, plan=plan)

    def asked_again(self, request: job_pb2.RetryJobRequest) -> Asked:
        """Check the request of a failed operation; return what starts it again.

        Raises:
            UnknownJobError: no operation has this name.
            NotReadyError: it has neither failed nor was it cancelled.
            CorruptDataError: its request cannot be read.
            and what the request raised at first.
        """
        row = self.jobs.retryable(request.name)
        try:
            again = _REQUESTS[row["kind"]].FromString(row["request"])
        except (KeyError, DecodeError, TypeError) as error:
            raise CorruptDataError(
                f"the request of {request.name} cannot be read: ask for it anew"
            ) from error
        asked = self._asks()[row["kind"]](again)

        def start() -> operations_pb2.Operation:
            with self.store.transaction():
                name = asked().name
                self.jobs.note(name, f"asked for again after {request.name}")
                return self.jobs.get(name)

        return start

    def _asks(self) -> Mapping[str, Callable[[Any], Asked]]:
        """What checks the request of each kind of operation."""
        return {
            "build": self.asked_to_build,
            "curate": self.asked_to_curate,
            OPTIMIZE: self.asked_to_optimize,
            "import": self.asked_to_import,
            "select": self.asked_to_select,
            snapshot_kinds.CREATE: self.snapshots.asked_to_create,
            snapshot_kinds.RESTORE: self.snapshots.asked_to_restore,
            snapshot_kinds.VERIFY: self.snapshots.asked_to_verify,
            snapshot_kinds.EXPORT: self.snapshots.asked_to_export,
            snapshot_kinds.IMPORT: self.snapshots.asked_to_import,
        }
