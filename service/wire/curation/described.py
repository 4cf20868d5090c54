"""Conversion of the description of a stored curation."""

import json

from gleann.service.values import CurationInfo, IndexVersion, TableInfo
from gleann.service.wire.fields import time_of
from gleann.v1 import curation_pb2


def curation_info_of(message: curation_pb2.Curation) -> CurationInfo:
    """Read the description of a stored curation."""
    return CurationInfo(
        name=message.name,
        index=message.index,
        version=IndexVersion(
            sealed=message.version.sealed, sequence=message.version.sequence
        ),
        method=message.method,
        summary=json.loads(message.summary_json),
        provenance=json.loads(message.provenance_json),
        tables={table.name: _table_info(table) for table in message.tables},
        created_at=time_of(message.create_time),
        other_indexes=tuple(message.other_indexes),
        deleted_indexes=tuple(message.deleted_indexes),
    )


def _table_info(message: curation_pb2.CurationTable) -> TableInfo:
    return TableInfo(
        rows=message.rows,
        columns={column.name: column.type for column in message.columns},
        size_bytes=message.size_bytes,
    )
