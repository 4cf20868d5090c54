"""New indexes of which all is there at once, such as those of snapshots."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from gleann.index import SoarIndex
from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    GleannError,
    OutcomeUnknownError,
)
from gleann.index.params import Metric
from gleann.index.payload.schema import Schema
from gleann.service import steady_clock
from gleann.service.state import orphans
from gleann.service.state.commits.group import Transaction
from gleann.service.state.log import changes
from gleann.service.state.log.change import Change
from gleann.service.state.seal import Seal
from gleann.service.state.served import Served
from gleann.service.state.store import Store
from gleann.service.state.versions import Versions
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import Sealed, View
from gleann.service.views.live_payload import LivePayload
from gleann.service.views.masks import MaskCache

FIRST_VERSION = 1

MOST_PART_BYTES = 1 << 22
"""Bytes of vectors, or of payload, that are logged while other writers wait: some
20 milliseconds."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What a new index is made of.

    Attributes:
        dim: dimensions of a vector.
        metric: the distance it ranks by.
        id_type: kind of its ids; None without vectors.
        columns: JSON of its payload's schema, after `changes`.
        sealed_columns: JSON of the schema of the sealed version's payload.
        optimizer: JSON of the parameters of its compaction.
        save: writes its sealed version to a directory; None for no version.
        changes: the changes after that, given the view of it.
    """

    dim: int
    metric: Metric
    id_type: str | None
    columns: str
    sealed_columns: str
    optimizer: str
    save: Callable[[Path], object] | None
    changes: Callable[[View], Iterator[Change]]


class Adoption:
    """Makes indexes that are there whole, or not at all.

    Until the last transaction, the row of a new index has a name that no index can
    have, and its number is among those of deleted ones: so a start after a crash
    removes it. Its changes are logged under it in transactions of their own, so that
    other writers wait for one part at most.
    """

    def __init__(
        self, store: Store, versions: Versions, served: Served, masks: MaskCache
    ) -> None:
        self._store = store
        self._versions = versions
        self._served = served
        self._masks = masks

    def adopt(
        self, name: str, adopted: Adopted, *, published: Callable[[View], None]
    ) -> View:
        """Make an index, and serve it.

        Args:
            name: a valid name.
            adopted: its content.
            published: called in the transaction that publishes it.

        Raises:
            AlreadyExistsError: the name is taken.
            StorageError: a disk error; nothing is left.
            CorruptDataError: its sealed version cannot be read.
        """
        with self._reserved(name, adopted) as number:
            if adopted.save is None:
                return self._fill(name, number, adopted, None, published)
            seal = Seal(
                number=number,
                name=name,
                dim=adopted.dim,
                metric=adopted.metric,
                id_type=adopted.id_type,
                version=FIRST_VERSION,
                sequence=0,
                created=steady_clock.now(),
                columns=adopted.sealed_columns,
                optimizer=adopted.optimizer,
            )
            writing = self._versions.published(adopted.save, seal=seal, old=None)
            with writing as index:
                if index is None:
                    raise CorruptDataError(
                        f"the sealed version of {name!r} has no rows"
                    )
                _require_fitting(index, adopted)
                sealed = Sealed(index, self._masks)
                return self._fill(name, number, adopted, sealed, published)

    @contextmanager
    def _reserved(self, name: str, adopted: Adopted) -> Iterator[int]:
        """A number for a new index, which is removed if the block fails.

        It stays where it is unknown whether the index was published; the next start
        finds out.
        """
        self._store.disk.require_room()
        with self._store.transaction() as transaction:
            self._require_free(name)
            number = transaction.run(
                "INSERT INTO indexes (name, dim, metric, id_type, created, columns,"
                " sealed_columns, optimizer) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                f"{orphans.UNPUBLISHED}{token_hex(16)}",
                adopted.dim,
                adopted.metric,
                adopted.id_type,
                steady_clock.now(),
                adopted.columns,
                adopted.sealed_columns,
                adopted.optimizer,
            ).lastrowid
            assert number is not None, "the row was inserted"
            transaction.run(
                "INSERT INTO deleted (number, name) VALUES (?, ?)", number, name
            )
        try:
            yield number
        except BaseException as error:
            if not isinstance(error, OutcomeUnknownError):  # a crash may publish it
                self._give_up(number)
            raise

    def _give_up(self, number: int) -> None:
        """Remove an index that was not published; what fails, the next start removes.

        An error here is logged: the one that led here is raised.
        """
        try:
            self._remove(number)
        except GleannError as error:
            _log.warning("index %d is removed at the next start: %s", number, error)

    def _remove(self, number: int) -> None:
        """Remove the changes of an index one by one, then it, unless it is there."""
        if self._store.row("SELECT 1 FROM deleted WHERE number = ?", number) is None:
            return  # it was published after all
        more = True
        while more:
            with self._store.long_transaction() as transaction:
                more = changes.drop_one(transaction, number)
        with self._store.transaction() as transaction:
            transaction.run("DELETE FROM indexes WHERE number = ?", number)
        self._versions.forget(number)
        self._store.give_back_space_soon()

    def _fill(
        self,
        name: str,
        number: int,
        adopted: Adopted,
        sealed: Sealed | None,
        published: Callable[[View], None],
    ) -> View:
        """Log the changes, each part by itself, and publish the index."""
        view = self._base(name, number, adopted, sealed)
        for change in adopted.changes(view):
            sequence = view.sequence + 1
            for part in change.parts(MOST_PART_BYTES):
                packed = part.packed()
                with self._store.long_transaction() as transaction:
                    changes.log_packed(transaction, view, [(sequence, packed)])
            view = change.applied(view, sequence=sequence)
        with self._store.transaction() as transaction:
            self._require_free(name)
            _publish(transaction, view)
            self._served.advance(name, lambda: view)
            published(view)
        return view

    def _base(
        self, name: str, number: int, adopted: Adopted, sealed: Sealed | None
    ) -> View:
        schema = Schema.from_json(adopted.sealed_columns)
        payload = LivePayload(schema=schema, masks=self._masks)
        return View(
            number=number,
            name=name,
            dim=adopted.dim,
            metric=adopted.metric,
            delta=Delta(adopted.dim),
            version=0 if sealed is None else FIRST_VERSION,
            sealed=sealed,
            payload=payload if sealed is None else sealed.payload,
        )

    def _require_free(self, name: str) -> None:
        if self._served.is_taken(name):
            raise AlreadyExistsError(f"there is an index {name!r} already")


def _publish(transaction: Transaction, view: View) -> None:
    """Give an index its name; its log is there."""
    now = steady_clock.now()
    transaction.run("DELETE FROM deleted WHERE number = ?", view.number)
    transaction.run(
        "UPDATE indexes SET name = ?, version = ?, created = ?, built = ?, sequence = ?"
        " WHERE number = ?",
        view.name,
        view.version,
        now,
        None if view.sealed is None else now,
        view.sequence,
        view.number,
    )


def _require_fitting(index: SoarIndex, adopted: Adopted) -> None:
    """Refuse a sealed version that is not what the description says.

    Raises:
        CorruptDataError: naming both.
    """
    kind = changes.id_type_of(index.held_ids)
    found = index.dim, index.metric, kind, index.schema.to_json()
    said = adopted.dim, adopted.metric, adopted.id_type, adopted.sealed_columns
    if found != said:
        raise CorruptDataError(
            f"a sealed version has the dimension, metric, ids and columns {found}, it"
            f" should have {said}"
        )
