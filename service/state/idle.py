"""That nothing is open on an index which is to be deleted."""

from collections.abc import Iterable

from gleann.index.errors import NotReadyError
from gleann.service.state.commits.group import Transaction


def require_idle(transaction: Transaction, name: str, number: int) -> None:
    """Refuse to delete an index that something is open on.

    Raises:
        NotReadyError: an operation or a session is.
    """
    queries: Iterable[tuple[str, str, int | str]] = (
        (
            "operation",
            # A compaction is nobody's wish: it ends by itself without its index.
            "SELECT name FROM operations WHERE index_name = ?"
            " AND state IN ('queued', 'running', 'paused') AND kind != 'optimize'",
            name,
        ),
        ("session", "SELECT name FROM sessions WHERE index_number = ?", number),
    )
    for what, query, value in queries:
        if open_ones := transaction.run(query, value).fetchall():
            raise NotReadyError(
                f"{name!r} has {len(open_ones)} open {what}s: end"
                f" {open_ones[0]['name']!r} first"
            )
