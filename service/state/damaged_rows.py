"""Log rows that do not match their checksums, when a directory is opened."""

import logging
import time

from gleann.service.state.checksums import CHECKED
from gleann.service.state.store import Store
from gleann.service.status import status_of

_log = logging.getLogger(__name__)


def tell_damage(store: Store) -> None:
    """Log what is damaged, and end the operations among it as failed.

    A damaged operation must not run: its request is not what was asked for. Sessions,
    selections and receipts stay as they are, and are refused when they are asked for.
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
            time.time(),
            time.time(),
            name,
        )
        transaction.after_commit(lambda: store.mended("operations", name))
