"""`VersionWriter`: writes a version in a process apart, from the state of an index."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from gleann.index import BuildParams, Progress
from gleann.index.errors import UnknownIndexError
from gleann.service.jobs.building import LiveRows, live_payload
from gleann.service.optimizer.process import perform_apart
from gleann.service.optimizer.worker import Inputs, Spec
from gleann.service.optimizer_params import CompactionKind
from gleann.service.state.database import disk_errors
from gleann.service.state.disk_room import require_room
from gleann.service.state.permissions import PRIVATE
from gleann.service.state.registry import Registry
from gleann.service.views.live_index import View

BYTES_A_NUMBER = 5
"""On disk: float32, and its code."""

BYTES_A_ROW = 64
"""About what its ids and entries of lists take."""


class VersionWriter:
    """Writes versions of indexes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def write(
        self,
        view: View,
        directory: Path,
        *,
        kind: CompactionKind,
        params: BuildParams,
        threads: int,
        progress: Callable[[Progress], None],
    ) -> None:
        """Write a version to `directory`, from inputs in a folder beside it.

        Args:
            view: the state that it has, with at least one live row.
            directory: to be made.
            kind: whether newer rows go into the lists there are.
            params: of a build.
            threads: worker threads.
            progress: called with news; what it raises stops the process.

        Raises:
            StorageError: the disk has no room for it.
            UnknownIndexError: the index was deleted meanwhile.
            and what `perform_apart` raises.
        """
        # Named as the directory is: both are removed by a start after a crash.
        folder = directory.with_name(f"{directory.name}-inputs")

        def heard(news: Progress) -> None:
            if self._registry.view(view.name).number != view.number:
                raise UnknownIndexError(f"{view.name!r} was deleted meanwhile")
            progress(news)

        try:
            with disk_errors(folder):
                _require_room(view, directory.parent)
                folder.mkdir(mode=PRIVATE)
                inputs = Inputs(folder)
                all_payload = _fill(inputs, view)
            old = None if view.sealed is None else self._registry.version_path(view)
            spec = Spec(
                kind=kind,
                old=None if old is None else str(old),
                into=str(directory),
                params=asdict(params),
                threads=threads,
                schema=view.schema.to_json(),
                payload="all" if all_payload else "newer",
            )
            with disk_errors(folder):
                inputs.write_spec(spec)
            perform_apart(inputs, heard, threads=threads)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _fill(inputs: Inputs, view: View) -> bool:
    """Write the rows and the payload; whether the payload is that of all rows."""
    if view.alive is not None:
        inputs.write_keep(view.alive.mask)
    newer = np.flatnonzero(view.delta.alive) + view.sealed_rows
    if len(newer):
        ids = view.ids_at(newer)
        inputs.write_newer(LiveRows(view, newer, ids), ids)
    held = None if view.sealed is None else view.sealed.index.payload
    all_rows = view.payload.has_changes or held is None
    rows = view.live_rows() if all_rows else newer
    inputs.write_payload(live_payload(view, rows), view.schema)
    return all_rows


def _require_room(view: View, directory: Path) -> None:
    """Refuse a version that could fill the disk, which changes need too.

    Raises:
        StorageError: with both numbers.
    """
    whole = view.count * (BYTES_A_NUMBER * view.dim + BYTES_A_ROW)
    needed = whole + view.delta.count * (4 * view.dim + BYTES_A_ROW)
    require_room(directory, needed=needed, what=f"a new version of {view.name!r}")
