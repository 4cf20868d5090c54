"""What one request may cost, asked before anything is allocated.

Beside its vectors, ids and payload, a request has numbers that decide how much the
server allocates and computes: k, a number of classes, a value for all rows of a
condition. What they multiply to is compared with `Limits` here. What is bounded by the
number of rows already, such as a budget of labels, or is parsed with a bound of its
own, such as a filter, is not. The table is in `service/DECISIONS.md` 61.
"""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message

from gleann.index.errors import LimitError
from gleann.index.params import SearchParams
from gleann.service.values import Limits

SMALL_BYTES = 1 << 20
"""Of a request that has no vectors, ids, payload or parameters of a filter. Submessages
take up to 30 times their bytes once they are read."""
MOST_ITERATIONS = 1000
"""Of k-means, each of which reads all rows that it learns from."""
MOST_TUNE_QUERIES = 100_000
MOST_CONCEPTS = 1000
"""Of a session, each of which has a model of its own."""

_NUMBER_BYTES = 8
_NEIGHBOUR_BYTES = 12
_COPIES = 4
"""Of values that are set, at once in memory: 0.2 GB took 0.87 GB (measured)."""
_BULK = ("Ids", "Vectors", "Payload", "Filter", "Strings")
M = TypeVar("M", bound=Message)


def require_within(value: int, cap: int, name: str) -> None:
    """Refuse a value above its cap.

    Raises:
        LimitError: with both numbers.
    """
    if value > cap:
        raise LimitError(f"{name}: {value} is over the limit of {cap}")


def require_few_distances(
    limits: Limits, *, queries: int, vectors: int, params: SearchParams
) -> None:
    """Refuse a search that computes too many distances in float32.

    Args:
        limits: the caps.
        queries: number of them.
        vectors: number in the index.
        params: those that are re-ranked count, and all where the search is exact.

    Raises:
        LimitError: with both numbers.
    """
    each = vectors if params.exact else min(params.rerank or 0, vectors)
    require_within(queries * each, limits.distances, "queries x vectors to compare")


def require_classes(limits: Limits, *, rows: int, classes: int) -> None:
    """Refuse a session whose model scores too many classes.

    Raises:
        LimitError: with both numbers.
    """
    size = rows * classes * _NUMBER_BYTES
    name = f"bytes of the scores of {classes} classes for {rows} vectors"
    require_within(size, limits.work_bytes, name)


def require_neighbours(limits: Limits, *, labelled: int, neighbours: int) -> None:
    """Refuse a session that keeps too many neighbours of labelled vectors.

    Raises:
        LimitError: with both numbers.
    """
    size = labelled * neighbours * _NEIGHBOUR_BYTES
    name = f"bytes of {neighbours} neighbours of {labelled} vectors"
    require_within(size, limits.work_bytes, name)


def require_values(limits: Limits, *, rows: int, row_bytes: int) -> None:
    """Refuse values for all rows of a condition that are too large together.

    Raises:
        LimitError: with both numbers.
    """
    name = f"bytes to set values of {row_bytes} bytes for {rows} vectors"
    require_within(_COPIES * rows * row_bytes, limits.work_bytes, name)


def bounded(path: str, read: Callable[[bytes], M]) -> Callable[[bytes], M]:
    """The reader of a method's requests; it refuses large ones that need not be."""
    service, _, name = path.removeprefix("/").partition("/")
    method = Default().FindServiceByName(service).methods_by_name[name]
    if is_bulk(method.input_type):
        return read

    def read_small(message: bytes) -> M:
        require_within(len(message), SMALL_BYTES, f"bytes of a request of {name}")
        return read(message)

    return read_small


def is_bulk(message: Descriptor) -> bool:
    """Whether a request may have vectors, ids, payload or parameters of a filter."""
    return message.name in _BULK or any(
        field.message_type is not None and is_bulk(field.message_type)
        for field in message.fields
    )
