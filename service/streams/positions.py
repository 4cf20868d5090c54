"""How far the streams of upserts have come, and which call each of them has."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gleann.index.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidParamsError,
    UnknownIndexError,
)
from gleann.service import steady_clock
from gleann.service.state.commits.group import Transaction
from gleann.service.state.store import Store

MAX_LENGTH = 256
"""Characters of a stream_id, as of a request_id."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a stream has come.

    Attributes:
        sequence: of the last batch that is answered; 0 for none.
        count: vectors stored up to it.
    """

    sequence: int = 0
    count: int = 0


@dataclass(slots=True, eq=False)
class Claim:
    """The right of one call to store batches of a stream.

    Attributes:
        owner: name of the key that calls; "" where there are no keys.
        stream_id: of the stream; "" for one that cannot be resumed.
        index: name of the index.
        number: of the index; one made later under the same name has another.
    """

    owner: str
    stream_id: str
    index: str
    number: int


class Positions:
    """The positions of all streams, in the table `streams`.

    A stream has one call at a time, the newest: the older one may be of a connection
    that broke, which the server learns a minute later. Transactions run one after the
    other, so that an older call can store nothing once the newer has its position.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._claims: dict[tuple[str, str], Claim] = {}

    @property
    def claimed(self) -> int:
        """Number of streams that a call has."""
        return len(self._claims)

    def take(self, claim: Claim) -> Position:
        """Give a stream to a call, in place of an older one; return its position.

        Raises:
            InvalidParamsError: a stream_id that is too long, or has a NUL character.
            AlreadyExistsError: it belongs to a stream into another index.
            CorruptDataError: the position is damaged.
        """
        if not claim.stream_id:
            return Position()
        _require_id(claim.stream_id)
        with self._store.transaction():
            row = self._store.row(
                "SELECT * FROM streams WHERE owner = ? AND stream_id = ?",
                claim.owner,
                claim.stream_id,
            )
            if row is not None:
                self._store.require_whole("streams", claim.stream_id)
                if row["index_number"] != claim.number:
                    raise AlreadyExistsError(
                        f"stream_id {claim.stream_id[:80]!r} was used for another index"
                    )
            self._claims[claim.owner, claim.stream_id] = claim
        return Position() if row is None else Position(row["sequence"], row["count"])

    @contextmanager
    def changing(self, claim: Claim) -> Iterator[Transaction]:
        """A transaction that stores batches of a stream.

        Raises:
            ConflictError: a newer call has the stream.
            UnknownIndexError: the index was deleted since the start.
            and those of `Store.transaction`.
        """
        with self._store.transaction() as transaction:
            held = self._claims.get((claim.owner, claim.stream_id))
            if claim.stream_id and held is not claim:
                raise ConflictError(
                    f"the stream {claim.stream_id[:80]!r} goes on in a newer call"
                )
            found = transaction.run(
                "SELECT 1 FROM indexes WHERE number = ?", claim.number
            )
            if found.fetchone() is None:
                raise UnknownIndexError(
                    f"the index {claim.index[:80]!r} was deleted during the stream"
                )
            yield transaction

    def keep(self, transaction: Transaction, claim: Claim, position: Position) -> None:
        """Record a position, in the transaction that stores the batches up to it."""
        if claim.stream_id:
            transaction.run(
                "INSERT INTO streams (owner, stream_id, index_number, sequence, count,"
                " updated) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " sequence = excluded.sequence, count = excluded.count,"
                " updated = excluded.updated",
                claim.owner,
                claim.stream_id,
                claim.number,
                position.sequence,
                position.count,
                steady_clock.now(),
            )

    def leave(self, claim: Claim) -> None:
        """End a claim, if the call still has it."""
        key = (claim.owner, claim.stream_id)
        if self._claims.get(key) is claim:
            self._claims.pop(key, None)


def _require_id(stream_id: str) -> None:
    if len(stream_id) > MAX_LENGTH:
        raise InvalidParamsError(
            f"stream_id has {len(stream_id)} characters, at most {MAX_LENGTH} are kept"
        )
    if "\0" in stream_id:
        raise InvalidParamsError("stream_id has a NUL character")
