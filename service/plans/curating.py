"""The plan of a curation job."""

from gleann.index import BuildParams
from gleann.index.build.forecast import Forecast, forecast_build, forecast_fold
from gleann.index.nouns import counted
from gleann.service.jobs.curation.work import Asked
from gleann.service.plans.curations import PLANNED
from gleann.service.plans.machine import nominal_second
from gleann.service.plans.sizes import id_bytes_of
from gleann.service.values import Plan
from gleann.service.views.live_index import View

STORE_SECONDS = 0.02
"""Nominal seconds to begin, and to make the files of an answer durable."""
STORED_BYTES = 12_000
"""Of the description, the manifest, and the heads of the tables."""


def curation_plan(asked: Asked, *, cores: int) -> Plan:
    """What a request would take that was checked.

    Args:
        asked: the request, and the state of its index.
        cores: of the server.
    """
    planned = PLANNED[asked.method](asked)
    copied = [view for view in planned.opened if not _is_whole(view)]
    copies = [_copy(view, cores=cores) for view in copied]
    work = planned.forecast
    seconds = work.seconds(cores) + sum(copy.seconds for copy in copies)
    # The request stays with the job; the log of the database has it for a while too.
    stored = work.stored_bytes + STORED_BYTES + asked.message.ByteSize()
    steps = [
        f"It writes the {counted(view.count, 'vectors')} of {view.name!r} to a folder"
        " that is removed at the end, as some are newer or removed since the last"
        " build."
        for view in copied
    ]
    return Plan(
        rows=planned.rows,
        seconds=(seconds + STORE_SECONDS) * nominal_second(),
        memory_bytes=max([work.memory_bytes, *(one.memory_bytes for one in copies)]),
        disk_bytes=stored + sum(copy.file_bytes for copy in copies),
        disk_bytes_after=stored,
        steps=(*steps, *planned.steps),
    )


def _is_whole(view: View) -> bool:
    """Whether a sealed index has all live vectors, and no other; as `pool.opened`."""
    sealed = view.sealed
    return sealed is not None and view.count == len(sealed) and not view.delta.count


def _copy(view: View, *, cores: int) -> Forecast:
    """The library index of all live vectors, as `rows_on_disk.write_index_of`."""
    sealed, n = view.sealed, view.count
    if sealed is None or n < sealed.index.nlist:
        params = BuildParams(metric=view.metric, tune_queries=0)
        return forecast_build(
            n, view.dim, params, id_bytes=id_bytes_of(view), cores=cores
        )
    return forecast_fold(
        n - view.delta.count,
        view.delta.count,
        view.dim,
        nlist=sealed.index.nlist,
        params=sealed.index.params,
        id_bytes=id_bytes_of(view),
    )
