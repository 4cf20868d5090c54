"""An index on disk of some rows of a view: in the lists there are, if there are any."""

from pathlib import Path

import numpy as np

from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Rows
from gleann.index.fold import fold_on_disk
from gleann.index.progress import Report
from gleann.service.devices.devices import Devices
from gleann.service.jobs.building import LiveRows, live_payload
from gleann.service.views.live_index import View


def write_index_of(  # noqa: PLR0913 (what, where to, how)
    view: View,
    rows: Rows,
    path: Path,
    *,
    anew: BuildParams,
    devices: Devices,
    threads: int,
    progress: Report,
) -> None:
    """Write an index of live rows of a view, with their payload.

    Args:
        view: the state of an index.
        rows: int64 (n,), live rows, ascending, at least one; they keep their order.
        path: the directory to write.
        anew: parameters where the view has no lists, or more than rows.
        devices: where it is built.
        threads: worker threads; 0 takes every core.
        progress: called as the build goes on.

    Raises:
        StorageError: the disk refused.
    """
    sealed = view.sealed
    if sealed is None or len(rows) < sealed.index.nlist:
        _build(view, rows, path, anew, devices, threads, progress)
        return
    keep = np.zeros(len(sealed), np.bool_)
    keep[rows[rows < len(sealed)]] = True
    newer = rows[rows >= len(sealed)]
    ids = view.ids_at(newer)
    devices.run(
        lambda device: fold_on_disk(
            sealed.index,
            LiveRows(view, newer, ids) if len(newer) else None,
            path,
            ids=ids if len(newer) else None,
            keep=keep,
            payload=live_payload(view, rows),
            schema=view.schema,
            progress=progress,
            threads=threads,
            device=device,
        )
    )


def _build(  # noqa: PLR0913, PLR0917 (as `write_index_of`)
    view: View,
    rows: Rows,
    path: Path,
    params: BuildParams,
    devices: Devices,
    threads: int,
    progress: Report,
) -> None:
    ids = view.ids_at(rows)
    devices.run(
        lambda device: SoarIndex.build_on_disk(
            LiveRows(view, rows, ids),
            path,
            params,
            ids=ids,
            payload=live_payload(view, rows),
            schema=view.schema,
            progress=progress,
            threads=threads,
            device=device,
        )
    )
