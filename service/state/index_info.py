"""`IndexInfo` of a view: the description for clients."""

from datetime import UTC, datetime
from sqlite3 import Row

from gleann.index import SoarIndex
from gleann.service.state.etag import etag_of
from gleann.service.values import IndexInfo, MemoryPart
from gleann.service.views.live_index import View


def index_info(view: View, row: Row) -> IndexInfo:
    """Describe an index by its view and its row of the table `indexes`."""
    sealed = None if view.sealed is None else view.sealed.index
    return IndexInfo(
        name=view.name,
        dim=view.dim,
        metric=view.metric,
        id_type=row["id_type"],
        count=view.count,
        pending=view.delta.count,
        version=view.version,
        sequence=view.sequence,
        nlist=None if sealed is None else sealed.nlist,
        spill=None if sealed is None else sealed.params.spill,
        engine=None if sealed is None else sealed.engine_name,
        data_hash=None if sealed is None else sealed.data_hash,
        created_at=datetime.fromtimestamp(row["created"], UTC),
        built_at=_moment(row["built"]),
        columns=view.schema.columns,
        removed=view.sealed_rows - view.sealed_count,
        keep=None if sealed is None else sealed.params.keep,
        entry_codes=None if sealed is None else sealed.params.entry_codes,
        projection=None if sealed is None else sealed.params.projection,
        memory=() if sealed is None else memory_parts(sealed),
        etag=etag_of(row),
    )


def memory_parts(index: SoarIndex) -> tuple[MemoryPart, ...]:
    """What an index takes, the parts that take anything."""
    return tuple(
        MemoryPart(
            part=name,
            anonymous=part.anonymous,
            mapped=part.mapped,
            on_disk=part.on_disk,
        )
        for name, part in index.memory(pages=False).parts.items()
        if part.anonymous or part.mapped or part.on_disk
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
