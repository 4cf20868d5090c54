"""The vectors of an index as a curation job sees them: one library index of live rows.

The library works on an index without newer or removed rows. A view that has some is
folded into one in a scratch directory, in the lists there are; so no method answers
from an old state or a part of the rows.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import HeldIds, Rows
from gleann.index.build.arrange import resolve_nlist
from gleann.index.filters.condition import Condition
from gleann.index.nouns import number_of
from gleann.index.progress import Report
from gleann.service.devices.devices import Devices
from gleann.service.jobs.rows_on_disk import write_index_of
from gleann.service.state.disk_room import require_room
from gleann.service.views.live_index import View, require_not_empty
from gleann.service.views.passing import condition_as_json, passing_rows

if TYPE_CHECKING:
    from gleann.selection.among import Among

BYTES_A_NUMBER = 5
"""On disk: float32, and its code."""

BYTES_A_ROW = 64
"""About what its ids and entries of lists take."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """The live vectors of an index, and those of them that take part.

    Attributes:
        view: the state of the index.
        index: all live vectors, in the order of `rows`; their payload is in the view.
        rows: int64 (n,), their rows in the view: sealed ones first, then newer ones in
            the order in which they were stored.
        among: the rows of `index` that pass the filter, with the filter for the
            provenance; None for all.
    """

    view: View
    index: SoarIndex
    rows: Rows
    among: "Among | None"

    @property
    def ids(self) -> HeldIds:
        """(n,) the ids of all live vectors."""
        return self.index.held_ids

    def __len__(self) -> int:
        return len(self.rows)


def lists_of(view: View) -> int:
    """Lists that an index of the live vectors has, if `opened` makes one."""
    sealed, count = view.sealed, view.count
    if sealed is not None and count >= sealed.index.nlist:
        return sealed.index.nlist
    return resolve_nlist(BuildParams(metric=view.metric), count)


def opened(
    view: View,
    condition: Condition | None,
    *,
    scratch: Path,
    devices: Devices,
    threads: int,
    progress: Report,
) -> Pool:
    """The vectors of a view, as an index of the library.

    Args:
        view: the state of the index.
        condition: which vectors take part; None for all.
        scratch: a directory to write into, which must stay while the index is in use.
        devices: where newer vectors are assigned to lists.
        threads: worker threads; 0 takes every core.
        progress: called as the vectors are written, if they are.

    Raises:
        NotReadyError: the index is empty.
        InvalidFilterError: the condition does not fit the columns.
        InvalidInputError: no vector passes.
        StorageError: the disk has no room for a copy of the vectors.
    """
    from gleann.selection.among import Among

    require_not_empty(view)
    passing = None if condition is None else passing_rows(view, condition)
    rows = view.live_rows()
    sealed = view.sealed
    if sealed is not None and len(rows) == len(sealed) and not view.delta.count:
        index = sealed.index
    else:
        needed = view.count * (BYTES_A_NUMBER * view.dim + BYTES_A_ROW)
        what = f"a copy of the {number_of(view.count, 'vectors')} of {view.name!r}"
        require_room(scratch, needed=needed, what=what)
        folder = scratch / f"index-{view.number}"
        write_index_of(
            view,
            rows,
            folder,
            anew=BuildParams(metric=view.metric, tune_queries=0),
            devices=devices,
            threads=threads,
            progress=progress,
        )
        index = SoarIndex.load(folder, threads=threads)
    among = None
    if condition is not None and passing is not None:
        by = condition_as_json(condition)
        among = Among(rows=np.searchsorted(rows, passing), n=len(rows), by=by)
    return Pool(view=view, index=index, rows=rows, among=among)
