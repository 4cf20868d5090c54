"""Hard negatives of queries, with the shortfall of each."""

import numpy as np

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidParamsError,
)
from gleann.index.nouns import number_of
from gleann.selection.curation.negatives import mine_negatives
from gleann.selection.curation.negatives.mine import QUERY_BLOCK
from gleann.service.jobs.curation.curated import Curated
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.limits import require_within
from gleann.service.wire.curation.negatives import (
    negatives_request_of,
    positive_ids_of,
)
from gleann.service.wire.curation.queries import count_queries
from gleann.v1 import negatives_pb2

NEIGHBOUR_BYTES = 12
"""A row and its similarity."""


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        InvalidParamsError: a parameter out of its range, or a relative margin under l2.
        InvalidInputError: no queries, or queries or positives that cannot be used.
        DimensionMismatchError: queries of another dimension, or not a count of
            positives for each.
        UnknownIdError: an id that no vector has.
        LimitError: more negatives or candidates than the limit of work allows.
    """
    message: negatives_pb2.MineNegatives = asked.message
    request = negatives_request_of(message, None)
    if request.relative_margin is not None and asked.view.metric == "l2":
        raise InvalidParamsError(
            "relative_margin needs the metric cosine or ip, the index has l2: give"
            " margin"
        )
    _check_queries(asked)
    if len(positives := positive_ids_of(message)):
        asked.view.require(positives)
    _check_limit(asked, request.window[1])


def _check_queries(asked: Asked) -> None:
    message: negatives_pb2.MineNegatives = asked.message
    count = asked.require_queries("query")
    if len(message.positive_counts) != count:
        raise DimensionMismatchError(
            "positive_counts are of"
            f" {number_of(len(message.positive_counts), 'queries')}, but there"
            f" are {count}"
        )


def _check_limit(asked: Asked, end_rank: int) -> None:
    """Negatives of all queries, and the candidates of a block of them."""
    message: negatives_pb2.MineNegatives = asked.message
    count = count_queries(message, "query")
    most = max(message.positive_counts, default=0)
    # Searches double their depth until the window is full.
    depth = min(2 * (end_rank + most + 1), asked.view.count)
    held = count * message.per_query + min(count, QUERY_BLOCK) * depth
    name = (
        f"bytes of {count} x {message.per_query} negatives and of {depth} candidates a"
        " query"
    )
    require_within(NEIGHBOUR_BYTES * held, asked.limits.work_bytes, name)


def run(work: Work) -> Curated:
    """Mine them."""
    message: negatives_pb2.MineNegatives = work.message
    pool = work.pool
    request = negatives_request_of(message, pool.among)
    found = mine_negatives(pool.index, request, progress=work.progress)
    lines = found.table().columns
    return Curated(
        summary=found.summary,
        provenance=found.provenance,
        tables={
            "negatives": {name: x for name, x in lines.items() if name != "row"},
            "queries": {
                "query": found.query_ids,
                "negatives": np.count_nonzero(found.rows >= 0, axis=1),
                "shortfall": found.shortfall,
            },
        },
    )


METHOD = Method(check=check, run=run)
