"""Pages of all vectors of a filter."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gleann.index.arrays import Ids, Vectors
from gleann.index.found import with_payload
from gleann.index.ids.held import own_ids
from gleann.index.tables.tabular import Table, Tabular
from gleann.service.stubs import Stubs
from gleann.service.values import IndexVersion
from gleann.service.wire.arrays import float32_rows, ids_of
from gleann.v1 import types_pb2, vector_pb2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScrollPage(Tabular):
    """Some vectors of an index, in the order of their ids.

    As a table it has the columns id, those of payload and, if requested, vector.

    Attributes:
        ids: (m,) ascending, numbers by value and strings by their bytes.
        payload: `pyarrow.Table` (m,) with the requested columns.
        vectors: float32 (m, dim), or None if they were not requested.
        version: the state of the index that answered.
        next_page_token: with which `scroll` goes on behind this page; "" on the last.
    """

    ids: Ids
    payload: Any
    vectors: Vectors | None
    version: IndexVersion
    next_page_token: str

    def __len__(self) -> int:
        return len(self.ids)

    def table(self) -> Table:
        """One line per vector.

        A column of payload called vector is "payload.vector" beside vectors.
        """
        own: dict[str, Any] = {"id": self.ids}
        if self.vectors is not None:
            own["vector"] = vector_column(self.vectors)
        return with_payload(Table(columns=own), self.payload, np.arange(len(self.ids)))


def vector_column(vectors: Vectors) -> Any:
    """Vectors (m, dim) as an Arrow column of lists, without a copy."""
    import pyarrow as pa

    flat, dim = pa.array(vectors.ravel()), vectors.shape[1]
    return pa.chunked_array([pa.FixedSizeListArray.from_arrays(flat, dim)])


async def scroll(
    stubs: Stubs, request: vector_pb2.ScrollVectorsRequest
) -> AsyncGenerator[ScrollPage, None]:
    """Pages from the token of the request on, each fetched when it is needed."""
    while True:
        page = page_of(await stubs.vector.ScrollVectors(request))
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def page_of(message: vector_pb2.ScrollVectorsResponse) -> ScrollPage:
    """Read a page."""
    from gleann.service.wire.payload_messages import payload_of

    ids = own_ids(ids_of(message.ids, name="ids"))
    with_vectors = message.HasField("vectors")
    return ScrollPage(
        ids=ids,
        payload=payload_of(message.payload, None, len(ids)).to_arrow(),
        vectors=_vectors_of(message.vectors) if with_vectors else None,
        version=IndexVersion(
            sealed=message.version.sealed, sequence=message.version.sequence
        ),
        next_page_token=message.next_page_token,
    )


def _vectors_of(message: types_pb2.Vectors) -> Vectors:
    """The vectors of a page, which may have none."""
    if not message.count:
        return np.empty((0, message.dim), np.float32)
    return float32_rows(message)
