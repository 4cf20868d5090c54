"""The proxy sums of a session from the index, as bytes in the database."""

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gleann.selection.estimate import TastiSession

MOST_BYTES = 64 << 20
"""Sums of larger sessions, above about two million rows, are not kept: every change of
a session reads its row. They are computed again when the session is resumed."""


def packed(session: "TastiSession") -> bytes | None:
    """What `unpacked` reads; None where there is nothing to keep, or too much."""
    arrays = session.proxy_sums()
    if not arrays or sum(array.nbytes for array in arrays.values()) > MOST_BYTES:
        return None
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpacked(kept: bytes) -> Mapping[str, NDArray[np.generic]]:
    """The arrays of `packed`; none if they cannot be read."""
    try:
        with np.load(BytesIO(kept), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return {}
