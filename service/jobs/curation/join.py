"""Pairs of two collections, or of one with itself, streamed into a table."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.arrays import Ids
from gleann.index.errors import InvalidParamsError, LimitError
from gleann.index.nouns import number_of
from gleann.index.params import SearchParams
from gleann.selection.curation.duplicates import JoinedPairs, join, nearest_join
from gleann.selection.provenance import provenance
from gleann.service.jobs.curation.curated import Columns, Curated
from gleann.service.jobs.curation.pairs import most_pairs, radius_in, require_near
from gleann.service.jobs.curation.work import Asked, Method, Work
from gleann.service.limits import require_within
from gleann.service.wire.curation.duplicates import near_of
from gleann.v1 import duplicates_pb2


def check(asked: Asked) -> None:
    """Refuse what cannot be done, before it is queued.

    Raises:
        InvalidParamsError: no distance or k, one out of its range, k without another
            index, target_recall without k or out of its range, or another index of
            another metric.
        InvalidInputError: vectors that cannot be used.
        NotReadyError: the other index is empty.
        LimitError: more pairs than the limit of work allows.
    """
    message: duplicates_pb2.Join = asked.message
    most = most_pairs(message, asked.limits)
    require_near(message, asked.view.metric)
    if message.other_index:
        asked.like(message.other_index)
    elif message.HasField("other_vectors"):
        asked.require_vectors(message.other_vectors, name="other_vectors")
    if "k" in near_of(message):
        _check_nearest(asked, message, most)
    elif message.HasField("target_recall"):
        raise InvalidParamsError(
            "target_recall is for k: pairs within a radius are all"
        )


def _check_nearest(asked: Asked, message: duplicates_pb2.Join, most: int) -> None:
    if not message.other_index:
        raise InvalidParamsError(
            f"k={message.k} needs other_index: within one index the nearest vectors are"
            " its neighbour graph, and vectors are searched for"
        )
    if message.other_index == asked.view.name:
        raise InvalidParamsError(
            f"{message.other_index!r} joined with itself by k finds each vector first"
        )
    SearchParams(k=message.k, target_recall=_recall(message))
    if not asked.request.HasField("filter"):
        _require_few(asked.view.count, message, most)


def _require_few(count: int, message: duplicates_pb2.Join, most: int) -> None:
    """Refuse more pairs by `k` than are allowed, before any is searched for."""
    if message.WhichOneof("near") == "k":
        name = f"pairs of {number_of(count, 'vectors')} and their {message.k} nearest"
        require_within(count * message.k, most, name)


def _recall(message: duplicates_pb2.Join) -> float | None:
    return message.target_recall if message.HasField("target_recall") else None


def inspect(asked: Asked) -> None:
    """Refuse more pairs of the vectors that take part than are allowed.

    Raises:
        InvalidInputError: no vector passes the filter.
        LimitError: with both numbers.
    """
    message: duplicates_pb2.Join = asked.message
    _require_few(len(asked.passing), message, most_pairs(message, asked.limits))


def run(work: Work) -> Curated:
    """Join, and store pairs as they are found."""
    message: duplicates_pb2.Join = work.message
    most, params = most_pairs(message, work.limits), dict(near_of(message))
    if message.HasField("target_recall"):
        params["target_recall"] = message.target_recall
    if message.other_index:
        params["other_index"] = message.other_index  # type: ignore[assignment]
    pool = work.pool
    _require_few(len(pool) if pool.among is None else len(pool.among), message, most)
    origin = {} if pool.among is None else pool.among.origin()
    known = provenance(
        "join",
        params={**params, "max_pairs": most},
        seed=None,
        data_hash=pool.index.data_hash,
    )
    return Curated(
        summary={
            "rows": len(pool) if pool.among is None else len(pool.among),
            "radius": _radius(work),
        },
        provenance={**known, **origin},
        tables={"pairs": _lines(work, most)},
    )


def _radius(work: Work) -> float | None:
    if "k" in near_of(work.message):
        return None
    return radius_in(work.message, work.view.metric)


def _lines(work: Work, most: int) -> Iterator[Columns]:
    """The pairs as columns, block after block, an empty one first.

    Raises:
        LimitError: there are more than `most` pairs.
    """
    other = _other(work)
    ids = work.pool.index.ids[:0]
    yield {
        "id": ids,
        "other_id": ids if other is None else _ids(other)[:0],
        "distance": np.empty(0, np.float32),
    }
    count = 0
    for block in _blocks(work, other):
        count += len(block)
        if count > most:
            raise LimitError(
                f"more than {number_of(most, 'pairs')} are found: {count} so far."
                " Choose a smaller distance, or raise max_pairs"
            )
        yield {
            "id": block.ids,
            "other_id": block.other_ids,
            "distance": block.distances,
        }


def _other(work: Work) -> SoarIndex | NDArray[np.generic] | None:
    """The other collection; None for the index itself."""
    message: duplicates_pb2.Join = work.message
    if message.other_index:
        return work.other(message.other_index).index
    if message.HasField("other_vectors"):
        return work.require_vectors(message.other_vectors, name="other_vectors")
    return None


def _ids(other: SoarIndex | NDArray[np.generic]) -> Ids:
    return other.ids if isinstance(other, SoarIndex) else np.empty(0, np.int64)


def _blocks(
    work: Work, other: SoarIndex | NDArray[np.generic] | None
) -> Iterator[JoinedPairs]:
    message: duplicates_pb2.Join = work.message
    pool, near = work.pool, near_of(message)
    if "k" in near:
        assert isinstance(other, SoarIndex)
        return nearest_join(
            pool.index,
            other,
            k=message.k,
            target_recall=_recall(message),
            among=pool.among,
            progress=work.progress,
        )
    return join(
        pool.index,
        other,
        radius=near.get("radius"),
        similarity=near.get("similarity"),
        among=pool.among,
        threads=work.threads,
        progress=work.progress,
    )


def _named(message: duplicates_pb2.Join) -> Sequence[str]:
    return [message.other_index] if message.other_index else ()


METHOD = Method(check=check, inspect=inspect, run=run, indexes=_named)
