"""Conversion of chosen vectors, of a selection or a batch."""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.index.ids.checks import hold_id_array
from gleann.index.ids.held import joined_ids, own_ids
from gleann.service.values import JsonObject, Selected, SelectionInfo
from gleann.service.wire.arrays import (
    column_of,
    column_to_wire,
    ids_of,
    ids_to_wire,
)
from gleann.service.wire.fields import time_of
from gleann.service.wire.page_tokens import next_token
from gleann.v1 import (
    active_pb2,
    coreset_pb2,
    estimate_pb2,
    means_pb2,
    promises_pb2,
    types_pb2,
)


def items_to_wire(selected: Selected) -> types_pb2.SelectedItems:
    """Pack chosen vectors as columns."""
    return types_pb2.SelectedItems(
        ids=ids_to_wire(hold_id_array(selected.ids)),
        scores=selected.scores.astype("<f4", copy=False).tobytes(),
        weights=selected.weights.astype("<f4", copy=False).tobytes(),
        why=[column_to_wire(name, values) for name, values in selected.why.items()],
    )


def selection_to_wire(
    selected: Selected, message: coreset_pb2.Selection
) -> coreset_pb2.Selection:
    """Add a description to `message`, which has name, index and time."""
    message.method = str(selected.provenance.get("method", ""))
    message.count = len(selected)
    message.summary_json = json.dumps(selected.summary)
    message.provenance_json = json.dumps(selected.provenance)
    return message


def selected_of(
    message: coreset_pb2.Selection, pages: Sequence[types_pb2.SelectedItems]
) -> Selected:
    """Read a stored selection from its description and all its pages."""
    return _selected(
        pages,
        summary=json.loads(message.summary_json),
        provenance=json.loads(message.provenance_json),
        name=message.name,
    )


def batch_to_wire(batch: Selected, more: int | None) -> active_pb2.NextBatchResponse:
    """Pack a page of a batch, with the position of the next page or None."""
    return active_pb2.NextBatchResponse(
        items=items_to_wire(batch),
        next_page_token=next_token(more),
        summary_json=json.dumps(batch.summary),
        provenance_json=json.dumps(batch.provenance),
    )


def selection_info_of(message: coreset_pb2.Selection) -> SelectionInfo:
    """Read the description of a stored selection."""
    return SelectionInfo(
        name=message.name,
        index=message.index,
        method=message.method,
        count=message.count,
        summary=json.loads(message.summary_json),
        provenance=json.loads(message.provenance_json),
        created_at=time_of(message.create_time),
    )


def batch_of(
    pages: Sequence[
        active_pb2.NextBatchResponse
        | estimate_pb2.NextEstimateBatchResponse
        | estimate_pb2.GroupBatch
        | means_pb2.NextMeansBatchResponse
        | promises_pb2.NextPromiseBatchResponse
    ],
) -> Selected:
    """Read a batch of a session from all its pages."""
    return _selected(
        [page.items for page in pages],
        summary=json.loads(pages[0].summary_json),
        provenance=json.loads(pages[0].provenance_json),
        name="",
    )


def _selected(
    pages: Sequence[types_pb2.SelectedItems],
    *,
    summary: JsonObject,
    provenance: JsonObject,
    name: str,
) -> Selected:
    why: dict[str, list[NDArray[np.generic]]] = {}
    for page in pages:
        for column in page.why:
            why.setdefault(column.name, []).append(column_of(column, name=column.name))
    return Selected(
        ids=own_ids(joined_ids([ids_of(page.ids, name="ids") for page in pages])),
        scores=np.concatenate([np.frombuffer(page.scores, "<f4") for page in pages]),
        weights=np.concatenate([np.frombuffer(page.weights, "<f4") for page in pages]),
        why={name: np.concatenate(parts) for name, parts in why.items()},
        summary=summary,
        provenance=provenance,
        name=name,
    )
