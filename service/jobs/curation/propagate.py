"""Labels of a few vectors of an index, spread over the graph of nearest neighbours."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.ids.checks import hold_distinct
from gleann.index.nouns import number_of
from gleann.index.tables.tabular import as_json
from gleann.selection.among import Among
from gleann.selection.checks import IdMap, require_count
from gleann.selection.curation.graph_labels import (
    Propagation,
    PropagationParams,
    PropagationRequest,
    propagate,
)
from gleann.selection.curation.graph_labels.propagation import DEFAULT_K
from gleann.selection.words import column_names
from gleann.service.jobs.curation.curated import Columns, Curated
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.limits import require_within
from gleann.service.wire.arrays import column_of, float64s_of, ids_of
from gleann.service.wire.curation.graph_labels import classes_of, matrix_of
from gleann.service.wire.fields import enum_text
from gleann.v1 import graph_labels_pb2

BYTES_A_NUMBER = 24
"""Of each neighbour and each class of a vector, about."""

CLASSES = "classes"
"""Part of the provenance, from which later jobs read the classes."""

_NUMBERS = ("power", "alpha", "tolerance", "max_sweeps")


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        InvalidParamsError: a parameter out of its range.
        InvalidInputError: no labels, or labels that cannot be used.
        DimensionMismatchError: lengths differ.
        UnknownIdError: an id that the index does not have.
        LimitError: more vectors and classes than the limit of work allows.
    """
    message: graph_labels_pb2.Propagate = asked.message
    request = request_of(message, among=None)
    labelled = request.labelled(np.arange(len(np.asarray(_ids(message)))))
    asked.view.require(_ids(message))
    require_count("uncertain", message.uncertain, at_least=0)
    width = request.k + len(labelled.classes)
    require_within(
        BYTES_A_NUMBER * asked.view.count * width,
        asked.limits.work_bytes,
        f"bytes of {number_of(asked.view.count, 'vectors')} with"
        f" {number_of(request.k, 'neighbours')} and"
        f" {number_of(len(labelled.classes), 'classes')}",
    )


def inspect(asked: Asked) -> None:
    """Refuse labels of vectors that do not take part, and uncertain ones of none.

    Raises:
        InvalidInputError: no vector passes the filter, or a labelled one does not.
        InvalidParamsError: the uncertain ones are asked for, and all have a label.
    """
    message: graph_labels_pb2.Propagate = asked.message
    ids, passing = _ids(message), asked.passing
    if (asked.places_of(ids) < 0).any():
        live = asked.view.live_rows()
        rows = np.searchsorted(live, asked.view.require(ids))
        within = Among(rows=np.searchsorted(live, passing), n=len(live))
        names = IdMap(asked.view.ids_at(live), n=len(live))
        within.places_of(rows, name="ids", ids=names)
    if message.uncertain:
        labelled = request_of(message, among=None).labelled(np.arange(len(ids)))
        given = len(labelled.evidence.rows)
        _require_open(message.uncertain, n=len(passing), given=given)


def run(work: Work) -> Curated:
    """Spread them."""
    message: graph_labels_pb2.Propagate = work.message
    pool = work.pool
    request = request_of(message, among=pool.among)
    found = propagate(pool.index, request, progress=work.progress)
    tables: dict[str, Columns] = {
        "rows": _rows(found),
        "probabilities": _probabilities(found),
        "classes": _classes(found, request),
    }
    if message.uncertain:
        tables["uncertain"] = _uncertain(found, message.uncertain)
    return Curated(
        summary=found.summary,
        provenance={**found.provenance, CLASSES: as_json(found.classes)},
        tables=tables,
    )


def request_of(
    message: graph_labels_pb2.Propagate, *, among: Among | None
) -> PropagationRequest:
    """The request of the library.

    Raises:
        InvalidParamsError: a parameter out of its range.
        InvalidInputError: no labels, or not packed as they must be.
        DimensionMismatchError: lengths differ.
    """
    ids = _ids(message)
    classes = classes_of(message, name="classes")
    weights = None
    if message.HasField("weights"):
        weights = float64s_of(message.weights, name="weights", n=len(ids))
    return PropagationRequest(
        ids=ids,
        weights=weights,
        classes=classes,
        among=among,
        k=message.k if message.HasField("k") else DEFAULT_K,
        params=_params(message),
        **_known(message, classes, n=len(ids)),
    )


def _ids(message: graph_labels_pb2.Propagate) -> Any:
    return hold_distinct(ids_of(message.ids, name="ids"))


def _known(
    message: graph_labels_pb2.Propagate,
    classes: tuple[Hashable, ...] | None,
    *,
    n: int,
) -> dict[str, NDArray[Any]]:
    kind = message.WhichOneof("known")
    if kind is None:
        raise InvalidInputError("give labels or probabilities, got neither")
    if kind == "labels":
        return {"labels": column_of(message.labels, name="labels")}
    if not classes:
        raise InvalidInputError("probabilities need classes: the names of the columns")
    values = matrix_of(
        message.probabilities, rows=n, columns=len(classes), name="probabilities"
    )
    return {"probabilities": values}


def _params(message: graph_labels_pb2.Propagate) -> PropagationParams:
    values: dict[str, Any] = {
        name: getattr(message, name) for name in _NUMBERS if message.HasField(name)
    }
    for name in ("kernel", "hold"):
        if number := getattr(message, name):
            field = message.DESCRIPTOR.fields_by_name[name]
            values[name] = enum_text(field.enum_type, number)
    return PropagationParams(**values)


def _rows(found: Propagation) -> Columns:
    table = found.to_arrow().drop_columns(["row"])
    return dict(zip(table.column_names, table.columns, strict=True))


def _probabilities(found: Propagation) -> Columns:
    named = column_names(found.classes, taken=("id",))
    return {
        "id": found.held_ids,
        **dict(zip(named, found.probabilities.T, strict=True)),
    }


def _classes(found: Propagation, request: PropagationRequest) -> Columns:
    if request.labels is not None:
        given = found.words.numbers_of(np.asarray(request.labels).tolist())
    else:
        given = np.asarray(request.probabilities).argmax(axis=1)
    count = len(found.words)
    return {
        "class": np.array([str(word) for word in found.classes], object),
        "given": np.bincount(given, minlength=count),
        "labels": np.bincount(found.numbers[found.has_label], minlength=count),
    }


def _uncertain(found: Propagation, most: int) -> Columns:
    """The vectors to label next; all that have no given label, if there are fewer."""
    given = int(found.given.sum())
    _require_open(most, n=len(found), given=given)
    picked = found.most_uncertain(min(most, len(found) - given))
    labels = [None if one is None else str(one) for one in picked.why["label"]]
    return {
        "id": picked.ids,
        "margin": -picked.scores,
        "label": np.array([*labels, None], object)[:-1],
        "confidence": picked.why["confidence"],
    }


def _require_open(most: int, *, n: int, given: int) -> None:
    """Refuse to look for uncertain vectors where all `n` have a given label.

    Raises:
        InvalidParamsError: with both numbers.
    """
    if given == n:
        raise InvalidParamsError(
            f"uncertain is {most}, but all {number_of(n, 'vectors')} have a given label"
        )


METHOD = Method(check=check, inspect=inspect, run=run)
