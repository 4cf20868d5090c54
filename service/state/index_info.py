"""`IndexInfo` of a view: the description for clients."""

from datetime import UTC, datetime
from sqlite3 import Row

from gleann.index import SoarIndex
from gleann.service.state.etag import etag_of
from gleann.service.values import IndexInfo, MemoryPart
from gleann.service.views.live_index import View
from gleann.service.views.sharded_view import ShardedView


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


def shards_info(view: ShardedView) -> IndexInfo:
    """Describe an index in shards."""
    index = view.index
    made = datetime.fromtimestamp(view.created, UTC)
    return IndexInfo(
        name=view.name,
        dim=view.dim,
        metric=view.metric,
        id_type=view.id_type,
        count=view.count,
        pending=0,
        version=view.state.sealed,
        sequence=view.state.sequence,
        nlist=index.nlist,
        spill=index.params.spill,
        engine=index.engine_name,
        created_at=made,
        built_at=made,
        columns=view.schema.columns,
        keep=index.params.keep,
        entry_codes=index.params.entry_codes,
        projection=index.params.projection,
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
