"""What a saved session must be resumed with: its format, its data and its ids."""

from hashlib import sha256
from typing import Any

import numpy as np

from gleann.index.arrays import Ids
from gleann.index.errors import CorruptDataError


def ids_hash(ids: Ids) -> str:
    """SHA-256 of the ids in row order, the same however wide their strings are kept."""
    if ids.dtype.kind in "iu":
        return sha256(np.ascontiguousarray(ids, "<i8").tobytes()).hexdigest()
    names = np.asarray(ids, np.str_)
    width = max(1, int(np.char.str_len(names).max()))
    return sha256(names.astype(f"<U{width}").tobytes()).hexdigest()


def check_format(state: dict[str, Any], *, expected: str) -> None:
    """Refuse what is no state of ours.

    Raises:
        CorruptDataError: another format.
    """
    if state.get("format") != expected:
        raise CorruptDataError(
            f"expected a state of format {expected}, got {state.get('format')!r}"
        )


def check_origin(
    state: dict[str, Any], *, data: str, data_hash: str, ids_hash: str
) -> None:
    """Refuse to go on over other rows than those the session began with.

    Args:
        state: of a session.
        data: what the session looks at, for the message: "vectors" or "proxies".
        data_hash: of what is there now.
        ids_hash: likewise.

    Raises:
        CorruptDataError: other data, or other ids.
    """
    for noun, was, now in (
        (data, state["data_hash"], data_hash),
        ("ids", state["ids_hash"], ids_hash),
    ):
        if was != now:
            raise CorruptDataError(
                f"the state is of {noun} {was[:12]}, these are {now[:12]}"
            )
