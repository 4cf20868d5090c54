"""Curation job: run a method on the live vectors of an index, and store its result."""

import json
import logging
from collections.abc import Callable
from contextlib import ExitStack

from gleann.index import Progress
from gleann.index.errors import CorruptDataError, GleannError, InvalidInputError
from gleann.index.heartbeat import repeating
from gleann.index.tables.tabular import as_json
from gleann.service import steady_clock
from gleann.service.calls.caller import Right
from gleann.service.calls.context import current_call
from gleann.service.devices.devices import Devices
from gleann.service.jobs.curation.curated import Curated
from gleann.service.jobs.curation.lives import Numbers, indexes_of, require_alive
from gleann.service.jobs.curation.shelf import PREFIX, Shelf
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.jobs.queue import Demand
from gleann.service.jobs.selecting import Selecting
from gleann.service.jobs.task import Task
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.values import Limits
from gleann.service.views.live_index import require_not_empty
from gleann.service.wire.curation.asked import asked as asked_as_json
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.index_messages import version_to_wire
from gleann.v1 import curation_pb2

PASSES = 8
"""A method reads all vectors so often, in the reckoning of what is short."""

REQUEST = "request"
"""Part of the provenance: what the method was asked for, without ids and vectors."""

_log = logging.getLogger(__name__)


class Curating:
    """Checks and runs curation jobs."""

    def __init__(  # noqa: PLR0913 (what the jobs need)
        self,
        registry: Registry,
        store: Store,
        shelf: Shelf,
        selections: Selecting,
        *,
        devices: Devices,
        threads: int,
        limits: Callable[[], Limits],
    ) -> None:
        """Keep what the jobs need.

        Args:
            registry: the indexes.
            store: the database.
            shelf: where results are stored.
            selections: the stored selections.
            devices: where builds run.
            threads: of the kernels; 0 takes all cores.
            limits: the current caps.
        """
        self._registry = registry
        self._store = store
        self._shelf = shelf
        self._selections = selections
        self._devices = devices
        self._threads = threads
        self._limits = limits

    def demand(self, packed: bytes) -> Demand:
        """Estimate the demand of a curation job before it runs."""
        request = curation_pb2.CreateCurationJobRequest.FromString(packed)

        def size() -> int:
            try:
                view = self._registry.view(request.index)
            except GleannError:
                return 0  # it fails immediately
            return view.count * view.dim * PASSES

        return Demand(changes="nothing", size=size)

    def check(self, request: curation_pb2.CreateCurationJobRequest) -> None:
        """Refuse a request that cannot run, or of more than the caller may read.

        Raises:
            UnknownIndexError: no index has the name of one that it names.
            PermissionDeniedError: the caller must not read one of them.
            NotReadyError: the index is empty.
            InvalidInputError: no method, or a stored curation of a deleted index.
            InvalidFilterError: a filter that does not fit the columns.
            and what the method raises.
        """
        self.asked(request)

    def asked(self, request: curation_pb2.CreateCurationJobRequest) -> Asked:
        """What a method is asked for, checked; errors as `check`."""
        method = _method_of(request)
        message = getattr(request, request.WhichOneof("method") or "")
        caller = current_call().caller
        for index in method.indexes(message):
            caller.require(Right.READ, index)
        known = [self._shelf.get(name) for name in method.curations(message)]
        for index in (index for one in known for index in indexes_of(one)):
            caller.require(Right.READ, index)
        for name in method.selections(message):
            caller.require(Right.READ, self._selections.get(name).index)
        view = self._registry.view(request.index)
        require_not_empty(view)
        if not method.compares:
            for one in known:
                require_alive(one)
        if (condition := condition_of(request)) is not None:
            view.bind(condition)
        asked = Asked(
            request=request,
            view=view,
            registry=self._registry,
            shelf=self._shelf,
            selections=self._selections,
            limits=self._limits(),
        )
        method.check(asked)
        return asked

    def inspected(self, request: curation_pb2.CreateCurationJobRequest) -> Asked:
        """As `asked`, and what the work would refuse once it reads is refused too.

        Raises:
            InvalidInputError: no vector passes the filter.
            and those of `asked` and of the method's work.
        """
        asked = self.asked(request)
        _method_of(request).inspect(asked)
        return asked

    def __call__(self, task: Task) -> curation_pb2.Curation:
        """Run one method, and store its result."""
        request = curation_pb2.CreateCurationJobRequest.FromString(task.request)
        # Named after its operation: an interrupted run may have stored it already.
        name = f"{PREFIX}{task.operation.removeprefix('operations/')}"
        if (before := self._stored(name)) is not None:
            return before
        view = self._registry.view(request.index)
        task.progress(Progress(phase="gather", done=0, total=0))
        with ExitStack() as files, repeating(task.progress) as progress:
            work = Work(
                request=request,
                view=view,
                registry=self._registry,
                shelf=self._shelf,
                selections=self._selections,
                limits=self._limits(),
                progress=progress,
                devices=self._devices,
                threads=self._threads,
                files=files,
            )
            made = _method_of(request).run(work)
            self._store.disk.require_room()
            described = _described(name, work, made)
            self._shelf.add(described, made, indexes=lambda: _numbers(work))
        return self._shelf.get(name)

    def _stored(self, name: str) -> curation_pb2.Curation | None:
        """What a run before has stored; a damaged one is removed, to be made again."""
        if not self._shelf.holds(name):
            return None
        try:
            return self._shelf.get(name)
        except CorruptDataError as error:
            _log.error("%s is made again: %s", name, error)
            self._shelf.delete(name)
            return None


def _method_of(request: curation_pb2.CreateCurationJobRequest) -> Method:
    # Not at the start of a server: the methods load the library.
    from gleann.service.jobs.curation.methods import METHODS

    name = request.WhichOneof("method")
    if name is None:
        raise InvalidInputError(f"method is required: one of {', '.join(METHODS)}")
    return METHODS[name]


def _described(name: str, work: Work, made: Curated) -> curation_pb2.Curation:
    known = {**made.provenance, REQUEST: asked_as_json(work.message)}
    message = curation_pb2.Curation(
        name=name,
        index=work.view.name,
        version=made.version or version_to_wire(work.view.state),
        method=str(made.provenance.get("method", "")),
        summary_json=json.dumps(as_json(made.summary)),
        provenance_json=json.dumps(as_json(known)),
        other_indexes=_others(work),
    )
    message.create_time.FromNanoseconds(int(steady_clock.now() * 1e9))
    return message


def _numbers(work: Work) -> Numbers:
    """Numbers of the indexes that a job read, also through a stored curation."""
    found = {work.view.name: work.view.number, **work.read}
    for name in _method_of(work.request).curations(work.message):
        kept = work.shelf.indexes(name)
        found |= {index: kept[index] for index in kept if index != work.view.name}
    return found


def _others(work: Work) -> list[str]:
    """The other indexes that a job read, also through a stored curation."""
    method = _method_of(work.request)
    found = set(method.indexes(work.message))
    for name in method.curations(work.message):
        found.update(work.shelf.get(name).other_indexes)
    return sorted(found - {work.view.name})
