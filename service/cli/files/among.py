"""The items that --where lets through, by the payload of an index or of a file."""

from pathlib import Path

import numpy as np

from gleann.index.access.row_access import RowAccess
from gleann.index.arrays import HeldIds, Mask
from gleann.index.data.payload_files import SUFFIXES, PayloadFile
from gleann.index.errors import InvalidInputError
from gleann.index.filters.condition import Condition
from gleann.index.nouns import counted
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.texts import Texts
from gleann.selection.among import Among
from gleann.selection.checks import IdMap
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.options import AmongOptions
from gleann.service.views.passing import condition_as_json


def rows_among(
    job: AmongOptions,
    record: JobRecord | None,
    names: IdMap,
    *,
    index: RowAccess | None = None,
    own: Path | None = None,
) -> Among | None:
    """The items that pass --where; None without it.

    The condition is on the columns of --payload; without that, on those of the index,
    or of the file of the items itself where it is a table.

    Args:
        job: its options.
        record: stores the hash of the payload file; None keeps no record.
        names: ids of all items.
        index: that has the items, or None.
        own: the file of the items, in their order, or None.

    Raises:
        InvalidFilterError: the condition does not fit the columns.
        InvalidInputError: no payload, of other rows, or no item that passes.
    """
    condition = job.condition
    if condition is None:
        if job.payload is not None:
            raise InvalidInputError("--payload is for --where: give that too")
        return None
    mask = _mask(job, condition, record, names, index=index, own=own)
    rows = np.flatnonzero(mask)
    if not len(rows):
        raise InvalidInputError(
            f"0 of {len(names)} items pass --where {condition.where[:200]!r}"
        )
    return Among(rows=rows, n=len(names), by=condition_as_json(condition))


def _mask(
    job: AmongOptions,
    condition: Condition,
    record: JobRecord | None,
    names: IdMap,
    *,
    index: RowAccess | None,
    own: Path | None,
) -> Mask:
    if job.payload is None and index is not None:
        return index.where(condition.where, condition.parameters)
    path = job.payload or own
    if path is None or path.suffix.lower() not in SUFFIXES:
        raise InvalidInputError(
            "--where needs the payload of the items: name a file with --payload"
            f" ({', '.join(SUFFIXES)}), in their order"
        )
    if job.payload is not None and record is not None:
        record.add_file(path)
    return _mask_of_file(path, condition, names.held)


def _mask_of_file(path: Path, condition: Condition, ids: HeldIds) -> Mask:
    """Which items (n,) pass, by a file in their order that is read block by block."""
    file = PayloadFile.open(path)
    schema = file.possible(leave_out=[ID_COLUMN])
    bound = condition.bound(
        schema, id_type="string" if isinstance(ids, Texts) else "int64"
    )
    read = Schema(one for one in schema.columns if one.name in bound.columns)
    if not len(read):
        return bound.mask(Payload.nulls(read, len(ids)), ids)
    parts, first = [np.empty(0, np.bool_)], 0
    for block in file.blocks(read, n=len(ids)):
        parts.append(bound.mask(block, ids[first : first + len(block)]))
        first += len(block)
    return np.concatenate(parts)


def said_of(among: Among | None, n: int, *, what: str = "items") -> str:
    """How many items there are to choose from, in words."""
    if among is None:
        return counted(n, what)
    return f"{counted(len(among), what)} (those of {n:,} that pass --where)"
