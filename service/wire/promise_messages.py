"""Conversion of promised sets, audits and their parameters."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidParamsError
from gleann.index.ids.checks import hold_id_array
from gleann.index.ids.held import joined_ids, own_ids
from gleann.service.promised import PromisedItems
from gleann.service.values import Limits
from gleann.service.wire.arrays import (
    any_float64s_of,
    bools_of,
    bools_to_wire,
    float64s_to_wire,
    ids_of,
    ids_to_wire,
)
from gleann.service.wire.estimate_messages import scores_column_of
from gleann.service.wire.fields import fill, given
from gleann.service.wire.page_tokens import next_token
from gleann.service.wire.paging import id_sizes, page_within
from gleann.v1 import promises_pb2

if TYPE_CHECKING:
    from gleann.selection.promises import (
        AcceptanceBound,
        AuditParams,
        PromisedSet,
        PromiseParams,
    )

_FACTS = (
    "target",
    "confidence",
    "out_of",
    "everything",
    "labels_used",
    "positives_labelled",
    "note",
)
"""Facts of a set whose fields have their names."""


def promise_params_to_wire(params: "PromiseParams") -> promises_pb2.PromiseParams:
    """Pack parameters of a promised set."""
    message = promises_pb2.PromiseParams()
    fill(message, asdict(params))
    return message


def promise_params_of(message: promises_pb2.PromiseParams) -> "PromiseParams":
    """Read parameters of a promised set.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    from gleann.selection.promises import PromiseParams

    return PromiseParams(**{"budget": 0, **given(message)})


def proxy_of(
    request: promises_pb2.StartPromiseSessionRequest,
) -> tuple[HeldIds, NDArray[np.float64]] | str:
    """Read ids (m,) and a proxy (m,), or the name of a column of payload.

    Raises:
        InvalidParamsError: both.
    """
    if not request.score_column:
        return scores_column_of(request.scores, name="scores")
    if request.HasField("scores"):
        raise InvalidParamsError("give scores or score_column, one of them: got both")
    return request.score_column


def audit_params_to_wire(params: "AuditParams") -> promises_pb2.BatchAuditParams:
    """Pack parameters of an audit."""
    values = asdict(params)
    if params.design == "seeded":  # also for servers that know no design
        del values["design"]
    message = promises_pb2.BatchAuditParams()
    fill(message, values)
    return message


def audit_params_of(message: promises_pb2.BatchAuditParams) -> "AuditParams":
    """Read parameters of an audit.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    from gleann.selection.promises import AuditParams

    return AuditParams(**{"size": 0, **given(message)})


def promised_to_wire(
    made: "PromisedSet", limits: Limits, *, start: int
) -> promises_pb2.PromisedSet:
    """Pack the page of a set at `start`.

    Raises:
        LimitError: an id above the message limit.
    """
    held = hold_id_array(made.ids)
    page = page_within(id_sizes(held) + 9, limits, start=start, name="items")
    stop = page.stop
    message = promises_pb2.PromisedSet(
        ids=ids_to_wire(held[start:stop]),
        proxies=float64s_to_wire(made.proxy[start:stop], name="proxy"),
        labelled=bools_to_wire(made.labelled[start:stop], name="labelled"),
        count=len(made),
        provenance_json=json.dumps(made.provenance),
        next_page_token=next_token(stop if stop < len(made) else None),
    )
    facts = made.summary
    fill(message, {name: facts[name] for name in (*_FACTS, "promise", "threshold")})
    return message


def promised_of(pages: Sequence[promises_pb2.PromisedSet]) -> PromisedItems:
    """Read a set from all its pages."""
    first = pages[0]
    summary: dict[str, Any] = {name: getattr(first, name) for name in _FACTS}
    summary["promise"] = given(first)["promise"]
    summary["rows"] = first.count
    summary["threshold"] = first.threshold if first.HasField("threshold") else None
    held = [ids_of(page.ids, name="ids") for page in pages]
    columns = [
        (
            any_float64s_of(page.proxies, name="proxies", n=len(ids)),
            bools_of(page.labelled, name="labelled", n=len(ids)),
        )
        for page, ids in zip(pages, held, strict=True)
    ]
    proxies, labelled = zip(*columns, strict=True)
    return PromisedItems(
        ids=own_ids(joined_ids(held)),
        proxy=np.concatenate(proxies),
        labelled=np.concatenate(labelled),
        summary=summary,
        provenance=json.loads(first.provenance_json),
    )


def bound_to_wire(bound: "AcceptanceBound") -> promises_pb2.AcceptanceBound:
    """Pack a bound."""
    message = promises_pb2.AcceptanceBound()
    fill(message, asdict(bound))
    return message


def bound_of(message: promises_pb2.AcceptanceBound) -> "AcceptanceBound":
    """Read a bound."""
    from gleann.selection.promises import AcceptanceBound

    return AcceptanceBound(
        batch=message.batch,
        audited=message.audited,
        failed=message.failed,
        at_most=message.at_most,
        confidence=message.confidence,
    )
