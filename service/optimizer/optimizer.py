"""`Optimizer`: looks after all indexes, and starts compactions when they are due."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread

from google.longrunning import operations_pb2

from gleann.index.errors import GleannError
from gleann.service import steady_clock
from gleann.service.jobs.jobs import Jobs
from gleann.service.optimizer.compaction import Compaction
from gleann.service.optimizer.history import KIND, History
from gleann.service.optimizer.measuring import Measuring
from gleann.service.optimizer.policy import Decision, decide, kind_wanted
from gleann.service.optimizer_params import (
    CompactionKind,
    OptimizerParams,
    OptimizerState,
)
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.values import IndexVersion
from gleann.service.views.live_index import View, require_not_empty_since
from gleann.service.wire import index_messages
from gleann.v1 import index_pb2

SECONDS_BETWEEN = 1.0
"""Between two looks at all indexes."""

_WIRE_KINDS = {
    "fold": index_pb2.COMPACTION_KIND_FOLD,
    "rebuild": index_pb2.COMPACTION_KIND_REBUILD,
}

_log = logging.getLogger(__name__)

Asked = Callable[[], operations_pb2.Operation]


class Optimizer:
    """The compaction of the indexes of one data directory.

    Attributes:
        compaction: the work of its operations.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store,
        jobs: Jobs,
        *,
        defaults: OptimizerParams,
        threads: int,
        clock: Callable[[], float] = steady_clock.now,
    ) -> None:
        """Make it; nothing is started before `open`.

        Args:
            registry: the indexes.
            store: the database.
            jobs: where operations are started.
            defaults: what applies where an index sets nothing; complete.
            threads: most worker threads of a compaction; 0 takes a quarter of the
                cores.
            clock: seconds since 1970.
        """
        self._registry = registry
        self._jobs = jobs
        self._disk = store.disk
        self._defaults = defaults
        self._history = History(store, clock)
        self._measuring = Measuring(store, self._history, clock)
        self.compaction = Compaction(
            registry,
            self._history,
            kind_wanted=self._kind_wanted,
            threads=threads,
        )
        self._settled: dict[str, tuple[int, IndexVersion, int]] = {}
        self._tuned = 0
        self._closed = Event()
        self._thread = Thread(target=self._serve, name="gleann-optimizer", daemon=True)

    def open(self) -> None:
        """Start the thread that looks after the indexes."""
        self._thread.start()

    def close(self) -> None:
        """Stop that thread; a compaction under way is for `Jobs.close` to stop."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def state(self, view: View) -> OptimizerState:
        """The state of an index's compaction."""
        params, past = self._params(view), self._history.of(view)
        measured = self._measuring.of(view)
        ended = past.ended
        return OptimizerState(
            params=params,
            pending_share=measured.pending_share,
            removed_share=measured.removed_share,
            drift=measured.drift,
            decision=decide(measured, params).why,
            operation=self._jobs.under_way(KIND, index=view.name)
            or self._jobs.paused(KIND, index=view.name),
            last_kind=past.kind,
            last_time=None if ended is None else datetime.fromtimestamp(ended, UTC),
            last_error=past.error,
        )

    def reconsider(self) -> None:
        """Decide about all indexes again, since parameters were changed."""
        self._tuned += 1

    def asked(self, request: index_pb2.OptimizeIndexRequest) -> Asked:
        """The function that starts a compaction now, whatever the policy says.

        Its operation is done at once if there is nothing to fold in.

        Raises:
            UnknownIndexError: no index has this name.
            NotReadyError: it is empty.
            InvalidParamsError: a kind that this version does not know.
        """
        view = self._registry.view(request.name)
        if not view.version:
            require_not_empty_since(view)
        kind = self.compaction.kind_of(request, view)
        settled = index_pb2.OptimizeIndexRequest(
            name=request.name, kind=_WIRE_KINDS[kind]
        )
        is_same = not view.has_changes and (kind == "fold" or not view.count)
        if is_same and self._jobs.is_settled(request.name):
            response = index_messages.index_info_to_wire(self._registry.info(view))
            return lambda: self._jobs.answered(
                KIND, index=request.name, request=settled, response=response
            )
        return self._jobs.asked(KIND, index=request.name, request=settled)

    def look(self) -> str | None:
        """Start the most urgent compaction that is due, unless one is under way.

        None is started while the disk is full.

        Returns:
            The name of its index; None if none was started.
        """
        if self._disk.reason or self._jobs.under_way(KIND) is not None:
            return None
        due = [
            (self._measuring.of(view).since, view, decision)
            for view in self._changed()
            if (decision := self._decided(view)).kind != "none"
            and self._jobs.is_settled(view.name)
            and self._jobs.paused(KIND, index=view.name) is None
        ]
        if not due:
            return None
        _, view, decision = max(due, key=lambda one: one[0])
        assert decision.kind != "none"
        _log.info("%s: %s (%s)", view.name, decision.kind, decision.why)
        request = index_pb2.OptimizeIndexRequest(
            name=view.name, kind=_WIRE_KINDS[decision.kind]
        )
        self._jobs.start(KIND, index=view.name, request=request)
        return view.name

    def _changed(self) -> list[View]:
        """The indexes of which there is something to decide."""
        found = []
        for name in self._registry.names():
            try:
                view = self._registry.view(name)
            except GleannError:
                continue  # it cannot be served, or was deleted meanwhile
            if self._settled.get(name) != (view.number, view.state, self._tuned):
                found.append(view)
        return found

    def _decided(self, view: View) -> Decision:
        tuned = self._tuned  # read before the parameters are
        measured, params = self._measuring.of(view), self._params(view)
        decision = decide(measured, params)
        if decision.kind == "fold":
            decision = decide(self._measuring.after_fold(view, measured), params)
        waits = decision.kind != "none" or decision.waits
        if not waits and not view.has_changes:
            # Nothing to decide before it or its parameters change.
            self._settled[view.name] = view.number, view.state, tuned
        return decision

    def _params(self, view: View) -> OptimizerParams:
        return self._registry.optimizer(view).filled(self._defaults)

    def _kind_wanted(self, view: View) -> CompactionKind:
        measured = self._measuring.after_fold(view, self._measuring.of(view))
        return kind_wanted(measured, self._params(view))

    def _serve(self) -> None:
        while not self._closed.wait(SECONDS_BETWEEN):
            try:
                self.look()
            except GleannError as error:
                _log.warning("no compaction was started: %s", error)
            except Exception:  # noqa: BLE001  the edge: the next look may succeed
                _log.exception("the look for compactions failed inside")
