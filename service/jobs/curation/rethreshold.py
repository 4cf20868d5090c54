"""Near-duplicates or leakage of a stored curation for a smaller distance."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.curation import duplicates, leakage
from gleann.selection.curation.leakage.nearer import require_all_pairs, require_within
from gleann.selection.curation.radius import radius_of
from gleann.service.jobs.curation import duplicates_tables, leakage_tables
from gleann.service.jobs.curation.curated import Curated
from gleann.service.jobs.curation.duplicates_tables import METRIC
from gleann.service.jobs.curation.near_duplicates import require_of_index
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.wire.curation.duplicates import near_of
from gleann.v1 import curation_pb2, duplicates_pb2

OF = "of"
"""Part of the provenance: the request of the curation that was thinned."""


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        UnknownJobError: no curation has this name.
        InvalidInputError: it is of another method or index, or there is a filter.
        InvalidParamsError: no distance, or a greater one than that of the curation; an
            audit that does not list all of its pairs, or the curve of one.
    """
    message: duplicates_pb2.Rethreshold = asked.message
    if asked.request.HasField("filter"):
        raise InvalidInputError(
            "rethreshold takes no filter: the vectors of the stored curation take part"
        )
    described = require_of_index(
        asked.shelf, message.curation, index=asked.view.name, methods=tuple(_METHODS)
    )
    known = json.loads(described.provenance_json)
    near = near_of(message)
    radius = radius_of(
        known[METRIC], radius=near.get("radius"), similarity=near.get("similarity")
    )
    require_within(radius, float(known["params"]["radius"]))
    if described.method == _LEAKAGE:
        _require_audit(message, described)


def _require_audit(
    message: duplicates_pb2.Rethreshold, described: curation_pb2.Curation
) -> None:
    if message.curve:
        raise InvalidParamsError(
            f"curve is of near-duplicates, but {message.curation!r} is of {_LEAKAGE}"
        )
    summary = json.loads(described.summary_json)
    require_all_pairs(
        listed=leakage_tables.listed_pairs(described),
        pairs=summary["pairs"],
        complete=summary["pairs_complete"],
    )


def run(work: Work) -> Curated:
    """Choose again among the pairs of the stored curation."""
    message: duplicates_pb2.Rethreshold = work.message
    described = work.shelf.get(message.curation)
    provenance: dict[str, Any] = json.loads(described.provenance_json)
    made = _METHODS[described.method](work, provenance)
    return replace(
        made,
        provenance={
            **made.provenance,
            OF: provenance.get(OF) or provenance.get("request"),
        },
        version=described.version,
    )


def _duplicates(work: Work, provenance: dict[str, Any]) -> Curated:
    name, near = work.message.curation, near_of(work.message)
    found = duplicates.rethreshold(
        duplicates_tables.stored(work.shelf, name, provenance=provenance),
        radius=near.get("radius"),
        similarity=near.get("similarity"),
    )
    return duplicates_tables.curated_of(found, with_curve=work.message.curve)


def _leakage(work: Work, provenance: dict[str, Any]) -> Curated:
    name, near = work.message.curation, near_of(work.message)
    found = leakage.rethreshold(
        leakage_tables.stored(work.shelf, name, provenance=provenance),
        radius=near.get("radius"),
        similarity=near.get("similarity"),
    )
    return leakage_tables.curated_of(found)


_LEAKAGE = "leakage"

_METHODS: dict[str, Callable[[Work, dict[str, Any]], Curated]] = {
    "near_duplicates": _duplicates,
    _LEAKAGE: _leakage,
}
"""How a stored curation is thinned, by its method."""


def _named(message: duplicates_pb2.Rethreshold) -> Sequence[str]:
    return [message.curation]


METHOD = Method(check=check, run=run, curations=_named)
