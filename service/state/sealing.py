"""Publish sealed versions, and remove those that nobody needs."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from sqlite3 import Row

from gleann.index import SoarIndex
from gleann.index.arrays import HeldIds
from gleann.index.errors import GleannError, OutcomeUnknownError, UnknownIndexError
from gleann.service import steady_clock
from gleann.service.state.commits.group import Transaction
from gleann.service.state.loading import require_columns
from gleann.service.state.log import changes
from gleann.service.state.log.columns import missing_columns, store_columns
from gleann.service.state.seal import seal_of
from gleann.service.state.served import Served
from gleann.service.state.store import Store
from gleann.service.state.versions import Versions
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import Sealed, View
from gleann.service.views.live_payload import LivePayload
from gleann.service.views.masks import MaskCache

_log = logging.getLogger(__name__)


def publish_nothing_else(_: View) -> None:
    """Nothing else is published."""


class Sealing:
    """The sealed versions of all indexes."""

    def __init__(
        self, store: Store, versions: Versions, served: Served, masks: MaskCache
    ) -> None:
        self._store = store
        self._versions = versions
        self._served = served
        self._masks = masks

    def publish(
        self,
        view: View,
        save: Callable[[Path], object],
        *,
        ids: HeldIds | None = None,
        published: Callable[[View], None] = publish_nothing_else,
    ) -> None:
        """Serve the index that `save` builds from `view` and writes to a directory.

        Without rows, it writes what `publish_empty` does, and there is no index.
        Changes newer than `view` stay in the delta. Columns of `view` that the index
        does not have are added to it, as if they had been there at its sequence. One
        transaction publishes the new version; before it, the old one is served and is
        loaded after a restart.

        Args:
            view: the state that the new version replaces.
            save: writes it.
            ids: ids in it that are not in `view`; None for none.
            published: called in that transaction with the state that it publishes.

        Raises:
            InvalidInputError: the index has the other kind of ids, or a column of one
                of these names and another type.
            StorageError: a disk error; the old version is still served.
            UnknownIndexError: the index was deleted meanwhile.
            DeviceMemoryError: it does not fit the required device; likewise.
            DeviceLostError: that device failed.
        """
        version = view.version + 1
        old = None if view.sealed is None else view.sealed.index
        seal = seal_of(
            self.row(view),
            version=version,
            sequence=view.sequence,
            columns=view.schema.to_json(),
        )
        if ids is not None:
            seal = replace(seal, id_type=changes.id_type_of(ids))
        writing = self._versions.published(save, seal=seal, old=old)
        try:
            with writing as index:
                # Most of the changes since, before other writers have to wait.
                base = self._base(view, version, index)
                base = changes.caught_up(self._store, base)
                with self._store.long_transaction() as transaction:
                    if ids is not None:
                        changes.claim_id_type(transaction, view, ids)
                    self._publish(transaction, view, base)
                    published(self._served.latest(transaction, view.name))
        except BaseException as error:
            if not isinstance(error, OutcomeUnknownError):  # a crash may publish it
                self._discard(view.number, version)
            raise
        self.sweep(view.number)
        self._store.give_back_space_soon()

    def _base(self, view: View, version: int, index: SoarIndex | None) -> View:
        """The state of `view` as a new version has it."""
        sealed, payload = None, LivePayload(schema=view.schema, masks=self._masks)
        if index is not None:
            sealed = Sealed(index, self._masks)
            require_columns(sealed, view.schema)
            payload = sealed.payload
        return View(
            number=view.number,
            name=view.name,
            dim=view.dim,
            metric=view.metric,
            delta=Delta(view.dim),
            version=version,
            sequence=view.sequence,
            sealed=sealed,
            payload=payload,
        )

    def _publish(self, transaction: Transaction, view: View, base: View) -> None:
        latest = self._served.latest(transaction, view.name)
        transaction.run(
            "UPDATE indexes SET sequence = ?, version = ?, sealed_sequence = ?,"
            " built = ?, sealed_columns = ? WHERE number = ?",
            latest.sequence,
            base.version,
            view.sequence,
            steady_clock.now(),
            view.schema.to_json(),
            view.number,
        )
        changes.drop_sealed(transaction, view)
        self._served.advance(view.name, lambda: changes.replayed(self._store, base))
        following = self._served.latest(transaction, view.name)
        if following.schema != latest.schema:
            missing_columns(following.schema, latest.schema.columns)  # refuses types
            store_columns(transaction, following)

    def version(self, number: int, version: int) -> SoarIndex:
        """A sealed version by number, also one that is no longer the current one."""
        for view in self._served.views():
            if view.number == number and view.version == version and view.sealed:
                return view.sealed.index
        return self._versions.load(number, version)

    def sweep(self, number: int) -> None:
        """Remove the unneeded versions of an index.

        A broken index keeps all of them: they may be its only remaining data. Errors
        are logged, not raised: the change that made them unneeded is committed.
        """
        if self._store.damaged("sessions"):
            return  # the versions that sessions need are not certain
        try:
            row = self._store.row("SELECT * FROM indexes WHERE number = ?", number)
            if row is not None and self._served.is_served(row["name"]):
                needed = self.needed(row)
                self._versions.drop_older(number, than=row["version"], needed=needed)
        except (GleannError, OSError) as error:
            _log.warning("old versions of index %d were not removed: %s", number, error)

    def _discard(self, number: int, version: int) -> None:
        """Remove a version, unless it was published after all.

        An error here is logged: the one that led here is raised. The next build, or the
        next start, makes up for it.
        """
        try:
            row = self._store.row("SELECT * FROM indexes WHERE number = ?", number)
            if row is None or version not in self.needed(row):
                self._versions.drop(number, version)
        except GleannError as error:
            _log.warning("version %d of index %d is left: %s", version, number, error)

    def needed(self, row: Row) -> set[int]:
        """Versions of an index that are served or that sessions belong to."""
        pinned = self._store.rows(
            "SELECT DISTINCT version FROM sessions WHERE index_number = ?",
            row["number"],
        )
        return {row["version"]} | {session["version"] for session in pinned}

    def row(self, view: View) -> Row:
        """The row of an index in the table `indexes`.

        Raises:
            UnknownIndexError: it was deleted meanwhile.
        """
        row = self._store.row("SELECT * FROM indexes WHERE number = ?", view.number)
        if row is None:
            raise UnknownIndexError(f"there is no index {view.name!r}")
        return row
