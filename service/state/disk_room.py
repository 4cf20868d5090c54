"""Room on a disk, compared before much is written."""

import shutil
from pathlib import Path

from gleann.index.errors import StorageError


def require_room(directory: Path, *, needed: int, what: str) -> None:
    """Refuse what the disk has no room for.

    Args:
        directory: on the disk.
        needed: bytes that are written, about.
        what: is written; the message begins with it.

    Raises:
        StorageError: with both numbers.
    """
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise StorageError(
            f"{what} takes about {needed} bytes in {directory}, where {free} are free"
        )
