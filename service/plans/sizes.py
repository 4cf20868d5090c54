"""Bytes that an index has on disk, by what becomes of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gleann.index.storage.manifest import PAYLOAD_FILE
from gleann.service.state.registry import Registry
from gleann.service.state.store import Store
from gleann.service.views.live_index import View

INT64_BYTES = 8
OFFSET_BYTES = 8
"""Of each text in a file of texts."""
SAMPLED_IDS = 1000

_LOGGED = """
SELECT COALESCE(SUM(LENGTH(ids) + COALESCE(LENGTH(vectors), 0)
    + COALESCE(LENGTH(payload), 0)), 0) AS bytes,
    COALESCE(SUM(LENGTH(payload)), 0) AS payload
FROM changes WHERE index_number = ? AND sequence IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSizes:
    """Sizes of an index.

    Attributes:
        id_bytes: of an id, on average.
        payload_bytes: payload of its live rows, about.
        version_bytes: files of the sealed version that go with it; 0 where a session
            keeps them.
        log_bytes: logged changes, which go when they are sealed.
    """

    id_bytes: float
    payload_bytes: int
    version_bytes: int
    log_bytes: int


def sizes_of(view: View, registry: Registry, store: Store) -> IndexSizes:
    """The sizes of an index in the state `view`."""
    logged = store.row(_LOGGED, view.number)
    assert logged is not None
    files = _files_of(registry.version_path(view)) if view.version else {}
    sealed = files.get(PAYLOAD_FILE, 0)
    if view.sealed_rows:
        sealed = round(sealed * view.sealed_count / view.sealed_rows)
    return IndexSizes(
        id_bytes=id_bytes_of(view),
        payload_bytes=sealed + logged["payload"],
        version_bytes=0 if _is_pinned(view, store) else sum(files.values()),
        log_bytes=logged["bytes"],
    )


def _files_of(folder: Path) -> dict[str, int]:
    """The sizes of the files below a folder, by name."""
    return {
        path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()
    }


def _is_pinned(view: View, store: Store) -> bool:
    sql = "SELECT 1 FROM sessions WHERE index_number = ? AND version = ? LIMIT 1"
    return store.row(sql, view.number, view.version) is not None


def id_bytes_of(view: View) -> float:
    """Bytes of an id of a view, on average."""
    if view.id_type != "string":
        return INT64_BYTES
    live = view.live_rows()
    some = live[np.linspace(0, len(live) - 1, min(SAMPLED_IDS, len(live))).astype(int)]
    return OFFSET_BYTES + view.id_bytes_at(some) / max(1, len(some))
