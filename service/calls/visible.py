"""Pages of what a caller may see."""

from collections.abc import Callable, Iterable
from sqlite3 import Row

from gleann.service.calls.caller import Right
from gleann.service.calls.context import current_call

ROWS_AT_ONCE = 200
"""Rows of a table that are read at once."""

_SNAPSHOTS = "snapshots/"


def visible_rows(
    read: Callable[[int, int], list[Row]], *, after: int, limit: int
) -> list[Row]:
    """The first rows that the caller of the current call may see.

    Args:
        read: rows with numbers above its first argument, at most as many as its second
            one, by number; with the columns number, index_name and owner.
        after: number after which to begin.
        limit: most rows to return.
    """
    found: list[Row] = []
    while len(found) < limit:
        rows = read(after, max(limit, ROWS_AT_ONCE))
        if not rows:
            break
        found += [row for row in rows if may_see(row["owner"], row["index_name"])]
        after = rows[-1]["number"]
    return found[:limit]


def may_read(index: str) -> bool:
    """Whether the caller of the current call may read an index."""
    return current_call().caller.may(Right.READ, index)


def readable(indexes: Iterable[str]) -> list[str]:
    """Those indexes that the caller of the current call may read."""
    return [index for index in indexes if may_read(index)]


def index_of(index_name: str) -> str:
    """The index of an operation, whose index_name may be that of a snapshot.

    A snapshot is "snapshots/words-3f2a9c418d20", where "words" is the index.
    """
    if not index_name.startswith(_SNAPSHOTS):
        return index_name
    return index_name.removeprefix(_SNAPSHOTS).rpartition("-")[0]


def may_see(owner: str, index_name: str) -> bool:
    """Whether the caller of the current call may see what belongs to an owner.

    Args:
        owner: name of the key that made it.
        index_name: its index, or snapshot.
    """
    caller, index = current_call().caller, index_of(index_name)
    return caller.may(Right.READ, index) and caller.owns(owner, index)
