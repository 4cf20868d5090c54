"""New indexes of which all is there at once, such as those of snapshots."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from gleann.index import SoarIndex
from gleann.index.errors import (
    AlreadyExistsError,
    CorruptDataError,
    OutcomeUnknownError,
)
from gleann.index.params import Metric
from gleann.index.payload.schema import Schema
from gleann.service.state.group import Transaction
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
    """Makes indexes that are there whole, or not at all."""

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
        with self._reserved(name) as number:
            if adopted.save is None:
                return self._publish(name, number, adopted, None, published)
            seal = Seal(
                number=number,
                name=name,
                dim=adopted.dim,
                metric=adopted.metric,
                id_type=adopted.id_type,
                version=FIRST_VERSION,
                sequence=0,
                created=time.time(),
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
                return self._publish(name, number, adopted, sealed, published)

    @contextmanager
    def _reserved(self, name: str) -> Iterator[int]:
        """A number for a new index, whose files are removed if the block fails.

        Until the index is there, they are those of a deleted one: so a start after a
        crash removes them. They stay where it is unknown whether the index is there.
        """
        with self._store.transaction() as transaction:
            self._require_free(name)
            number = transaction.run(
                "INSERT INTO indexes (name, dim, metric, created) VALUES (?, 1, '', 0)",
                f".{token_hex(16)}",
            ).lastrowid
            assert number is not None, "the row was inserted"
            transaction.run("DELETE FROM indexes WHERE number = ?", number)
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
        row = self._store.row("SELECT 1 FROM indexes WHERE number = ?", number)
        if row is not None:
            return  # it was published after all
        self._versions.forget(number)
        self._store.give_back_space_soon()

    def _publish(
        self,
        name: str,
        number: int,
        adopted: Adopted,
        sealed: Sealed | None,
        published: Callable[[View], None],
    ) -> View:
        with self._store.long_transaction() as transaction:
            self._require_free(name)
            self._insert(transaction, name, number, adopted, sealed)
            view = self._base(name, number, adopted, sealed)
            for change in adopted.changes(view):
                sequence = view.sequence + 1
                changes.log_change(transaction, view, change, sequence=sequence)
                view = change.applied(view, sequence=sequence)
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

    def _insert(
        self,
        transaction: Transaction,
        name: str,
        number: int,
        adopted: Adopted,
        sealed: Sealed | None,
    ) -> None:
        now = time.time()
        transaction.run("DELETE FROM deleted WHERE number = ?", number)
        transaction.run(
            "INSERT INTO indexes (number, name, dim, metric, id_type, version, created,"
            " built, columns, sealed_columns, optimizer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            number,
            name,
            adopted.dim,
            adopted.metric,
            adopted.id_type,
            0 if sealed is None else FIRST_VERSION,
            now,
            None if sealed is None else now,
            adopted.columns,
            adopted.sealed_columns,
            adopted.optimizer,
        )

    def _require_free(self, name: str) -> None:
        if self._served.is_taken(name):
            raise AlreadyExistsError(f"there is an index {name!r} already")


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
