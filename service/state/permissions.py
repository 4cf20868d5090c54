"""File permissions of a data directory: its owner only."""

import logging
import stat
from pathlib import Path

from gleann.service.state.database import NAME

PRIVATE = 0o700
"""The mode of a directory that gleann makes."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO
OURS = (f"{NAME}*", "indexes", "lost", "acknowledged*", "lock")
"""What gleann makes in a data directory, and so may close to others."""

_log = logging.getLogger(__name__)


def keep_private(directory: Path) -> None:
    """Close what gleann made in a data directory to other users, and say so.

    The directory itself stays as its owner made it: it may hold other things. What
    cannot be changed, as it belongs to somebody else, is told.
    """
    for path in sorted(path for name in OURS for path in directory.glob(name)):
        mode = path.stat().st_mode
        if not mode & OTHERS:
            continue
        try:
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)
        except OSError as error:
            _log.warning("others can read %s: %s", path, error.strerror)
