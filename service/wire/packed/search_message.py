"""`SearchMessage`: a search with its queries beside the rest of its request.

As a message of protobuf it would copy its queries three times on either side. Here they
are copied once into the bytes that are sent, and are read where these have arrived.
What remains is a few bytes, the same in call after call: it is read once and kept.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from gleann.index import SearchParams
from gleann.index.arrays import HeldIds
from gleann.index.filters.condition import Condition
from gleann.service.wire.arrays import optional_ids_of, scalar_type_of, vectors_in
from gleann.service.wire.filter_messages import condition_of
from gleann.service.wire.index_messages import search_params_of
from gleann.service.wire.packed.fields import (
    LENGTH_DELIMITED,
    tag_of,
    varint,
    varint_at,
)
from gleann.service.wire.unknown_fields import require_known
from gleann.v1 import search_pb2, types_pb2

KEPT_HEADS = 256
KEPT_BYTES = 1024
"""Of a head that is kept: larger ones have ids, and hardly come again."""

_QUERIES = tag_of(search_pb2.SearchRequest, "queries", LENGTH_DELIMITED)
_DATA = tag_of(types_pb2.Vectors, "data", LENGTH_DELIMITED)


class Asked(NamedTuple):
    """What a request asks for, beside its index and its queries."""

    params: SearchParams
    allowed_ids: HeldIds | None
    condition: Condition | None
    radius: float | None
    columns: tuple[str, ...]


class SearchHead:
    """A request without the numbers of its queries; it is not to be modified.

    Attributes:
        request: the message.
    """

    def __init__(self, request: search_pb2.SearchRequest) -> None:
        self.request = request
        self._asked: Asked | None = None
        self._known = False

    @property
    def asked(self) -> Asked:
        """What it asks for.

        Raises:
            InvalidInputError, InvalidParamsError: what can be told from the message.
        """
        if (asked := self._asked) is None:
            request = self.request
            asked = self._asked = Asked(
                search_params_of(request.params),
                optional_ids_of(request, "allowed_ids"),
                condition_of(request),
                request.radius if request.HasField("radius") else None,
                tuple(request.columns),
            )
        return asked

    def require_known(self, client: str) -> None:
        """Refuse a field that this version does not know; see `unknown_fields`."""
        if not self._known:
            require_known(self.request, client=client)
            self._known = True


class SearchMessage(NamedTuple):
    """A search.

    Attributes:
        head: all but the numbers of the queries.
        numbers: of the queries: (nq, dim) of a dtype of the protocol, or their bytes.
    """

    head: SearchHead
    numbers: NDArray[np.generic] | bytes | memoryview

    @property
    def queries(self) -> NDArray[np.generic]:
        """(nq, dim) of a dtype of the protocol; not checked for NaN.

        Raises:
            InvalidInputError: declared sizes and byte count disagree.
        """
        if isinstance(self.numbers, np.ndarray):
            return self.numbers
        return vectors_in(self.head.request.queries, self.numbers, name="queries")

    @classmethod
    def of_request(cls, request: search_pb2.SearchRequest) -> "SearchMessage":
        """That of a whole request."""
        return cls(SearchHead(request), request.queries.data)

    @classmethod
    def read(cls, message: bytes) -> "SearchMessage":
        """Read a serialised `SearchRequest`.

        Its queries are not copied where they come first, as `packed` writes them.

        Raises:
            DecodeError: bytes that are none.
        """
        begin, end = _numbers_in(message)
        if begin < end:
            before, behind = message[:begin], message[end:]
            make = _kept_head if len(behind) <= KEPT_BYTES else _head_of
            if (head := make(before, behind)) is not None:
                return cls(head, memoryview(message)[begin:end])
        return cls.of_request(search_pb2.SearchRequest.FromString(message))

    def packed(self) -> bytes:
        """The serialised request; `numbers` is an array, `head.request` has no queries.

        The numbers of most batches up to 2 MB begin at a multiple of four bytes, so
        that kernels read them where they arrive.
        """
        queries = self.queries
        before, behind = _around(queries.dtype, *queries.shape)
        rest = self.head.request.SerializeToString()
        return b"".join((before, queries.data, behind, rest))


def packed_request(request: "search_pb2.SearchRequest | SearchMessage") -> bytes:
    """A request in bytes, in either form."""
    if isinstance(request, SearchMessage):
        return request.packed()
    return request.SerializeToString()


@lru_cache(maxsize=KEPT_HEADS)
def _around(dtype: np.dtype[np.generic], count: int, dim: int) -> tuple[bytes, bytes]:
    """What is before the numbers of queries in a request, and behind them."""
    nbytes = count * dim * dtype.itemsize
    behind = types_pb2.Vectors(
        scalar_type=scalar_type_of(dtype), dim=dim, count=count
    ).SerializeToString()
    data = varint(_DATA) + varint(nbytes)
    size = len(data) + nbytes + len(behind)
    return varint(_QUERIES) + varint(size) + data, behind


def _numbers_in(message: bytes) -> tuple[int, int]:
    """Where the numbers of the queries begin and end; 0, 0 if they do not come first.

    Such a request means the same to protobuf, and is left to it.
    """
    try:
        if message[0] == _QUERIES:
            _, inner = varint_at(message, 1)
            if message[inner] == _DATA:
                size, begin = varint_at(message, inner + 1)
                if begin + size <= len(message):
                    return begin, begin + size
    except (IndexError, ValueError):
        pass
    return 0, 0


def _head_of(before: bytes, behind: bytes) -> SearchHead | None:
    """The request without the numbers between `before` and `behind`.

    None where the queries or their numbers come again, or the rest is no request.
    """
    size, inner = varint_at(before, 1)
    numbers, begin = varint_at(before, inner + 1)
    left = size - (begin - inner) - numbers
    if not 0 <= left <= len(behind):
        return None
    try:
        vectors = types_pb2.Vectors.FromString(behind[:left])
        request = search_pb2.SearchRequest.FromString(behind[left:])
    except DecodeError:
        return None
    # Numbers that come again, even none, would not be written in the same way.
    once = not vectors.data and vectors.SerializeToString() == behind[:left]
    if request.HasField("queries") or not once:
        return None
    request.queries.CopyFrom(vectors)
    return SearchHead(request)


_kept_head = lru_cache(maxsize=KEPT_HEADS)(_head_of)
