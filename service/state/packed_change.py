"""`PackedChange`: a change as a row of the log has it."""

from dataclasses import dataclass
from typing import Literal, get_args

ChangeKind = Literal["upsert", "delete", "update payload", "delete payload", "schema"]
CHANGE_KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedChange:
    """The content of a change, in values of SQLite.

    Attributes:
        kind: what it does.
        ids: a serialised gleann.v1.Ids; without ids for a change of the schema.
        vectors: little-endian float32 rows, of an upsert only.
        detail: JSON; the columns whose values a payload deletion removes, or what a
            change of the schema drops and adds. None for other kinds.
        payload: the bytes of a Payload, or None.
    """

    kind: ChangeKind
    ids: bytes
    vectors: bytes | None = None
    detail: str | None = None
    payload: bytes | None = None
