"""Etags: whether what is declared of an index is still what a caller has read."""

from hashlib import blake2b
from sqlite3 import Row
from struct import pack

from gleann.index.errors import ConflictError

_BYTES = 8


def etag_of(row: Row) -> str:
    """The etag of a row of the table `indexes`.

    It is another one for an index that was made anew, and after a change of the columns
    or of when it is compacted; changes of vectors do not matter.
    """
    digest = blake2b(pack("<q", row["number"]), digest_size=_BYTES)
    for column in ("columns", "optimizer"):
        text = row[column].encode()
        digest.update(pack("<q", len(text)) + text)
    return digest.hexdigest()


def require_etag(row: Row, etag: str, *, name: str) -> None:
    """Refuse a change of an index that is not as its caller has read it.

    Args:
        row: of the table `indexes`.
        etag: that was read; "" passes always.
        name: of the index.

    Raises:
        ConflictError: with both etags.
    """
    if etag and etag != (now := etag_of(row)):
        raise ConflictError(
            f"{name!r} has the etag {now}, not {etag[:80]!r}: it was changed since it"
            " was read, so read it again"
        )
