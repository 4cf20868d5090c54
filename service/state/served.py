"""`Served`: the views that are served, and those that a commit will publish."""

from collections.abc import Callable
from dataclasses import replace

from gleann.index.errors import UnknownIndexError
from gleann.service.state.broken_index import Broken
from gleann.service.state.live_index import View

Watcher = Callable[[str, bool | None], None]


class Served:
    """The views of all indexes, by name.

    The writer in turn works on the latest view of an index, which may not be committed
    yet; everybody else reads the published one. A `Store` publishes what is pending
    after the commit, or makes it go back.
    """

    def __init__(self) -> None:
        self._views: dict[str, View] = {}
        self._broken: dict[str, Broken] = {}
        self._pending: dict[str, View | None] = {}
        self._journal: list[tuple[str, bool, View | None]] = []
        self._tell: Watcher = _nobody

    def watch(self, tell: Watcher) -> None:
        """Register `tell` for the health of all indexes, now and on changes."""
        self._tell = tell
        for name in self.names():
            tell(name, name in self._views)

    def names(self) -> list[str]:
        """Names of all indexes, sorted; also those that cannot be served."""
        return sorted({*self._views, *self._broken})

    def views(self) -> list[View]:
        """The published views."""
        return list(self._views.values())

    def is_served(self, name: str) -> bool:
        """Whether there is a published view of this name."""
        return name in self._views

    def left(self, name: str) -> Broken | None:
        """What is left of an index that cannot be served; None if it can."""
        return self._broken.get(name)

    def broken(self) -> dict[str, str]:
        """Reasons of the indexes that cannot be served, by name."""
        return {name: left.reason for name, left in list(self._broken.items())}

    def view(self, name: str) -> View:
        """The published view of an index.

        Raises:
            UnknownIndexError: no index has this name.
            and the error of its load, if that failed.
        """
        return self._found(self._views.get(name), name)

    def latest(self, name: str) -> View:
        """The view that the next change is made to; for the writer in turn.

        Raises:
            As `view`.
        """
        return self._found(self._pending.get(name, self._views.get(name)), name)

    def is_taken(self, name: str) -> bool:
        """Whether an index has this name; for the writer in turn."""
        if name in self._pending:
            return self._pending[name] is not None
        return name in self._views or name in self._broken

    def advance(self, name: str, change: Callable[[], View | None]) -> None:
        """Make the result of `change` the latest view; None removes the index."""
        before = self._pending.get(name)
        # Before the change: it may write into buffers that the view before shares.
        self._journal.append((name, name in self._pending, before))
        self._pending[name] = change()

    def serve(self, view: View) -> None:
        """Publish a view that was loaded."""
        is_new = view.name not in self._views
        self._views[view.name] = view
        if is_new:
            self._tell(view.name, True)

    def give_up(self, left: Broken) -> None:
        """Record an index that cannot be served."""
        self._broken[left.info.name] = left
        self._tell(left.info.name, False)

    def mark(self) -> int:
        """The place that `rewind` goes back to."""
        return len(self._journal)

    def rewind(self, mark: int) -> None:
        """Undo what was done since `mark`."""
        undone = self._journal[mark:]
        del self._journal[mark:]
        for name, was_pending, before in reversed(undone):
            if was_pending:
                self._pending[name] = before
            else:
                self._pending.pop(name, None)
        for name in {name for name, _, _ in undone}:
            self._detach(name)

    def publish(self) -> None:
        """Show everybody the latest views."""
        pending, self._pending = self._pending, {}
        self._journal.clear()
        for name, view in pending.items():
            self._broken.pop(name, None)
            if view is not None:
                self.serve(view)
            else:
                self._views.pop(name, None)
                self._tell(name, None)

    def _detach(self, name: str) -> None:
        """Give the latest view look-up tables that no undone change was written to."""
        places: dict[str, View] | dict[str, View | None] = self._views
        if name in self._pending:
            places = self._pending
        if (view := places.get(name)) is not None:
            places[name] = replace(view, delta=view.delta.detached())

    def _found(self, view: View | None, name: str) -> View:
        if view is not None:
            return view
        if (left := self._broken.get(name)) is not None:
            raise left.kind(left.reason)
        raise UnknownIndexError(f"there is no index {name[:80]!r}")


def _nobody(_name: str, _serving: bool | None) -> None:
    """The default watcher: does nothing."""
