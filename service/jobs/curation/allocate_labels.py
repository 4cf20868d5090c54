"""Labels of the surest vectors by their class probabilities, under class shares."""

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import take_ids
from gleann.index.nouns import number_of
from gleann.index.texts import Texts
from gleann.selection.curation.graph_labels import (
    Allocation,
    AllocationParams,
    AllocationRequest,
    allocate_labels,
    wilson_upper_bounds,
)
from gleann.selection.curation.graph_labels.allocation import CheckedRequest
from gleann.selection.curation.graph_labels.bounds import as_shares, as_upper_bounds
from gleann.service.jobs.curation.curated import Columns, Curated
from gleann.service.jobs.curation.propagate import CLASSES
from gleann.service.jobs.curation.shelf import Shelf
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.limits import require_within
from gleann.service.views.passing import condition_as_json
from gleann.service.wire.curation.graph_labels import class_numbers_of, probabilities_of
from gleann.service.wire.filter_messages import condition_of
from gleann.v1 import curation_pb2, graph_labels_pb2

CONFIDENCE = 0.95
BYTES_A_PROBABILITY = 32
"""The probability, its logarithm, its mass, and the mass of the sweep before."""

_NUMBERS = ("share", "gamma", "tolerance", "max_sweeps")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """Class probabilities of vectors.

    Attributes:
        ids: (m,).
        classes: (c,).
        values: float64 (m, c).
        removed: vectors of a stored curation that the index does not have any more.
    """

    ids: HeldIds
    classes: tuple[Hashable, ...]
    values: NDArray[Any]
    removed: int = 0


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        UnknownJobError: no curation has this name.
        InvalidInputError: it is of another method or index; no probabilities or
            bounds, or some that cannot be read.
        InvalidParamsError: a parameter out of its range.
        UnknownIdError: an id of the request that the index does not have.
        LimitError: more probabilities than the limit of work allows.
    """
    message: graph_labels_pb2.AllocateLabels = asked.message
    _params(message)
    rows, classes = probabilities_in(asked)
    require_within(
        BYTES_A_PROBABILITY * rows * len(classes),
        asked.limits.work_bytes,
        f"bytes of {number_of(rows, 'vectors')} with"
        f" {number_of(len(classes), 'classes')}",
    )
    _bounds(message, classes)


def probabilities_in(asked: Asked) -> tuple[int, tuple[Hashable, ...]]:
    """Vectors with probabilities, and their classes.

    Raises:
        UnknownJobError: no curation has this name.
        InvalidInputError: it is of another method or index; no probabilities.
        UnknownIdError: an id of the request that the index does not have.
    """
    message: graph_labels_pb2.AllocateLabels = asked.message
    if message.WhichOneof("source") != "curation":
        source = _given(asked)
        return len(source.ids), source.classes
    described = require_propagation(
        asked.shelf, message.curation, index=asked.view.name
    )
    rows = next(one.rows for one in described.tables if one.name == "probabilities")
    return rows, _classes_of(described)


def inspect(asked: Asked) -> None:
    """Refuse probabilities that are none, and bounds that they cannot meet.

    Raises:
        InvalidInputError: no vector with probabilities passes the filter; values that
            are no probabilities; shares that do not sum to one, or bounds that are too
            low; or a share of a class without a probability.
    """
    source = _source(asked)
    kept, _ = _passing(asked, source)
    CheckedRequest.of(_request(asked, source, kept))


def run(work: Work) -> Curated:
    """Allocate them."""
    source = _source(work)
    kept, passing = _passing(work, source)
    request = _request(work, source, kept)
    found = allocate_labels(request, progress=work.progress)
    rows = found.to_arrow().drop_columns(["row"])
    return Curated(
        summary={
            **found.summary,
            "removed": source.removed,
            "without_probabilities": passing - len(kept),
            "without_evidence": len(kept) - int(found.summary["rows"]),
        },
        provenance={**found.provenance, **_origin(work, passing)},
        tables={
            "rows": dict(zip(rows.column_names, rows.columns, strict=True)),
            "classes": _class_lines(found),
        },
    )


def require_propagation(
    shelf: Shelf, name: str, *, index: str
) -> curation_pb2.Curation:
    """A stored curation of a propagation over an index.

    Raises:
        UnknownJobError: no curation has this name.
        InvalidInputError: it is of another method or index.
    """
    described = shelf.get(name)
    if described.method != "propagation":
        raise InvalidInputError(
            f"{name!r} is of {described.method}, not of propagation"
        )
    if described.index != index:
        raise InvalidInputError(f"{name!r} is of {described.index!r}, not of {index!r}")
    return described


def _source(asked: Asked) -> Source:
    if asked.message.WhichOneof("source") == "curation":
        return _stored(asked)
    return _given(asked)


def _request(
    asked: Asked, source: Source, kept: NDArray[np.int64]
) -> AllocationRequest:
    message: graph_labels_pb2.AllocateLabels = asked.message
    return AllocationRequest(
        probabilities=source.values[kept],
        classes=source.classes,
        ids=take_ids(source.ids, kept),
        params=_params(message),
        **_bounds(message, source.classes),
    )


def _given(asked: Asked) -> Source:
    """The probabilities of the request.

    Raises:
        InvalidInputError: there are none.
        UnknownIdError: an id that the index does not have.
    """
    message: graph_labels_pb2.AllocateLabels = asked.message
    if not message.HasField("probabilities"):
        raise InvalidInputError("give curation or probabilities, got neither")
    ids, classes, values = probabilities_of(message.probabilities)
    asked.view.require(ids)
    return Source(ids=ids, classes=classes, values=values)


def _stored(asked: Asked) -> Source:
    """The probabilities of a stored curation, of vectors that are still there."""
    name = asked.message.curation
    described = require_propagation(asked.shelf, name, index=asked.view.name)
    table = asked.shelf.table(name, "probabilities")
    ids = ids_in(table)
    there = np.flatnonzero(asked.view.find(ids) >= 0)
    values = [column.to_numpy()[there] for column in table.columns[1:]]
    return Source(
        ids=take_ids(ids, there),
        classes=_classes_of(described),
        values=np.stack(values, axis=1),
        removed=len(ids) - len(there),
    )


def ids_in(table: pa.Table) -> HeldIds:
    """The ids (m,) in the column id of a stored table."""
    column = table.column("id").combine_chunks()
    if pa.types.is_integer(column.type):
        numbers: NDArray[np.int64] = column.to_numpy(zero_copy_only=False)
        return numbers
    return Texts.of_arrow(column.cast(pa.large_string()))


def _classes_of(described: curation_pb2.Curation) -> tuple[Hashable, ...]:
    return tuple(json.loads(described.provenance_json)[CLASSES])


def _passing(asked: Asked, source: Source) -> tuple[NDArray[np.int64], int]:
    """Lines (p,) of a source that pass the filter, and how many vectors pass it.

    Raises:
        InvalidInputError: none does.
    """
    view = asked.view
    condition = condition_of(asked.request)
    mask = view.passing(None if condition is None else view.bind(condition))
    kept = np.flatnonzero(mask[view.find(source.ids)])
    if not len(kept):
        raise InvalidInputError(
            f"0 of {number_of(len(source.ids), 'vectors')} with probabilities pass the"
            " filter"
        )
    return kept, int(mask.sum())


def _origin(work: Work, passing: int) -> dict[str, Any]:
    condition = condition_of(work.request)
    if condition is None:
        return {}
    counts = {"rows": passing, "of": work.view.count}
    return {"among": {**counts, **condition_as_json(condition)}}


def _params(message: graph_labels_pb2.AllocateLabels) -> AllocationParams:
    return AllocationParams(
        **{name: getattr(message, name) for name in _NUMBERS if message.HasField(name)}
    )


def _bounds(
    message: graph_labels_pb2.AllocateLabels, classes: Sequence[Hashable]
) -> dict[str, NDArray[np.float64]]:
    """Shares or upper bounds (c,).

    Raises:
        InvalidInputError: there are none, a class without a number, shares that do not
            sum to one, or bounds that are too low.
        InvalidParamsError: confidence out of its range.
    """
    kind = message.WhichOneof("bounds")
    if kind is None:
        raise InvalidInputError("give one of shares, upper_bounds and counts, got none")
    numbers = class_numbers_of(getattr(message, kind), classes, name=kind)
    if kind == "shares":
        as_shares(numbers, classes=len(classes))
    elif kind == "upper_bounds":
        share = _params(message).share
        as_upper_bounds(numbers, classes=len(classes), share=share)
    if kind != "counts":
        return {kind: numbers}
    confidence = message.confidence if message.HasField("confidence") else CONFIDENCE
    return {"upper_bounds": wilson_upper_bounds(numbers, confidence=confidence)}


def _class_lines(found: Allocation) -> Columns:
    bounds = found.provenance["params"]["upper_bounds"]
    return {
        "class": np.array([str(word) for word in found.classes], object),
        "bound": np.array(bounds),
        "mass": found.totals,
        "labels": np.bincount(found.numbers, minlength=len(found.words)),
    }


def _named(message: graph_labels_pb2.AllocateLabels) -> Sequence[str]:
    return [message.curation] if message.curation else ()


METHOD = Method(check=check, inspect=inspect, run=run, curations=_named)
