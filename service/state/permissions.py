"""File permissions of a data directory: owner only."""

import logging
import stat
from pathlib import Path

from gleann.index.storage.manifest import sync_dir
from gleann.service.state.database import NAME, disk_errors

PRIVATE = 0o700
"""The mode of a directory that gleann makes."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO
OURS = (
    f"{NAME}*",
    "curations",
    "indexes",
    "snapshots",
    "lost",
    "acknowledged*",
    "lock",
)
"""What gleann makes in a data directory, and so may close to others."""

_log = logging.getLogger(__name__)


def private_folder(path: Path) -> Path:
    """The same directory, made if it is missing.

    Raises:
        StorageError: the disk refused.
    """
    if not path.is_dir():
        with disk_errors(path):
            path.mkdir(mode=PRIVATE, exist_ok=True)
            sync_dir(path.parent)
    return path


def keep_private(directory: Path) -> None:
    """Remove other users' access to gleann's files in a data directory; log changes.

    The mode of the directory itself is kept: it may have other files. Files of another
    owner, whose mode cannot be changed, are logged.
    """
    for path in sorted(path for name in OURS for path in directory.glob(name)):
        mode = path.stat().st_mode
        if not mode & OTHERS:
            continue
        try:
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)
        except OSError as error:
            _log.warning("others can read %s: %s", path, error.strerror)
