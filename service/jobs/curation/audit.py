"""Chosen vectors of an index beside as many random ones and the pool."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gleann.index.arrays import HeldIds, Rows
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.ids.checks import hold_distinct, hold_id_array
from gleann.index.ids.held import take_ids, to_numpy
from gleann.index.metric import refuse_zeros
from gleann.index.nouns import number_of
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.tables.tabular import as_json
from gleann.selection.checks import IdMap
from gleann.selection.curation.audit import (
    AuditRequest,
    audit,
    coverage_lines,
    group_lines,
    part_lines,
)
from gleann.selection.curation.audit.tables import Column
from gleann.service.jobs.curation.allocate_labels import ids_in
from gleann.service.jobs.curation.curated import Columns, Curated
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.limits import require_within
from gleann.service.report.measures.groups import groups_of_column
from gleann.service.views.live_index import View
from gleann.service.views.passing import condition_as_json, passing_rows
from gleann.service.wire.arrays import ids_of
from gleann.service.wire.filter_messages import condition_of
from gleann.v1 import audit_pb2, curation_pb2

MEASURED = 3
"""Sets whose coverage is measured: the choice, a random and a stratified one."""

MOST_NUMBERS = 1000
"""Orders and shares of a request: each is a column of the table of sets."""

ROWS, KEPT = "rows", "kept"


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        InvalidParamsError: an order, share or seed out of its range, or the metric ip.
        InvalidInputError: no choice, an empty one, or one of another index; or a
            curation without such a table or column.
        UnknownJobError: no stored selection or curation has this name.
        UnknownIdError: an id that the index does not have.
        UnknownColumnError: there is no such column of payload.
        LimitError: more distances than the limit allows, or more orders or shares than
            `MOST_NUMBERS`.
    """
    message: audit_pb2.AuditChoice = asked.message
    require_within(len(message.orders), MOST_NUMBERS, "orders")
    require_within(len(message.shares), MOST_NUMBERS, "shares")
    if asked.view.metric == "ip":
        raise InvalidParamsError(
            f"an audit needs a true metric, cosine or l2; {asked.view.name!r} has ip"
        )
    chosen = chosen_ids(asked)
    asked.view.require(chosen)
    AuditRequest(chosen=[0], **_options(message))
    asked.view.payload_at(np.empty(0, np.int64), list(message.group_columns))
    count = asked.view.count
    require_within(
        MEASURED * count * len(chosen),
        asked.limits.distances,
        f"distances of {number_of(count, 'vectors')} to {MEASURED} sets of"
        f" {len(chosen)}",
    )


def inspect(asked: Asked) -> None:
    """Refuse what the vectors of the pool show.

    Raises:
        InvalidInputError: no vector passes the filter, or a column that has no groups.
        UnknownIdError: a chosen vector that does not pass.
        ZeroVectorError: a vector of length zero.
    """
    message: audit_pb2.AuditChoice = asked.message
    view, passing, chosen = asked.view, asked.passing, chosen_ids(asked)
    if (asked.places_of(chosen) < 0).any():
        IdMap(view.ids_at(passing), n=len(passing)).rows_of(to_numpy(chosen))
    names = list(message.group_columns)
    payload = view.payload_at(passing, names)
    for name in names:
        values = groups_of_column(payload.column(name).to_pylist())
        Column.of(name, values, n=len(passing))
    if view.metric != "cosine":  # under which no index has one
        _require_lengths(view, passing)


