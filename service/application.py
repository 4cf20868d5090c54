"""`Application`: all operations on one open data directory.

The gRPC servicers and the in-process client call the same object.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

import numpy as np

# Imported here, before any thread starts: scikit-learn fails on a partly imported
# pyarrow, if a session fits its model while a job imports it.
import pyarrow  # noqa: F401
from google.longrunning import operations_pb2
from numpy.typing import NDArray

import gleann
from gleann.index import SearchParams
from gleann.index.arrays import HeldIds
from gleann.index.checks import as_vectors
from gleann.index.engines.choose import require_usable
from gleann.index.errors import (
    AnswerTooLargeError,
    InvalidParamsError,
    UnknownIndexError,
)
from gleann.index.filters.condition import Condition
from gleann.index.found import FoundRows, RowsWithin, cut_at
from gleann.index.metric import require_distances
from gleann.index.params import Metric
from gleann.index.payload.schema import Column, Schema
from gleann.index.search.within import require_radius
from gleann.service.config import Config
from gleann.service.devices.devices import Devices
from gleann.service.jobs.building import Building
from gleann.service.jobs.candidates import resolve
from gleann.service.jobs.import_source import ImportRules, check_source
from gleann.service.jobs.importing import Importing
from gleann.service.jobs.jobs import Jobs
from gleann.service.jobs.selecting import Selecting
from gleann.service.optimizer.compaction import Compaction
from gleann.service.optimizer.history import KIND as OPTIMIZE
from gleann.service.optimizer.optimizer import Optimizer
from gleann.service.row_operations import RowOperations, require_within
from gleann.service.search import radius_search, view_search
from gleann.service.search.allowed import allowed_in
from gleann.service.search.batcher import Batcher
from gleann.service.sessions.active import ActiveSessions
from gleann.service.sessions.estimates import EstimateSessions
from gleann.service.sessions.groups import GroupSessions
from gleann.service.sessions.rounds import RoundsSessions
from gleann.service.sessions.store import SessionStore
from gleann.service.snapshots.snapshots import Snapshots, Work
from gleann.service.state.damaged_rows import tell_damage
from gleann.service.state.expiry import DAY, Expiry
from gleann.service.state.idempotency import Receipts
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.state.versions import Versions
from gleann.service.values import (
    IndexInfo,
    OptimizerParams,
    ServerInfo,
)
from gleann.service.views.live_index import View, require_not_empty_since
from gleann.service.wire.index_messages import build_params_of
from gleann.service.wire.paging import message_room
from gleann.service.wire.protocol import OLDEST_PROTOCOL, PROTOCOL
from gleann.v1 import coreset_pb2, index_pb2, vector_pb2

Asked: TypeAlias = Callable[[], operations_pb2.Operation]
"""Puts long work into the queue: a quick call, for a transaction."""

FEATURES = (
    "metric:cosine",
    "metric:ip",
    "metric:l2",
    "import:npy",
    "import:parquet",
    "payload",
    "filter",
    "scroll",
    "radius",
    "optimizer",
    "snapshot",
    "select:weighted_k_center",
    "select:farthest_first",
    "select:margin",
    "select:random",
    "select:gist",
    "select:ccs",
    "select:quotas",
    "session:active",
    "session:active:concepts",
    "session:active:given",
    "session:rounds",
    "session:estimate",
    "session:groups",
)


class Application(RowOperations):
    """One open data directory.

    Attributes:
        registry: the indexes.
        jobs: the operations.
        selections: stored results of selection jobs.
        sessions: the store of labelling sessions.
        active: operations on active-learning sessions.
        rounds: operations on rounds sessions.
        estimates: operations on estimate sessions.
        groups: operations on group-estimate sessions.
        snapshots: the snapshots.
        optimizer: compacts the indexes by itself.
        receipts: stored answers to idempotent requests.
        limits: the caps on single requests.
    """

    def __init__(
        self, config: Config, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Open the directory and resume interrupted work.

        Args:
            config: of the server.
            clock: seconds since 1970, for what is due at a time.

        Raises:
            NotReadyError: another process has it open.
            StorageError: it cannot be created or written.
            CorruptDataError: its contents cannot be read.
            EngineUnavailableError: the engine or the required device is not usable.
        """
        require_usable(config.engine)
        self._rules = ImportRules(
            roots=config.import_roots,
            most_rows=config.import_rows,
            directory=config.data_dir,
        )
        self.limits = config.limits
        self._batcher = Batcher()
        self._clock = clock
        devices = Devices(config.device)
        self.store = Store(config.data_dir)
        try:
            self._open(config, devices)
        except BaseException:
            self.store.close()
            raise
        self._expiry.open()
        self.optimizer.open()

    def _open(self, config: Config, devices: Devices) -> None:
        """Create the components on the store and resume interrupted work."""
        engine, threads = config.engine, config.threads
        versions = Versions(
            config.data_dir, engine=engine, threads=threads, devices=devices
        )
        self.registry = Registry(self.store, versions)
        self.jobs = Jobs(self.store, keep_seconds=config.keep_days * DAY)
        self.selections = Selecting(self.registry, self.store, devices)
        self._open_sessions()
        self.receipts = Receipts(self.store)
        self._expiry = Expiry(
            self.store,
            keep_days=config.keep_days,
            keep_operations=config.keep_operations,
        )
        self.building = Building(self.registry, threads=threads, devices=devices)
        self.snapshots = Snapshots(
            self.registry,
            self.store,
            versions,
            self.jobs,
            directory=config.data_dir,
            threads=threads,
            devices=devices,
            import_roots=config.import_roots,
            export_roots=config.export_roots,
        )
        self.optimizer = Optimizer(
            self.registry,
            self.store,
            self.jobs,
            defaults=config.optimizer,
            threads=threads,
            clock=self._clock,
        )
        self.registry.ask_of_compaction(self.optimizer.state)
        importing = Importing(
            self.registry, self._rules, threads=threads, devices=devices
        )
        works: dict[str, Building | Compaction | Importing | Selecting | Work] = {
            "build": self.building,
            OPTIMIZE: self.optimizer.compaction,
            "import": importing,
            "select": self.selections,
            **self.snapshots.works,
        }
        tell_damage(self.store)
        self.registry.open()
        self.snapshots.shelf.sweep()
        self.jobs.open(works, {kind: work.demand for kind, work in works.items()})

    def _open_sessions(self) -> None:
        self.sessions = SessionStore(self.registry, self.store)
        self.active = ActiveSessions(self.sessions)
        self.rounds = RoundsSessions(self.sessions)
        self.estimates = EstimateSessions(self.sessions)
        self.groups = GroupSessions(self.sessions)

    def close(self, *, seconds: float = 30.0) -> None:
        """Stop jobs and close the directory.

        Waits at most `seconds` for jobs, which resume at the next opening.
        """
        self._expiry.close()
        self.optimizer.close()
        self.jobs.close(seconds=seconds)
        self.store.close()

    def server_info(self) -> ServerInfo:
        """Version, limits and features."""
        return ServerInfo(
            version=gleann.__version__,
            limits=self.limits,
            features=FEATURES,
            index_count=len(self.registry.names()),
            protocol=PROTOCOL,
            oldest_protocol=OLDEST_PROTOCOL,
        )

    def create_index(
        self,
        name: str,
        *,
        dim: int,
        metric: Metric,
        schema: Schema | None = None,
        optimizer: OptimizerParams | None = None,
    ) -> IndexInfo:
        """Make an empty index.

        Raises:
            InvalidParamsError: a bad name or dim.
            LimitError: dim or the number of columns over the cap.
            AlreadyExistsError: the name is taken.
        """
        if dim < 1:
            raise InvalidParamsError(f"dim must be at least 1, got {dim}")
        require_within(dim, self.limits.dim, "dim")
        return self.registry.info(
            self.registry.create(
                name, dim=dim, metric=metric, schema=schema, optimizer=optimizer
            )
        )

    def update_index(
        self,
        name: str,
        *,
        add_columns: Sequence[Column] = (),
        drop_columns: Sequence[str] = (),
        optimizer: OptimizerParams | None = None,
    ) -> IndexInfo:
        """Drop columns, then add columns, and set fields of the optimizer.

        A column that is dropped and added again has no values. A column to add that is
        there with the same type is left as it is.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownColumnError: a column to drop that there is not.
            InvalidInputError: a column to add whose name is taken, or too many.
        """
        with self.store.transaction() as transaction:
            view = self.registry.update(
                name,
                add_columns=add_columns,
                drop_columns=drop_columns,
                optimizer=optimizer,
            )
            if optimizer is not None:
                transaction.after_commit(self.optimizer.reconsider)
        return self.registry.info(view)

    def get_index(self, name: str) -> IndexInfo:
        """Describe an index, also one that cannot be served.

        Raises:
            UnknownIndexError: no index has this name.
        """
        return self.registry.describe(name)

    def list_indexes(self, *, start: int, size: int) -> tuple[list[IndexInfo], bool]:
        """Describe a page of the indexes, by name; also those that cannot be served.

        Returns:
            The descriptions, and whether there are more.
        """
        names = self.registry.names()
        infos = []
        for name in names[start : start + size]:
            with suppress(UnknownIndexError):  # deleted since
                infos.append(self.get_index(name))
        return infos, len(names) > start + size

    def import_vectors(
        self, request: vector_pb2.ImportVectorsRequest
    ) -> operations_pb2.Operation:
        """Check the file and start an import."""
        return self.asked_to_import(request)()

    def asked_to_import(self, request: vector_pb2.ImportVectorsRequest) -> Asked:
        """Check what is cheap to check; return the function that starts an import."""
        view = self.registry.view(request.index)
        check_source(request, view=view, rules=self._rules)
        return self.jobs.asked("import", index=request.index, request=request)

    def build(self, request: index_pb2.BuildIndexRequest) -> operations_pb2.Operation:
        """Start a build; its operation is done at once if the index is up to date."""
        return self.asked_to_build(request)()

    def asked_to_build(self, request: index_pb2.BuildIndexRequest) -> Asked:
        """Return the function that starts a build."""
        view = self.registry.view(request.name)
        require_not_empty_since(view)
        build_params_of(request.params, metric=view.metric)
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

    def search(
        self,
        name: str,
        queries: NDArray[np.generic],
        params: SearchParams,
        *,
        allowed_ids: HeldIds | None = None,
        condition: Condition | None = None,
        radius: float | None = None,
    ) -> tuple[FoundRows, View]:
        """Neighbours of queries (nq, dim), as rows of the view that answered.

        Args:
            name: of the index.
            queries: (nq, dim).
            params: search parameters, without `allowed`.
            allowed_ids: the only vectors that may be returned; None for all.
            condition: what they must pass besides; None for nothing.
            radius: the greatest distance of a neighbour; None for any.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
            LimitError: too many hits.
            AnswerTooLargeError: the answer exceeds the message limit.
            InvalidInputError: queries that are invalid.
            and what `view_search.search` raises.
        """
        view = self.registry.view(name)
        require_within(len(queries) * params.k, self.limits.hits, "queries x k")
        checked = as_vectors(queries, name="queries", dim=view.dim)
        # Checked here: a refused query in a batch makes the others search twice.
        require_distances(checked, view.metric, name="queries")
        allowed = allowed_in(view, allowed_ids=allowed_ids, condition=condition)
        if radius is not None:
            radius = require_radius(radius, view.metric)
        if allowed is None:
            found = self._batcher.search(view, checked, params)
        else:
            found = view_search.search(view, checked, params, allowed=allowed)
        if radius is not None:
            found = cut_at(found, radius)
        self._require_room(found, view)
        return found, view

    def search_radius(
        self,
        name: str,
        queries: NDArray[np.generic],
        radius: float,
        *,
        target_recall: float = 1.0,
        limit: int | None = None,
        condition: Condition | None = None,
    ) -> tuple[RowsWithin, View]:
        """All vectors within a distance, as rows of the view that answered.

        Args:
            name: of the index.
            queries: (nq, dim).
            radius: the greatest distance of a hit.
            target_recall: 1 for a complete answer; below it lists are probed.
            limit: most hits of a query, its nearest; None for all.
            condition: what they must pass; None for nothing.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
            InvalidInputError: queries that are invalid.
            and what `radius_search.search_radius` raises.
        """
        view = self.registry.view(name)
        checked = as_vectors(queries, name="queries", dim=view.dim)
        require_distances(checked, view.metric, name="queries")
        found = radius_search.search_radius(
            view,
            checked,
            radius,
            target_recall=target_recall,
            limit=limit,
            allowed=allowed_in(view, allowed_ids=None, condition=condition),
        )
        return found, view

    def _require_room(self, found: FoundRows, view: View) -> None:
        """Refuse an answer above the message limit before its ids are gathered.

        Raises:
            AnswerTooLargeError: with both numbers.
        """
        size = view.id_bytes_at(found.rows.ravel()) + 4 * found.rows.size
        if size > message_room(self.limits):
            raise AnswerTooLargeError(
                f"the answer to {len(found.rows)} queries takes {size} bytes, a message"
                f" may have {self.limits.message_bytes}: ask for less at once"
            )
