"""The near-duplicates of a stored curation for a smaller distance."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.curation.duplicates import rethreshold
from gleann.selection.curation.radius import radius_of
from gleann.service.jobs.curation.curated import Curated
from gleann.service.jobs.curation.duplicates_tables import METRIC, curated_of
from gleann.service.jobs.curation.near_duplicates import (
    known_duplicates,
    require_duplicates,
)
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.wire.curation.duplicates import near_of
from gleann.v1 import duplicates_pb2

OF = "of"
"""Part of the provenance: the request of the near-duplicates that were thinned."""


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        UnknownJobError: no curation has this name.
        InvalidInputError: it is of another method or index, or there is a filter.
        InvalidParamsError: no distance, or a greater one than that of the curation.
    """
    message: duplicates_pb2.Rethreshold = asked.message
    if asked.request.HasField("filter"):
        raise InvalidInputError(
            "rethreshold takes no filter: the vectors of the stored curation take part"
        )
    described = require_duplicates(asked.shelf, message.curation, index=asked.view.name)
    known = json.loads(described.provenance_json)
    near, most = near_of(message), float(known["params"]["radius"])
    radius = radius_of(
        known[METRIC], radius=near.get("radius"), similarity=near.get("similarity")
    )
    if np.float32(radius) > np.float32(most):
        raise InvalidParamsError(
            f"radius {radius:g} is above {most:g}, up to which {message.curation!r} has"
            " pairs"
        )


def run(work: Work) -> Curated:
    """Choose again among the pairs of the stored curation."""
    message: duplicates_pb2.Rethreshold = work.message
    near = near_of(message)
    described = work.shelf.get(message.curation)
    known = known_duplicates(work.shelf, message.curation)
    found = rethreshold(
        known,
        radius=near.get("radius"),
        similarity=near.get("similarity"),
    )
    made = curated_of(found, with_curve=message.curve)
    origin = known.provenance.get(OF) or known.provenance.get("request")
    return replace(
        made,
        provenance={**made.provenance, OF: origin},
        version=described.version,
    )


def _named(message: duplicates_pb2.Rethreshold) -> Sequence[str]:
    return [message.curation]


METHOD = Method(check=check, run=run, curations=_named)
