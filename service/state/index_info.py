"""`IndexInfo` of a view: the description for clients."""

from datetime import UTC, datetime
from sqlite3 import Row

from gleann.service.state.etag import etag_of
from gleann.service.values import IndexInfo
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
        etag=etag_of(row),
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
