"""Conversion of requests for hard negatives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import HeldIds
from gleann.index.checks import as_array
from gleann.index.errors import InvalidInputError
from gleann.index.ids.checks import hold_id_array
from gleann.index.nouns import number_of
from gleann.service.wire.arrays import (
    ids_of,
    ids_to_wire,
    vectors_of,
)
from gleann.service.wire.fields import given
from gleann.v1 import negatives_pb2

if TYPE_CHECKING:
    from gleann.selection.among import Among
    from gleann.selection.curation.negatives import NegativesRequest

_OPTIONS = (
    "max_similarity",
    "margin",
    "relative_margin",
    "duplicate_radius",
    "sampling",
    "target_recall",
    "seed",
)


def fill_positives(
    message: negatives_pb2.MineNegatives, positives: Sequence[ArrayLike]
) -> None:
    """Set the ids that answer each query.

    Raises:
        InvalidInputError: what is no list of ids.
    """
    parts = [as_array(one, name="positives") for one in positives]
    if strange := [at for at, part in enumerate(parts) if part.ndim != 1]:
        at = strange[0]
        raise InvalidInputError(
            f"positives of query {at} must be a list of ids, got shape"
            f" {parts[at].shape}"
        )
    message.positive_counts.extend(map(len, parts))
    if filled := [part for part in parts if len(part)]:
        ids = hold_id_array(np.concatenate(filled), name="positives")
        message.positive_ids.CopyFrom(ids_to_wire(ids))


def positive_ids_of(message: negatives_pb2.MineNegatives) -> HeldIds:
    """The ids (p,) of the positives of all queries.

    Raises:
        InvalidInputError: counts below 0, or that do not sum to the ids.
    """
    held: HeldIds = np.empty(0, np.int64)
    if message.HasField("positive_ids"):
        held = ids_of(message.positive_ids, name="positive_ids")
    # Python's integers: a sum of 64 bits could wrap to the right one.
    counts = list(message.positive_counts)
    if min(counts, default=0) < 0 or sum(counts) != len(held):
        raise InvalidInputError(
            f"positive_counts sum to {sum(counts)}, the least is"
            f" {min(counts, default=0)}, and positive_ids has"
            f" {number_of(len(held), 'ids')}"
        )
    return held


def negatives_request_of(
    message: negatives_pb2.MineNegatives, among: "Among | None"
) -> "NegativesRequest":
    """The library's request.

    Raises:
        InvalidInputError: no queries, or arrays that are not packed as they must be.
        InvalidParamsError: a parameter out of its range.
    """
    from gleann.selection.curation.negatives import NegativesRequest, Positives
    from gleann.selection.curation.negatives.request import WINDOW

    kind = message.WhichOneof("queries")
    if kind is None:
        raise InvalidInputError("queries are required: query_vectors or query_ids")
    held = positive_ids_of(message)
    end = message.end_rank if message.HasField("end_rank") else WINDOW[1]
    options = {
        name: value for name, value in given(message).items() if name in _OPTIONS
    }
    vectors = kind == "query_vectors"
    return NegativesRequest(
        queries=vectors_of(message.query_vectors, name=kind) if vectors else None,
        query_ids=None if vectors else ids_of(message.query_ids, name=kind),
        positives=Positives(
            offsets=np.cumsum([0, *message.positive_counts]),
            ids=held if isinstance(held, np.ndarray) else held.to_numpy(),
        ),
        per_query=message.per_query,
        window=(message.first_rank, end),
        among=among,
        **options,
    )
