"""Load the indexes of a data directory, each from its row, its version and the log."""

import logging
from contextlib import suppress
from sqlite3 import Row

from gleann.index.errors import CorruptDataError, GleannError
from gleann.index.payload.schema import Schema
from gleann.service.state.damage.broken_index import Broken, broken
from gleann.service.state.log import changes
from gleann.service.state.seal import (
    Seal,
    read_seal,
    require_sealed,
    seal_of,
    write_seal,
)
from gleann.service.state.store import Store
from gleann.service.state.versions import Versions
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import Sealed, View
from gleann.service.views.live_payload import LivePayload
from gleann.service.views.masks import MaskCache

_log = logging.getLogger(__name__)


class Loading:
    """Loads views of indexes; those of one process share the cache of masks."""

    def __init__(self, store: Store, versions: Versions) -> None:
        self._store = store
        self._versions = versions
        self.masks = MaskCache()

    def loaded(self, row: Row) -> View | Broken:
        """The view of the index in a row of the table `indexes`, or why there is none.

        An index that cannot be loaded does not affect the others.
        """
        try:
            return self._load(row)
        except Exception as error:  # noqa: BLE001  the edge: one index is not all
            if not isinstance(error, GleannError):
                _log.exception("index %r was not loaded", row["name"])
            is_damaged = row["number"] in self._store.damaged("indexes")
            left = broken(row, self._seal(row) if is_damaged else None, error)
            _log.error("%s", left.reason)
            return left

    def _load(self, row: Row) -> View:
        number, version = row["number"], row["version"]
        self._store.require_whole("indexes", number)
        if version:
            require_sealed(self._versions.path(number, version), row)
        sealed = None
        if version and not self._versions.is_empty(number, version):
            sealed = Sealed(self._versions.serve(number, version), self.masks)
        view = changes.replayed(self._store, self.base(row, sealed))
        if (stored := schema_of(row)) != view.schema:
            raise CorruptDataError(
                f"{view.name!r} has {stored.described()} in the database, but its log"
                f" leaves it with this: {view.schema.described()}"
            )
        if version and self._seal(row) is None:
            self._seal_anew(row)
        return view

    def base(self, row: Row, sealed: Sealed | None) -> View:
        """The view of an index's sealed version, or of none, before later changes.

        Raises:
            CorruptDataError: its columns are not those that the row says.
        """
        payload = LivePayload(schema=schema_of(row, "sealed_columns"), masks=self.masks)
        if sealed is not None:
            require_columns(sealed, payload.schema)
            payload = sealed.payload
        return View(
            number=row["number"],
            name=row["name"],
            dim=row["dim"],
            metric=row["metric"],
            delta=Delta(row["dim"]),
            version=row["version"],
            sequence=row["sealed_sequence"],
            sealed=sealed,
            payload=payload,
        )

    def _seal(self, row: Row) -> Seal | None:
        """The newest readable seal of an index's versions."""
        number = row["number"]
        for _, path in reversed(self._versions.numbered(number)):
            with suppress(GleannError):
                if (seal := read_seal(path)) is not None and seal.number == number:
                    return seal
        return None

    def _seal_anew(self, row: Row) -> None:
        """Write a seal for a version of an older gleann."""
        version, sequence = row["version"], row["sealed_sequence"]
        path = self._versions.path(row["number"], version)
        try:
            write_seal(path, seal_of(row, version=version, sequence=sequence))
        except OSError as error:
            _log.warning("%s could not be sealed: %s", path, error.strerror)


def schema_of(row: Row, column: str = "columns") -> Schema:
    """The columns of payload that a row of the table `indexes` describes."""
    return Schema.from_json(row[column])


def require_columns(sealed: Sealed, schema: Schema) -> None:
    """Refuse a sealed version with other columns of payload than it should have.

    Raises:
        CorruptDataError: naming both.
    """
    if (found := sealed.payload.schema) != schema:
        raise CorruptDataError(
            f"a sealed version should have payload of {len(schema)} columns"
            f" ({schema.described()}), but has others ({found.described()})"
        )
