"""`Application`: all operations on one open data directory.

The gRPC servicers and the in-process client call the same object.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

# Imported here, before any thread starts: scikit-learn fails on a partly imported
# pyarrow, if a session fits its model while a job imports it.
import pyarrow  # noqa: F401
from google.longrunning import operations_pb2
from numpy.typing import NDArray

import gleann
from gleann.index import SearchParams
from gleann.index.arrays import HeldIds, Rows, Vectors
from gleann.index.checks import as_vectors, require_measurable
from gleann.index.engines.choose import require_usable
from gleann.index.errors import (
    AnswerTooLargeError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    LimitError,
)
from gleann.index.filters.condition import Condition
from gleann.index.found import FoundRows
from gleann.index.ids.checks import hold_distinct, hold_ids
from gleann.index.metric import prepare, require_distances
from gleann.index.params import Metric
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.config import Config
from gleann.service.devices.devices import Devices
from gleann.service.jobs.building import Building
from gleann.service.jobs.candidates import resolve
from gleann.service.jobs.importing import Importing, ImportRules, open_source
from gleann.service.jobs.jobs import Jobs
from gleann.service.jobs.selecting import Selecting
from gleann.service.optimizer.compaction import Compaction
from gleann.service.optimizer.history import KIND as OPTIMIZE
from gleann.service.optimizer.optimizer import Optimizer
from gleann.service.search import view_search
from gleann.service.search.batcher import Batcher
from gleann.service.sessions.active import ActiveSessions
from gleann.service.sessions.estimates import EstimateSessions
from gleann.service.sessions.groups import GroupSessions
from gleann.service.sessions.rounds import RoundsSessions
from gleann.service.sessions.store import SessionStore
from gleann.service.state.damaged_rows import tell_damage
from gleann.service.state.expiry import Expiry
from gleann.service.state.idempotency import Receipts
from gleann.service.state.live_index import View, require_not_empty
from gleann.service.state.registry import Registry
from gleann.service.state.row_writer import Targets, require_fitting
from gleann.service.state.scrolling import scrolled
from gleann.service.state.store import Store
from gleann.service.state.versions import Versions
from gleann.service.values import (
    IndexInfo,
    IndexVersion,
    OptimizerParams,
    ServerInfo,
)
from gleann.service.wire.index_messages import build_params_of
from gleann.service.wire.paging import message_room
from gleann.v1 import coreset_pb2, index_pb2, vector_pb2

Counted: TypeAlias = tuple[int, IndexVersion]
"""Vectors that a change applied to, and the first state with it."""

Asked: TypeAlias = Callable[[], operations_pb2.Operation]
"""Puts long work into the queue: a quick call, for a transaction."""

FEATURES = (
    "metric:cosine",
    "metric:ip",
    "metric:l2",
    "import:npy",
    "import:parquet",
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


class Application:
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
        self.jobs = Jobs(self.store)
        self.selections = Selecting(self.registry, self.store, devices)
        self.sessions = SessionStore(self.registry, self.store)
        self.active = ActiveSessions(self.sessions)
        self.rounds = RoundsSessions(self.sessions)
        self.estimates = EstimateSessions(self.sessions)
        self.groups = GroupSessions(self.sessions)
        self.receipts = Receipts(self.store)
        self._expiry = Expiry(
            self.store,
            keep_days=config.keep_days,
            keep_operations=config.keep_operations,
        )
        self.building = Building(self.registry, threads=threads, devices=devices)
        self.optimizer = Optimizer(
            self.registry,
            self.store,
            self.jobs,
            defaults=config.optimizer,
            threads=threads,
            clock=self._clock,
        )
        self.registry.ask_of_compaction(self.optimizer.state)
        works: dict[str, Building | Compaction | Importing | Selecting] = {
            "build": self.building,
            OPTIMIZE: self.optimizer.compaction,
            "import": Importing(self.registry, self._rules),
            "select": self.selections,
        }
        tell_damage(self.store)
        self.registry.open()
        self.jobs.open(works, {kind: work.demand for kind, work in works.items()})

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
        view = self.registry.update(
            name,
            add_columns=add_columns,
            drop_columns=drop_columns,
            optimizer=optimizer,
        )
        return self.registry.info(view)

    def get_index(self, name: str) -> IndexInfo:
        """Describe an index, also one that cannot be served.

        Raises:
            UnknownIndexError: no index has this name.
        """
        return self.registry.describe(name)

    def list_indexes(self) -> list[IndexInfo]:
        """Describe all indexes, by name; also those that cannot be served."""
        return [self.get_index(name) for name in self.registry.names()]

    def upsert(
        self,
        name: str,
        ids: HeldIds,
        vectors: NDArray[np.generic],
        payload: Payload | None = None,
    ) -> IndexVersion:
        """Store vectors (m, dim) and their payload under ids (m,).

        It replaces whole rows: columns that `payload` lacks become null.

        Returns:
            The first state with them.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownColumnError: a column that the index does not have.
            InvalidInputError: vectors, ids or values that are invalid.
            LimitError: too many.
        """
        return self.upserting(name, ids, vectors, payload)()

    def upserting(
        self,
        name: str,
        ids: HeldIds,
        vectors: NDArray[np.generic],
        payload: Payload | None = None,
    ) -> Callable[[], IndexVersion]:
        """Check and prepare an `upsert`; return the function that performs it."""
        view = self.registry.view(name)
        require_within(len(vectors), self.limits.rows, "vectors")
        require_fitting(payload, view.schema)
        rows = as_vectors(vectors, dim=view.dim)
        names = hold_ids(ids, n=len(rows))
        require_rows(payload, len(rows))
        if view.metric != "cosine":
            require_measurable(rows, ids=names)
        prepared = prepare(rows, view.metric)
        return lambda: self.registry.upsert(name, names, prepared, payload)

    def delete_vectors(
        self, name: str, targets: Targets, *, missing_ok: bool = False
    ) -> tuple[int, IndexVersion]:
        """Remove the vectors of ids or of a condition.

        Returns:
            Their number, and the first state without them.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownIdError: unknown id without `missing_ok`; nothing is removed.
            InvalidFilterError: a condition that does not fit the index.
            LimitError: too many ids.
        """
        return self.deleting(name, targets, missing_ok=missing_ok)()

    def deleting(
        self, name: str, targets: Targets, *, missing_ok: bool
    ) -> Callable[[], Counted]:
        """Check a `delete_vectors`; return the function that performs it."""
        checked = self._checked(name, targets)
        return lambda: self.registry.delete_vectors(
            name, checked, missing_ok=missing_ok
        )

    def update_payload(
        self, name: str, targets: Targets, payload: Payload
    ) -> tuple[int, IndexVersion]:
        """Set values of payload: a row for each id, or one row for a condition.

        Returns:
            The number of vectors, and the first state with the values.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownIdError: unknown id; nothing is changed.
            UnknownColumnError: a column that the index does not have.
            InvalidFilterError: a condition that does not fit the index.
            InvalidInputError: no column, or one of another type.
            DimensionMismatchError: another number of rows.
            LimitError: too many ids.
        """
        return self.updating_payload(name, targets, payload)()

    def updating_payload(
        self, name: str, targets: Targets, payload: Payload
    ) -> Callable[[], Counted]:
        """Check an `update_payload`; return the function that performs it."""
        checked = self._checked(name, targets)
        require_rows(payload, 1 if isinstance(checked, Condition) else len(checked))
        require_fitting(payload, self.registry.view(name).schema)
        if not len(payload.schema):
            raise InvalidInputError("payload has no columns to set")
        return lambda: self.registry.update_payload(name, checked, payload)

    def delete_payload(
        self, name: str, targets: Targets, names: Sequence[str]
    ) -> tuple[int, IndexVersion]:
        """Remove the values of the columns `names`.

        Returns:
            The number of vectors, and the first state without the values.

        Raises:
            As `update_payload`.
        """
        return self.deleting_payload(name, targets, names)()

    def deleting_payload(
        self, name: str, targets: Targets, names: Sequence[str]
    ) -> Callable[[], Counted]:
        """Check a `delete_payload`; return the function that performs it."""
        checked = self._checked(name, targets)
        if not names:
            raise InvalidInputError("there are no columns to remove values of")
        self.registry.view(name).schema.select(names)
        return lambda: self.registry.delete_payload(name, checked, names)

    def _checked(self, name: str, targets: Targets) -> Targets:
        """Targets of a change of an index, checked.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
            DuplicateIdError: one id twice.
            LimitError: too many ids.
        """
        view = self.registry.view(name)
        if isinstance(targets, Condition):
            view.bind(targets)
            return targets
        require_within(len(targets), self.limits.rows, "ids")
        return hold_distinct(targets)

    def count(
        self, name: str, condition: Condition | None = None
    ) -> tuple[int, IndexVersion]:
        """Count the vectors of a condition, or all; and the state that was counted.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
        """
        view = self.registry.view(name)
        if condition is None:
            return view.count, view.state
        passing = view.passing(view.bind(condition))
        return int(np.count_nonzero(passing)), view.state

    def scroll(
        self,
        name: str,
        condition: Condition | None = None,
        *,
        after_id: int | str | None = None,
        size: int,
    ) -> tuple[Rows, View]:
        """The next vectors of a condition in the order of their ids.

        Args:
            name: of the index.
            condition: None for all vectors.
            after_id: the last id before; None starts.
            size: most vectors.

        Returns:
            Rows of the view that answered, and that view.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidFilterError: a condition that does not fit the index.
            InvalidParamsError: `after_id` of the other kind of ids.
        """
        view = self.registry.view(name)
        bound = None if condition is None else view.bind(condition)
        return scrolled(view, bound, after_id=after_id, size=size), view

    def get_vectors(self, name: str, ids: HeldIds) -> Vectors:
        """Vectors (m, dim) by id.

        Raises:
            UnknownIndexError: no index has this name.
            UnknownIdError: unknown id.
            LimitError: too many, or too large for a message.
        """
        view = self.registry.view(name)
        require_within(len(ids), self.limits.rows, "ids")
        reply_bytes = 4 * len(ids) * view.dim
        require_within(reply_bytes, self.limits.message_bytes, "bytes of vectors")
        return view.vectors_at(view.require(ids))

    def import_vectors(
        self, request: vector_pb2.ImportVectorsRequest
    ) -> operations_pb2.Operation:
        """Check the file and start an import."""
        return self.asked_to_import(request)()

    def asked_to_import(self, request: vector_pb2.ImportVectorsRequest) -> Asked:
        """Check the file; return the function that starts an import."""
        view = self.registry.view(request.index)
        open_source(request, dim=view.dim, rules=self._rules)
        return self.jobs.asked("import", index=request.index, request=request)

    def build(self, request: index_pb2.BuildIndexRequest) -> operations_pb2.Operation:
        """Start a build; its operation is done at once if the index is up to date."""
        return self.asked_to_build(request)()

    def asked_to_build(self, request: index_pb2.BuildIndexRequest) -> Asked:
        """Return the function that starts a build."""
        view = self.registry.view(request.name)
        require_not_empty(view)
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
        allowed_ids: HeldIds | None,
    ) -> tuple[FoundRows, View]:
        """Neighbours of queries (nq, dim), as rows of the view that answered.

        Raises:
            UnknownIndexError: no index has this name.
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
        if allowed_ids is None:
            found = self._batcher.search(view, checked, params)
        else:
            found = view_search.search(view, checked, params, allowed_ids=allowed_ids)
        self._require_room(found, view)
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


def require_rows(payload: Payload | None, count: int) -> None:
    """Refuse a payload with another number of rows than there are vectors.

    Raises:
        DimensionMismatchError: with both numbers.
    """
    if payload is not None and len(payload) != count:
        raise DimensionMismatchError(
            f"payload has {len(payload)} rows, expected {count}"
        )


def require_within(value: int, cap: int, name: str) -> None:
    """Refuse a value above its cap.

    Raises:
        LimitError: with both numbers.
    """
    if value > cap:
        raise LimitError(f"{name}: {value} is over the limit of {cap}")
