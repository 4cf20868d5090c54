"""`Planner`: what builds, compactions, imports and selections would take."""

from dataclasses import replace

from gleann.index import BuildParams
from gleann.index.build.arrange import resolve_nlist
from gleann.index.build.forecast import (
    Forecast,
    forecast_build,
    forecast_fold,
)
from gleann.index.build.sample import sample_size
from gleann.index.nouns import counted
from gleann.index.parallel.cores import usable_cores
from gleann.service.jobs.building import Building
from gleann.service.jobs.candidates import resolve
from gleann.service.jobs.curation.work import Asked
from gleann.service.jobs.first_version import first_params
from gleann.service.jobs.import_source import ImportRules, ImportSource, open_source
from gleann.service.jobs.sealed_import import is_sealed_at_once
from gleann.service.optimizer.compaction import Compaction, rebuild_params
from gleann.service.plans.machine import nominal_second
from gleann.service.plans.selecting import selection_plan
from gleann.service.plans.sizes import IndexSizes, sizes_of
from gleann.service.state.database import MOST_LOG_BYTES
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.values import Plan
from gleann.service.views.live_index import View
from gleann.service.wire.index_messages import build_params_of
from gleann.v1 import coreset_pb2, index_pb2, vector_pb2

SERVED_ROW_BYTES = 24
"""Memory of a row besides its build: its number and its id, as the view has them."""

PROCESS_BYTES, PROCESS_SECONDS = 20_000_000, 0.6
"""Memory and nominal seconds of a process of its own before it begins."""

PUBLISH_SECONDS = 0.15
"""To make the files of a version durable, to open and to publish it."""

STAGED_BYTE = 12e-9
"""Nominal seconds to log and publish one byte of a row."""
STAGED_ROW_BYTES = 100
"""Memory of a logged row besides its numbers."""
LOGGED_ID_BYTES = 16

NOTHING = Plan(
    rows=0,
    seconds=0.0,
    memory_bytes=0,
    disk_bytes=0,
    disk_bytes_after=0,
    steps=("Nothing has to be done.",),
)


