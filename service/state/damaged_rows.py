"""Log rows that do not match their checksums when a directory is opened."""

import logging

from gleann.service import steady_clock
from gleann.service.state.damage.checksums import CHECKED
from gleann.service.state.store import Store
from gleann.service.status import status_of

_log = logging.getLogger(__name__)


def tell_damage(store: Store) -> None:
    """Log damaged rows, and mark damaged operations as failed.

    A damaged operation must not run, since its request may have changed. Damaged
    sessions, selections and receipts stay, and access to them is refused.
    """
    for table in CHECKED:
        for key in sorted(store.damaged(table), key=str):
            _log.error("%s", store.mismatch(table, key))
    for name in store.damaged("operations"):
        _end_operation(store, name)


def _end_operation(store: Store, name: int | str) -> None:
    status = status_of(store.mismatch("operations", name))
    with store.transaction() as transaction:
        transaction.run(
            "UPDATE operations SET state = 'failed', error = ?, response = NULL,"
            " attempts = 0, created = ?, started = NULL, ended = ? WHERE name = ?",
            status.SerializeToString(),
            steady_clock.now(),
            steady_clock.now(),
            name,
        )
        transaction.after_commit(lambda: store.mended("operations", name))
