"""Numbers of bytes, as people write them."""

import re

from gleann.index.checks import require_integer
from gleann.index.errors import InvalidParamsError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]i?)?b?\s*", re.IGNORECASE)


def bytes_of(size: int | str, *, name: str) -> int:
    """The bytes of a number, or of a text such as "8GB" (10^9) or "512 MiB" (2^20).

    Args:
        size: what was given.
        name: what messages call it.

    Raises:
        InvalidParamsError: it is neither, or below 1.
    """
    if not isinstance(size, str):
        require_integer(name, size, at_least=1)
        return int(size)
    found = _SIZE.fullmatch(size)
    if found is None:
        raise InvalidParamsError(
            f"{name} must be a number of bytes such as 8GB or 512MiB, got {size!r:.40}"
        )
    unit = (found[2] or "").lower()
    count = round(float(found[1]) * (_UNITS | _BINARY)[unit])
    require_integer(name, count, at_least=1)
    return count


def shown_bytes(count: int) -> str:
    """A number of bytes with three digits, such as 8.25 GB."""
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