class Planner:
    """Plans the work on the indexes of one data directory; changes nothing.

    Its methods take requests that were checked.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store,
        *,
        building: Building,
        compaction: Compaction,
        rules: ImportRules,
        threads: int,
    ) -> None:
        self._registry = registry
        self._store = store
        self._building = building
        self._compaction = compaction
        self._rules = rules
        self._cores = threads or usable_cores()

    def build(self, request: index_pb2.BuildIndexRequest) -> Plan:
        """The plan of a build.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidParamsError: as `Registry.fitted`.
        """
        view = self._registry.view(request.name)
        if self._building.current(request) is not None:
            return replace(NOTHING, steps=("It is built with these parameters.",))
        if not view.count:
            return replace(NOTHING, steps=("It publishes a version without rows.",))
        params = build_params_of(request.params, metric=view.metric)
        sizes = self._sizes(view)
        plan = self._rebuilt(view, params, sizes, cores=self._cores)
        return _apart(plan, view, sizes) if self._building.is_apart(view) else plan

    def optimize(self, request: index_pb2.OptimizeIndexRequest) -> Plan:
        """The plan of a compaction.

        Raises:
            UnknownIndexError: no index has this name.
            InvalidParamsError: a kind that this version does not know.
        """
        view = self._registry.view(request.name)
        kind, sizes = self._compaction.kind_of(request, view), self._sizes(view)
        if not view.has_changes and (kind == "fold" or not view.count):
            return NOTHING
        cores = self._compaction.threads
        if kind == "rebuild":
            plan = self._rebuilt(view, rebuild_params(view), sizes, cores=cores)
        else:
            plan = self._folded(view, sizes, newer=view.delta.count)
        return _apart(plan, view, sizes)

    def import_file(self, request: vector_pb2.ImportVectorsRequest) -> Plan:
        """The plan of an import; the files are opened, and text is read for its types.

        Errors as `open_source`.
        """
        view = self._registry.view(request.index)
        source = open_source(request, view=view, rules=self._rules)
        if is_sealed_at_once(view, source.count):
            return self._sealed_import(view, source)
        return self._staged_import(view, source)

    def selection(self, request: coreset_pb2.CreateSelectionJobRequest) -> Plan:
        """The plan of a selection; errors as `candidates.resolve`."""
        view = self._registry.view(request.index)
        return selection_plan(view, request, resolve(view, request))

    def curation(self, asked: Asked) -> Plan:
        """The plan of a curation job; errors as `Curating.asked`."""
        # Not at the start of a server: forecasts load the library.
        from gleann.service.plans.curating import curation_plan

        return curation_plan(asked, cores=self._cores)

    def _rebuilt(
        self, view: View, params: BuildParams, sizes: IndexSizes, *, cores: int
    ) -> Plan:
        n = view.count
        params = self._registry.fitted(view, params)
        forecast = forecast_build(
            n, view.dim, params, id_bytes=sizes.id_bytes, cores=cores
        )
        nlist = resolve_nlist(params, n)
        lists, vectors = counted(nlist, "lists"), counted(n, "vectors")
        steps = [f"It trains {lists} and assigns {vectors} to them."]
        if queries := sample_size(n, params):
            sample = counted(queries, "sample queries")
            steps.append(f"It measures recall with {sample}.")
        return self._published(view, forecast, sizes, steps)

    def _folded(self, view: View, sizes: IndexSizes, *, newer: int) -> Plan:
        assert view.sealed is not None
        index = view.sealed.index
        forecast = forecast_fold(
            view.count - view.delta.count,
            newer,
            view.dim,
            nlist=index.nlist,
            params=index.params,
            id_bytes=sizes.id_bytes,
        )
        lists = counted(index.nlist, "lists")
        steps = [f"It adds {counted(newer, 'vectors')} to {lists}."]
        return self._published(view, forecast, sizes, steps)

    def _published(
        self, view: View, forecast: Forecast, sizes: IndexSizes, steps: list[str]
    ) -> Plan:
        """The plan of a new version that takes the place of that of `view`."""
        written = forecast.file_bytes + sizes.payload_bytes
        steps.append(f"It publishes version {view.version + 1}.")
        if view.version and not sizes.version_bytes:
            steps.append(f"Version {view.version} stays, as a session needs it.")
        return Plan(
            rows=view.count,
            seconds=forecast.seconds * nominal_second() + PUBLISH_SECONDS,
            memory_bytes=forecast.memory_bytes + SERVED_ROW_BYTES * view.count,
            disk_bytes=written,
            disk_bytes_after=written - sizes.version_bytes - sizes.log_bytes,
            steps=tuple(steps),
        )

    def _sealed_import(self, view: View, source: ImportSource) -> Plan:
        """All rows go into a new version; rows of the same ids are counted twice."""
        sizes, sealed = self._sizes(view), view.sealed
        n = view.count + source.count
        if sealed is None or n < sealed.index.nlist:
            forecast = forecast_build(
                n,
                view.dim,
                first_params(view.metric),
                id_bytes=sizes.id_bytes,
                cores=self._cores,
            )
            how = "a version with one list"
        else:
            forecast = forecast_fold(
                view.count - view.delta.count,
                source.count + view.delta.count,
                view.dim,
                nlist=sealed.index.nlist,
                params=sealed.index.params,
                id_bytes=sizes.id_bytes,
            )
            how = f"the {counted(sealed.index.nlist, 'lists')} that it has"
        payload = sizes.payload_bytes + source.payload.size_bytes
        grown = replace(sizes, payload_bytes=payload)
        step = (
            f"It writes {counted(source.count, 'vectors')} of {source.file.path.name}"
            f" to {how}."
        )
        plan = self._published(view, forecast, grown, [step])
        return replace(
            plan,
            rows=source.count,
            memory_bytes=plan.memory_bytes + SERVED_ROW_BYTES * source.count,
        )

    def _staged_import(self, view: View, source: ImportSource) -> Plan:
        """The rows are logged, and are newer than the sealed version.

        The database has them in its write-ahead log as well.
        """
        numbers = 4 * view.dim * source.count
        logged = numbers + LOGGED_ID_BYTES * source.count + source.payload.size_bytes
        return Plan(
            rows=source.count,
            seconds=STAGED_BYTE * logged * nominal_second(),
            memory_bytes=2 * numbers + STAGED_ROW_BYTES * source.count,
            disk_bytes=2 * logged,
            disk_bytes_after=logged + min(logged, MOST_LOG_BYTES),
            steps=(
                f"It logs {counted(source.count, 'vectors')} of"
                f" {source.file.path.name}.",
                "They are searched beside the sealed version until they are sealed.",
            ),
        )

    def _sizes(self, view: View) -> IndexSizes:
        return sizes_of(view, self._registry, self._store)


def _apart(plan: Plan, view: View, sizes: IndexSizes) -> Plan:
    """The plan of work in a process of its own, which reads newer rows from files."""
    inputs = 4 * view.delta.count * view.dim + sizes.payload_bytes
    seconds = plan.seconds or 0.0
    return replace(
        plan,
        seconds=seconds + PROCESS_SECONDS * nominal_second(),
        memory_bytes=plan.memory_bytes + PROCESS_BYTES,
        disk_bytes=plan.disk_bytes + inputs,
        steps=(*plan.steps, "It runs in a process of its own."),
    )
