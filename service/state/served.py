"""`Served`: the views that are served, and those that a commit will publish."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gleann.index.errors import NotReadyError, UnknownIndexError
from gleann.service.state.commits.group import Transaction
from gleann.service.state.damage.broken_index import Broken
from gleann.service.state.log.change import Change, applied_upserts
from gleann.service.state.log.changes import log_packed, set_sequence
from gleann.service.state.packed_change import PackedChange
from gleann.service.views.live_index import View
from gleann.service.views.sharded_view import Readable, ShardedView, refuse

Watcher = Callable[[str, bool | None], None]


@dataclass(slots=True, kw_only=True, eq=False)
class Head:
    """The state of an index that the next change is made to, committed or not.

    Attributes:
        view: a view; None if the index is removed.
        queued: upserts after it, each with its form in the log. They get into the log
            and into the view together: that takes hardly longer for many than for one.
        stored: the sequence in the database.
    """

    view: View | None
    stored: int
    queued: list[tuple[Change, PackedChange]] = field(default_factory=list)


class Served:
    """The views of all indexes, by name.

    The writer in turn works on the head of an index, which may not be committed yet;
    everybody else reads the published view. A `Store` publishes the heads after the
    commit, or makes them go back.
    """

    def __init__(self) -> None:
        self._views: dict[str, View] = {}
        self._broken: dict[str, Broken] = {}
        self._in_shards: dict[str, ShardedView] = {}
        self._heads: dict[str, Head] = {}
        self._undo: list[Callable[[], None]] = []
        self._tell: Watcher = _nobody
        self.closed = ""  # why no index may be added; "" where one may

    def watch(self, tell: Watcher) -> None:
        """Register `tell` for the health of all indexes, now and on changes."""
        self._tell = tell
        for name in self.names():
            tell(name, name in self._views or name in self._in_shards)

    def names(self) -> list[str]:
        """Names of all indexes, sorted; also those that cannot be served."""
        return sorted({*self._views, *self._broken, *self._in_shards})

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

    def readable(self, name: str) -> Readable:
        """What a call that only reads takes of an index; errors as `view`."""
        held = self._in_shards.get(name)
        return self.view(name) if held is None else held

    def serve_shards(self, view: ShardedView) -> None:
        """Publish an index in shards; its name is not taken.

        It stays, whatever is committed.
        """
        self._in_shards[view.name] = view
        self._tell(view.name, True)

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

    # The rest is for the writer in turn.

    def is_taken(self, name: str) -> bool:
        """Whether an index has this name, which another is to have.

        Raises:
            NotReadyError: no index may be added.
        """
        if self.closed:
            raise NotReadyError(self.closed)
        if (head := self._heads.get(name)) is not None:
            return head.view is not None
        return name in self.names()

    def latest(self, transaction: Transaction, name: str) -> View:
        """The view that the next change is made to, with all before it in the log.

        Raises:
            As `view`.
        """
        head = self._heads.get(name)
        if head is None:
            return self.view(name)
        self._fold_in(transaction, head)
        return self._found(head.view, name)

    def before_upsert(self, name: str) -> tuple[View, int]:
        """A view with the columns that an upsert meets, and the sequence before it.

        Its rows need not be the latest ones: that would take time for each upsert.

        Raises:
            As `view`.
        """
        head = self._heads.get(name)
        if head is None:
            view = self.view(name)
            return view, view.sequence
        view = self._found(head.view, name)
        return view, view.sequence + len(head.queued)

    def queue(self, name: str, upsert: Change, packed: PackedChange) -> None:
        """Add an upsert to the head of an index; it is logged before the commit."""
        head = self._head(name)
        head.queued.append((upsert, packed))
        self._undo.append(lambda: _shorten(head.queued))

    def advance(self, name: str, change: Callable[[], View | None]) -> None:
        """Make the result of `change` to the `latest` view the latest one.

        None removes the index.
        """
        head = self._head(name)
        assert not head.queued, "`latest` is called first"
        before = head.view
        # Before the change: it may write into buffers that the view before shares.
        self._undo.append(lambda: self._go_back(head, before, []))
        head.view = change()

    def settle(self, transaction: Transaction) -> None:
        """Bring the heads, their log and their sequences up to date."""
        for head in self._heads.values():
            self._fold_in(transaction, head)
            if head.view is not None and head.view.sequence != head.stored:
                set_sequence(transaction, head.view, head.view.sequence)

    def mark(self) -> int:
        """The place that `rewind` goes back to."""
        return len(self._undo)

    def rewind(self, mark: int) -> None:
        """Undo what was done since `mark`."""
        while len(self._undo) > mark:
            self._undo.pop()()

    def publish(self) -> None:
        """Show everybody the heads, which were settled and committed."""
        heads, self._heads = self._heads, {}
        self._undo.clear()
        for name, head in heads.items():
            self._broken.pop(name, None)
            if head.view is not None:
                self.serve(head.view)
            else:
                self._views.pop(name, None)
                self._tell(name, None)

    def _head(self, name: str) -> Head:
        if (head := self._heads.get(name)) is not None:
            return head
        view = self._views.get(name)
        head = Head(view=view, stored=0 if view is None else view.sequence)
        self._heads[name] = head

        def forget() -> None:
            del self._heads[name]
            # Changes that were undone may have been written into what it shares.
            if head.view is not None:
                self._views[name] = head.view

        self._undo.append(forget)
        return head

    def _fold_in(self, transaction: Transaction, head: Head) -> None:
        """Log the upserts that are queued, and apply them."""
        if not (queued := head.queued):
            return
        before = head.view
        assert before is not None, "a removed index gets no upserts"
        log_packed(
            transaction,
            before,
            enumerate((packed for _, packed in queued), start=before.sequence + 1),
        )
        self._undo.append(lambda: self._go_back(head, before, queued))
        head.queued = []
        head.view = applied_upserts([upsert for upsert, _ in queued], before)

    def _go_back(
        self,
        head: Head,
        view: View | None,
        queued: list[tuple[Change, PackedChange]],
    ) -> None:
        """Put a view back, with look-up tables that no undone change was written to."""
        if view is not None:
            view = replace(view, delta=view.delta.detached())
        head.view, head.queued = view, queued

    def _found(self, view: View | None, name: str) -> View:
        if view is not None:
            return view
        if (left := self._broken.get(name)) is not None:
            raise left.kind(left.reason)
        if name in self._in_shards:
            raise refuse(name)
        raise UnknownIndexError(f"there is no index {name[:80]!r}")


def _shorten(queued: list[tuple[Change, PackedChange]]) -> None:
    queued.pop()


def _nobody(_name: str, _serving: bool | None) -> None:
    """The default watcher: does nothing."""
