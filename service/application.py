"""`Application`: all operations on one open data directory.

The gRPC servicers and the in-process client call the same object.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import TypeAlias

# Imported here, before any thread starts: scikit-learn fails on a partly imported
# pyarrow, if a session fits its model while a job imports it.
import pyarrow  # noqa: F401

import gleann
from gleann.index.engines.choose import require_usable
from gleann.index.errors import (
    InvalidParamsError,
    UnknownIndexError,
)
from gleann.index.params import Metric
from gleann.index.payload.schema import Column, Schema
from gleann.service import steady_clock
from gleann.service.calls.context import current_call
from gleann.service.calls.visible import readable
from gleann.service.config import Config
from gleann.service.devices.devices import Devices
from gleann.service.features import FEATURES
from gleann.service.job_requests import JobRequests
from gleann.service.jobs.building import Building
from gleann.service.jobs.curation.curating import Curating
from gleann.service.jobs.curation.lives import Lives
from gleann.service.jobs.curation.shelf import Shelf
from gleann.service.jobs.import_source import ImportRules
from gleann.service.jobs.importing import Importing
from gleann.service.jobs.jobs import Jobs
from gleann.service.jobs.selecting import Selecting
from gleann.service.limits import require_within
from gleann.service.monitoring.exporting import tracing_of
from gleann.service.monitoring.monitor import Monitor
from gleann.service.monitoring.searches import Searches
from gleann.service.optimizer.compaction import Compaction
from gleann.service.optimizer.history import KIND as OPTIMIZE
from gleann.service.optimizer.optimizer import Optimizer
from gleann.service.optimizer.writing import VersionWriter
from gleann.service.optimizer_params import OptimizerParams
from gleann.service.plans.planner import Planner
from gleann.service.row_operations import RowOperations
from gleann.service.search.batcher import Batcher
from gleann.service.search_operations import SearchOperations
from gleann.service.sessions.active import ActiveSessions
from gleann.service.sessions.estimates import EstimateSessions
from gleann.service.sessions.groups import GroupSessions
from gleann.service.sessions.means import MeansSessions
from gleann.service.sessions.promises import PromiseSessions
from gleann.service.sessions.rounds import RoundsSessions
from gleann.service.sessions.store import SessionStore
from gleann.service.snapshots.snapshots import Snapshots, Work
from gleann.service.state.damaged_rows import tell_damage
from gleann.service.state.expiry import DAY, Expiry
from gleann.service.state.idempotency import Receipts
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.state.versions import Versions
from gleann.service.streams.positions import Positions
from gleann.service.streams.upserts import UpsertStreams
from gleann.service.telemetry.telemetry import Telemetry
from gleann.service.values import IndexInfo, ServerInfo
from gleann.service.wire.protocol import OLDEST_PROTOCOL, PROTOCOL

LongWork: TypeAlias = Building | Compaction | Curating | Importing | Selecting | Work
"""Carries out the operations of a kind, and says what each needs."""


class _UndoneError(Exception):
    """Rolls back the transaction of a request that was only checked."""


class Application(RowOperations, SearchOperations, JobRequests):
    """One open data directory.

    Attributes:
        registry: the indexes.
        jobs: the operations.
        selections: stored results of selection jobs.
        curations: stored results of curation jobs.
        sessions: the store of labelling sessions.
        active: operations on active-learning sessions.
        rounds: operations on rounds sessions.
        estimates: operations on estimate sessions.
        groups: operations on group-estimate sessions.
        promises: operations on sessions of promised sets and audits.
        means: operations on sessions of several means and shares.
        snapshots: the snapshots.
        optimizer: compacts the indexes by itself.
        receipts: stored answers to idempotent requests.
        streams: makes streams of upserts.
        limits: the caps on single requests.
        telemetry: what is counted.
        monitor: says what it does now.
        searches: what is recorded of searches.
    """

    def __init__(
        self, config: Config, *, clock: Callable[[], float] = steady_clock.now
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
        self.import_rules = ImportRules(
            roots=config.import_roots,
            urls=config.import_urls,
            most_rows=config.import_rows,
            directory=config.data_dir,
        )
        self.limits = config.limits
        self._clock = clock
        devices = Devices(config.device)
        self.telemetry = Telemetry(most_indexes=config.metrics.most_indexes)
        self.telemetry.tracing = tracing_of(config.trace)
        self.searches = Searches(config, self.telemetry)
        self.batcher = Batcher()
        self.store = Store(
            config.data_dir,
            min_free_bytes=config.storage.min_free_bytes,
            committed=self._committed,
        )
        self.store.disk.count_refused = self.telemetry.change_refused
        try:
            self._open(config, devices)
        except BaseException:
            self.store.close()
            raise
        self.store.disk.open()
        self.searches.probe.open()
        self._expiry.open()
        self.optimizer.open()

    def _open(self, config: Config, devices: Devices) -> None:
        """Create the components on the store and resume interrupted work."""
        engine, threads = config.engine, config.threads
        versions = Versions(
            config.data_dir, engine=engine, threads=threads, devices=devices
        )
        self.registry = Registry(self.store, versions)
        self.jobs = Jobs(
            self.store,
            keep_seconds=config.keep_days * DAY,
            telemetry=self.telemetry,
        )
        self.selections = Selecting(self.registry, self.store, devices)
        self.curations = Shelf(config.data_dir, Lives(self.store))
        self.monitor = Monitor(
            self.registry,
            self.store,
            self.telemetry,
            directory=config.data_dir,
            threads=threads,
        )
        self._open_sessions()
        self.receipts = Receipts(self.store)
        self.streams = UpsertStreams(self, Positions(self.store))
        self._expiry = Expiry(
            self.store,
            keep_days=config.keep_days,
            keep_operations=config.keep_operations,
            expire=self.curations.expire,
        )
        works = self._long_work(config, versions, devices)
        tell_damage(self.store)
        self.registry.open()
        self.snapshots.shelf.sweep()
        self.curations.clear_unfinished()
        self.jobs.open(works, {kind: work.demand for kind, work in works.items()})

    def _long_work(
        self, config: Config, versions: Versions, devices: Devices
    ) -> Mapping[str, LongWork]:
        """Make what carries out operations, by their kind."""
        threads = config.threads
        self.building = Building(
            self.registry,
            threads=threads,
            devices=devices,
            writer=VersionWriter(self.registry),
        )
        importing = Importing(
            self.registry, self.import_rules, threads=threads, devices=devices
        )
        self.curating = Curating(
            self.registry,
            self.store,
            self.curations,
            self.selections,
            devices=devices,
            threads=threads,
            limits=lambda: self.limits,
        )
        self._open_snapshots(config, versions, devices)
        self._open_optimizer(config)
        self._open_planner(threads)
        return {
            "build": self.building,
            "curate": self.curating,
            OPTIMIZE: self.optimizer.compaction,
            "import": importing,
            "select": self.selections,
            **self.snapshots.works,
        }

    def _open_snapshots(
        self, config: Config, versions: Versions, devices: Devices
    ) -> None:
        self.snapshots = Snapshots(
            self.registry,
            self.store,
            versions,
            self.jobs,
            directory=config.data_dir,
            threads=config.threads,
            devices=devices,
            import_roots=config.import_roots,
            export_roots=config.export_roots,
        )

    def _open_optimizer(self, config: Config) -> None:
        self.optimizer = Optimizer(
            self.registry,
            self.store,
            self.jobs,
            defaults=config.optimizer,
            threads=config.threads,
            clock=self._clock,
        )
        self.registry.ask_of_compaction(self.optimizer.state)

    def _open_planner(self, threads: int) -> None:
        """Make what forecasts long work; it asks those that carry it out."""
        self.planner = Planner(
            self.registry,
            self.store,
            building=self.building,
            compaction=self.optimizer.compaction,
            rules=self.import_rules,
            threads=threads,
        )

    def _open_sessions(self) -> None:
        self.sessions = SessionStore(
            self.registry, self.store, limits=lambda: self.limits
        )
        self.monitor.sessions = self.sessions.in_memory
        self.active = ActiveSessions(self.sessions)
        self.rounds = RoundsSessions(self.sessions)
        self.estimates = EstimateSessions(self.sessions)
        self.groups = GroupSessions(self.sessions)
        self.promises = PromiseSessions(self.sessions)
        self.means = MeansSessions(self.sessions)

    def close(self, *, seconds: float = 30.0) -> None:
        """Stop jobs and close the directory.

        Waits at most `seconds` for jobs, which resume at the next opening.
        """
        self._expiry.close()
        self.searches.probe.close()
        self.store.disk.close()
        self.optimizer.close()
        self.jobs.close(seconds=seconds)
        self.store.close()
        self.telemetry.tracing.close()

    def _committed(self, members: int, seconds: float) -> None:
        """Count a commit, in the thread that made it."""
        self.telemetry.committed(members, seconds)
        if (trace := current_call().trace) is not None:
            now = monotonic()
            trace.add("commit", now - seconds, now, transactions=members)

    def reload(self, config: Config) -> None:
        """Apply the settings that may change while it is open."""
        self.limits = config.limits
        self.store.disk.min_free_bytes = config.storage.min_free_bytes
        self.searches.slow.slow_seconds = config.log.slow_seconds
        self.searches.probe.settings = config.probe

    def server_info(self) -> ServerInfo:
        """Version, limits and features."""
        return ServerInfo(
            version=gleann.__version__,
            limits=self.limits,
            features=FEATURES,
            index_count=len(readable(self.registry.names())),
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

    def planned_index(
        self,
        name: str,
        *,
        dim: int,
        metric: Metric,
        schema: Schema | None = None,
        optimizer: OptimizerParams | None = None,
    ) -> IndexInfo:
        """The description of an index as `create_index` would make it; nothing changes.

        Errors as `create_index`.
        """
        with suppress(_UndoneError), self.store.transaction():
            info = self.create_index(
                name, dim=dim, metric=metric, schema=schema, optimizer=optimizer
            )
            raise _UndoneError
        return replace(info, etag="")

    def update_index(
        self,
        name: str,
        *,
        add_columns: Sequence[Column] = (),
        drop_columns: Sequence[str] = (),
        optimizer: OptimizerParams | None = None,
        etag: str = "",
    ) -> IndexInfo:
        """Drop columns, then add columns, and set fields of the optimizer.

        A column that is dropped and added again has no values. A column to add that is
        there with the same type keeps its values, and is indexed from now on if it is
        given as that.

        Raises:
            UnknownIndexError: no index has this name.
            ConflictError: its etag is not `etag`, where that is not empty.
            UnknownColumnError: a column to drop that there is not.
            InvalidInputError: a column to add whose name is taken, or too many.
        """
        with self.store.transaction() as transaction:
            view = self.registry.update(
                name,
                add_columns=add_columns,
                drop_columns=drop_columns,
                optimizer=optimizer,
                etag=etag,
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

    def list_indexes(self, *, after: str, size: int) -> tuple[list[IndexInfo], str]:
        """Describe a page of the indexes that the caller may read, by name.

        Also those that cannot be served.

        Args:
            after: the name after which the page begins; "" begins with the first.
            size: most descriptions.

        Returns:
            The descriptions, and the name after which the next page begins; "" on the
            last.
        """
        names = readable(self.registry.names())
        following = names[bisect_right(names, after) :]
        infos = []
        for name in following[:size]:
            with suppress(UnknownIndexError):  # deleted since
                infos.append(self.get_index(name))
        return infos, following[size - 1] if len(following) > size else ""
