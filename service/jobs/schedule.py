"""What long work is queued, running or paused, in memory; shared by the workers."""

from collections.abc import Callable
from threading import Condition, Lock

from gleann.service.jobs.queue import Entry, JobQueue
from gleann.service.jobs.run import Run

Take = Callable[[JobQueue], list[Entry]]
"""Takes the requests of the next run from the queue; none if there is nothing to do."""


PAUSED, RESUMED = "paused on request", "resumed on request"
"""Lines of the log of an operation."""


class Schedule:
    """The queue, the runs and the paused work of one data directory; thread-safe.

    Attributes:
        control: held by whoever pauses, resumes or cancels, from the change of the row
            on disk to that of the schedule.
    """

    def __init__(self) -> None:
        self.control = Lock()
        self._queue = JobQueue()
        self._runs: dict[str, Run] = {}
        self._paused: dict[str, Entry] = {}
        self._news = Condition()
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """Whether no more work is begun."""
        return self._stopping

    def run_of(self, name: str) -> Run | None:
        """The run of an operation that is queued or running; None for others."""
        return self._runs.get(name)

    def is_settled(self, index: str) -> bool:
        """Whether no work that changes an index is running or queued, or holds it."""
        with self._news:
            return self._queue.is_settled(index)

    def under_way(self, kind: str, index: str | None) -> str | None:
        """An operation of a kind that is running or queued, of one index or any."""
        with self._news:
            for name, run in self._runs.items():
                if run.kind == kind and index in (None, run.index):
                    return name
        return None

    def paused(self, kind: str, index: str) -> str | None:
        """An operation of a kind on an index that is paused."""
        with self._news:
            for name, entry in self._paused.items():
                if (entry.kind, entry.index) == (kind, index):
                    return name
        return None

    def enqueue(self, entry: Entry) -> None:
        """Queue a request."""
        with self._news:
            self._runs[entry.name] = Run.of([entry])
            self._queue.add(entry)
            self._news.notify_all()

    def set_aside(self, entry: Entry, *, started: bool) -> None:
        """Take a request that is paused out of the queue, or out of a shared run.

        An import that has `started` holds back what changes its index.
        """
        with self._news:
            self._forget(entry.name)
            self._paused[entry.name] = entry
            if started:
                self._queue.hold(entry)

    def pause_run(self, entry: Entry) -> None:
        """Make a run stop until it is resumed, at its next report of progress."""
        with self._news:
            self._paused[entry.name] = entry
            if (run := self._runs.get(entry.name)) is not None:
                run.paused = True
                run.log.add(PAUSED)

    def go_on(self, name: str) -> bool:
        """Take back that a run is to stop; return whether it has not stopped yet."""
        with self._news:
            run = self._runs.get(name)
            if run is None or not run.paused:
                return False
            self._paused.pop(name, None)
            run.paused = False
            run.log.add(RESUMED)
            return True

    def cancel_run(self, name: str) -> None:
        """Make a run stop, at its next report of progress."""
        with self._news:
            if (run := self._runs.get(name)) is not None:
                run.cancelled = True

    def readmit(self, entry: Entry, *, started: bool) -> None:
        """Queue a request that was paused; an import that has `started` comes first."""
        with self._news:
            self._paused.pop(entry.name, None)
            self._runs[entry.name] = Run.of([entry])
            put = self._queue.put_first if started else self._queue.add
            put(entry)
            self._news.notify_all()

    def forget(self, name: str) -> None:
        """Remove an ended operation, wherever it is."""
        with self._news:
            self._forget(name)
            self._news.notify_all()

    def _forget(self, name: str) -> None:
        self._queue.drop(name)
        self._paused.pop(name, None)
        run = self._runs.pop(name, None)
        if run is not None and name in run.names:
            run.names.remove(name)

    def next(self, take: Take) -> Run | None:
        """Wait for the next run and take it; None if the server stops."""
        with self._news:
            while not self._stopping:
                if entries := take(self._queue):
                    run = Run.of(entries)
                    self._runs.update(dict.fromkeys(run.names, run))
                    return run
                self._news.wait()
            return None

    def keep(self, run: Run, begun: list[str]) -> None:
        """Reduce a run to the operations that were begun and not cancelled since."""
        with self._news:
            for name in set(run.names).difference(begun):
                run.names.remove(name)
                if self._runs.get(name) is run:
                    self._runs.pop(name)

    def done(self, run: Run) -> None:
        """End a run and allow the next one of its index."""
        with self._news:
            # One that was paused as it ended is in the run no more.
            for name in {*run.names, *run.ended}:
                self._paused.pop(name, None)
                if self._runs.get(name) is run:
                    self._runs.pop(name)
            if run.demand.background:
                self._queue.done_background()
            else:
                self._queue.done(run.index)
            self._news.notify_all()

    def is_in_the_way(self, run: Run) -> bool:
        """Whether a background run delays a request that changes its index."""
        with self._news:
            return self._queue.is_in_the_way(run.index)

    def wait(self, name: str, seconds: float, *, unknown: float) -> None:
        """Wait for news; of an operation outside of this queue for less time."""
        with self._news:
            known = name in self._runs
            self._news.wait(seconds if known else min(seconds, unknown))

    def pause(self, seconds: float) -> bool:
        """Wait; return whether the server stops."""
        with self._news:
            return self._news.wait_for(lambda: self._stopping, seconds)

    def stop(self) -> None:
        """Begin no more work."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
