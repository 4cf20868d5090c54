"""Memory of this process, as the kernel counts it."""

import re
from collections import Counter
from pathlib import Path

_STATUS = Path("/proc/self/status")
_MAPS = Path("/proc/self/smaps")
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(?P<path>.*)$")
KIBIBYTE = 1024


def resident_bytes() -> tuple[int, int]:
    """Bytes in memory that cannot be dropped (RssAnon), and of files (RssFile).

    Zero where the kernel does not say.
    """
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0, 0
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    anonymous, mapped = (
        int(found.get(name, "0 kB").split()[0]) * KIBIBYTE
        for name in ("RssAnon", "RssFile")
    )
    return anonymous, mapped


def mapped_bytes(directory: Path) -> Counter[Path]:
    """Bytes in memory of the mapped files under a directory, by file."""
    found: Counter[Path] = Counter()
    try:
        lines = _MAPS.read_text(errors="replace").splitlines()
    except OSError:
        return found
    root, path = f"{directory.resolve()}/", ""
    for line in lines:
        if (mapping := _MAPPING.match(line)) is not None:
            path = mapping["path"].removesuffix(" (deleted)")
        elif line.startswith("Rss:") and path.startswith(root):
            found[Path(path)] += int(line.split()[1]) * KIBIBYTE
    return found
