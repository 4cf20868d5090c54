"""What an index may be called."""

import re

from gleann.index.errors import InvalidParamsError

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


def require_name(name: str) -> None:
    """Refuse what no index may be called.

    Raises:
        InvalidParamsError: it is not such a name.
    """
    if not NAME.fullmatch(name):
        raise InvalidParamsError(
            f"name must match ^[a-z][a-z0-9-]{{0,62}}$, got {name[:80]!r}"
        )