def _require_lengths(view: View, rows: Rows) -> None:
    zeros: list[int] = []
    for block in block_slices(len(rows), max(1, BLOCK_VALUES // view.dim)):
        bare = ~view.vectors_at(rows[block]).any(axis=1)
        zeros += (block.start + np.flatnonzero(bare)).tolist()
    refuse_zeros(zeros, n=len(rows))


def run(work: Work) -> Curated:
    """Measure them."""
    message: audit_pb2.AuditChoice = work.message
    view, condition = work.view, condition_of(work.request)
    rows = passing_rows(view, condition)
    chosen = chosen_ids(work)
    view.require(chosen)
    names = list(message.group_columns)
    payload = view.payload_at(rows, names)
    request = AuditRequest(
        chosen=chosen,
        labels={
            name: groups_of_column(payload.column(name).to_pylist()) for name in names
        },
        metric="cosine" if view.metric == "cosine" else "l2",
        **_options(message),
    )
    found = audit(
        view.vectors_at(rows), request, ids=view.ids_at(rows), progress=work.progress
    )
    sets = found.table()
    tables: dict[str, Columns] = {
        "sets": sets.columns,
        "coverage": coverage_lines(found),
    }
    if names:
        tables |= {"groups": group_lines(found), "parts": part_lines(found)}
    origin = {} if condition is None else condition_as_json(condition)
    among = {"among": {"rows": len(rows), "of": view.count, **origin}} if origin else {}
    return Curated(
        summary={
            "chosen": len(chosen),
            "pool": len(rows),
            "floor": found.floor,
            "vendi": {one.name: as_json(one.vendi) for one in found.sets},
        },
        provenance={**found.provenance, **among},
        tables=tables,
    )


def chosen_ids(asked: Asked) -> HeldIds:
    """The distinct ids (m,) of the choice, in its order.

    Raises:
        InvalidInputError: no choice, an empty one, or one of another index; or a
            curation without such a table or column.
        UnknownJobError: no stored selection or curation has this name.
        DuplicateIdError: an id twice.
    """
    message: audit_pb2.AuditChoice = asked.message
    kind = message.WhichOneof("chosen")
    if kind is None:
        raise InvalidInputError("give one of ids, selection and lines, got none")
    if kind == "ids":
        ids = ids_of(message.ids, name="ids")
    elif kind == "selection":
        _require_index(asked, asked.selections.get(message.selection).index, kind)
        ids = hold_id_array(asked.selections.chosen(message.selection).ids)
    else:
        ids = _ids_of_lines(asked, message.lines)
    if not len(ids):
        raise InvalidInputError(
            f"{kind} has 0 ids: nothing of {number_of(asked.view.count, 'vectors')} is"
            " chosen"
        )
    return hold_distinct(ids)


def _options(message: audit_pb2.AuditChoice) -> dict[str, Any]:
    given: dict[str, Any] = {"seed": message.seed}
    if message.orders:
        given["orders"] = tuple(message.orders)
    if message.shares:
        given["shares"] = tuple(message.shares)
    return given


def _require_index(asked: Asked, index: str, kind: str) -> None:
    if index != asked.view.name:
        raise InvalidInputError(
            f"the {kind} is of {index!r}, not of {asked.view.name!r}"
        )


def _ids_of_lines(asked: Asked, lines: audit_pb2.CurationLines) -> HeldIds:
    """The ids of lines of a stored curation."""
    described = asked.shelf.get(lines.curation)
    _require_index(asked, described.index, "curation")
    name = lines.table or _table_of(described)
    table = asked.shelf.table(lines.curation, name)
    if "id" not in table.column_names:
        raise InvalidInputError(
            f"table {name!r} of {lines.curation!r} has no column id, only"
            f" {', '.join(table.column_names)}"
        )
    ids = ids_in(table)
    flag = lines.flag or (KEPT if KEPT in table.column_names else "")
    if not flag:
        return ids
    if flag not in table.column_names or not pa.types.is_boolean(
        table.column(flag).type
    ):
        raise InvalidInputError(
            f"table {name!r} of {lines.curation!r} has no column {flag!r} of bools"
        )
    flags = table.column(flag).to_numpy(zero_copy_only=False)
    return take_ids(ids, np.flatnonzero(flags))


def _table_of(described: curation_pb2.Curation) -> str:
    """The table with the chosen vectors.

    Raises:
        InvalidInputError: no table has ids.
    """
    with_ids = [
        one.name
        for one in described.tables
        if "id" in {column.name for column in one.columns}
    ]
    if not with_ids:
        raise InvalidInputError(f"{described.name!r} has no table with a column id")
    return ROWS if ROWS in with_ids else with_ids[0]


def _curations(message: audit_pb2.AuditChoice) -> Sequence[str]:
    return [message.lines.curation] if message.HasField("lines") else ()


def _selections(message: audit_pb2.AuditChoice) -> Sequence[str]:
    return [message.selection] if message.selection else ()


METHOD = Method(
    check=check,
    inspect=inspect,
    run=run,
    curations=_curations,
    selections=_selections,
)
