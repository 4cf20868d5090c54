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
        return sha256(np.ascontiguousarray(ids, "<i8").data).hexdigest()
    digest = sha256()
    for name in ids.tolist():
        encoded = name.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def check_format(state: dict[str, Any]) -> None:
    """Refuse what is no state of ours.

    Raises:
        CorruptDataError: another format.
    """
    if state.get("format") != FORMAT:
        raise CorruptDataError(
            f"expected a state of format {FORMAT}, got {state.get('format')!r}"
        )


def check_origin(state: dict[str, Any], *, data_hash: str, ids: Ids) -> None:
    """Refuse to go on over other rows than those the session began with.

    Raises:
        CorruptDataError: other vectors, or other ids.
    """
    for what, now in (("data_hash", data_hash), ("ids_hash", ids_hash(ids))):
        if state[what] != now:
            noun = "vectors" if what == "data_hash" else "ids"
            raise CorruptDataError(
                f"the state is of {noun} {state[what][:12]}, these are {now[:12]}"
            )
