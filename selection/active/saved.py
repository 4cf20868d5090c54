"""A session on disk: its format, and what it must be resumed with."""

from hashlib import sha256
from typing import Any

import numpy as np

from gleann.index.arrays import Ids
from gleann.index.errors import CorruptDataError

FORMAT = "gleann.active/2"


def ids_hash(ids: Ids) -> str:
    """SHA-256 of the ids in row order, the same however wide their strings are kept."""
    if ids.dtype.kind in "iu":
        return sha256(np.ascontiguousarray(ids, "<i8").tobytes()).hexdigest()
    names = np.asarray(ids, np.str_)
    width = max(1, int(np.char.str_len(names).max()))
    return sha256(names.astype(f"<U{width}").tobytes()).hexdigest()


def check_format(state: dict[str, Any]) -> None:
    """Refuse what is no state of ours.

    Raises:
        CorruptDataError: another format.
    """
    if state.get("format") != FORMAT:
        raise CorruptDataError(
            f"expected a state of format {FORMAT}, got {state.get('format')!r}"
        )


def check_origin(state: dict[str, Any], *, data_hash: str, ids_hash: str) -> None:
    """Refuse to go on over other rows than those the session began with.

    Raises:
        CorruptDataError: other vectors, or other ids.
    """
    for noun, was, now in (
        ("vectors", state["data_hash"], data_hash),
        ("ids", state["ids_hash"], ids_hash),
    ):
        if was != now:
            raise CorruptDataError(
                f"the state is of {noun} {was[:12]}, these are {now[:12]}"
            )
