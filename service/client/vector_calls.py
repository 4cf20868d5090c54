"""Client calls on vectors: changes and searches."""

from collections.abc import Sequence
from os import PathLike, fspath
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import Found, SearchParams
from gleann.index.arrays import HeldIds, Vectors
from gleann.index.checks import as_queries
from gleann.index.errors import (
    AnswerTooLargeError,
    RecallWarning,
)
from gleann.index.found import shortfall
from gleann.index.ids.checks import hold_distinct, hold_id_array, hold_ids
from gleann.service.client.connection import Connection, part_id
from gleann.service.client.joined import joined, merged
from gleann.service.client.operation import Operation
from gleann.service.values import Imported
from gleann.service.wire import index_messages
from gleann.service.wire.arrays import (
    float32_rows,
    ids_to_wire,
    vectors_to_wire,
    wire_array,
)
from gleann.service.wire.paging import blocks_within, id_sizes
from gleann.v1 import index_pb2, search_pb2, vector_pb2

CHUNK_HITS = 500_000
"""Hits asked for in one message; fewer where the ids are too long for that."""


class VectorCalls:
    """Calls on the vectors of an index: `client.vectors`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stubs = connection.stubs

    def upsert(
        self, name: str, ids: ArrayLike, vectors: ArrayLike, *, request_id: str = ""
    ) -> int:
        """Store vectors under their ids, replacing existing ones.

        An acknowledged change is on disk and visible to the next search. A batch above
        the message limit is sent in several messages, each atomic.

        Args:
            name: the index.
            ids: n distinct ids, int64 at least 0, strings, or UUIDs, which are kept as
                text; one kind per index.
            vectors: (n, dim), dtypes and columns as in `as_vectors`.
            request_id: a repeat with the same string and data changes nothing.

        Returns:
            Number of vectors, n.

        Raises:
            UnknownIndexError: no such index.
            InvalidInputError: wrong dtype, shape or dimension, NaN, a repeated id, the
                other kind of ids, a zero vector under cosine.
            StorageError: a disk error.
        """
        matrix = wire_array(vectors, name="vectors")
        row_ids = hold_ids(ids, n=len(matrix))
        sizes = id_sizes(row_ids) + matrix.shape[1] * matrix.itemsize
        limits = self._connection.limits
        for part in blocks_within(sizes, limits, name="vectors", most=limits.rows):
            request = vector_pb2.UpsertVectorsRequest(
                index=name,
                ids=ids_to_wire(row_ids[part]),
                vectors=vectors_to_wire(matrix[part]),
                request_id=part_id(request_id, part),
            )
            self._stubs.vector.UpsertVectors(request)
        return len(matrix)

    def delete(
        self,
        name: str,
        ids: ArrayLike,
        *,
        missing_ok: bool = False,
        request_id: str = "",
    ) -> int:
        """Remove vectors; all of them, or none if an id is unknown.

        Ids above the message limit are sent in several messages, each atomic.

        Args:
            name: the index.
            ids: (m,) distinct ids.
            missing_ok: leave unknown ids out instead of refusing the request.
            request_id: a repeat with the same string changes nothing.

        Returns:
            Number of removed vectors.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id without `missing_ok`.
            DuplicateIdError: a repeated id.
        """
        gone = hold_distinct(ids)
        limits, count = self._connection.limits, 0
        for part in blocks_within(id_sizes(gone), limits, name="ids", most=limits.rows):
            request = vector_pb2.DeleteVectorsRequest(
                index=name,
                ids=ids_to_wire(gone[part]),
                request_id=part_id(request_id, part),
                missing_ok=missing_ok,
            )
            count += self._stubs.vector.DeleteVectors(request).count
        return count

    def get(self, name: str, ids: ArrayLike) -> Vectors:
        """Fetch vectors.

        Returns:
            float32 (m, dim) in the order of `ids`; of unit length under cosine.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
        """
        wanted = hold_id_array(ids)
        described = index_pb2.GetIndexRequest(name=name)
        sizes = id_sizes(wanted) + 4 * self._stubs.index.GetIndex(described).dim
        limits, parts = self._connection.limits, []
        for part in blocks_within(sizes, limits, name="ids", most=limits.rows):
            request = vector_pb2.GetVectorsRequest(
                index=name, ids=ids_to_wire(wanted[part])
            )
            reply = self._stubs.vector.GetVectors(request)
            parts.append(float32_rows(reply.vectors))
        return np.concatenate(parts)

    def import_file(
        self,
        name: str,
        path: str | PathLike[str],
        *,
        ids_path: str | PathLike[str] | None = None,
        id_column: str | None = None,
        vector_column: str = "vector",
        request_id: str = "",
    ) -> Operation[Imported]:
        """Upsert the rows of a file that the server can read, atomically.

        Args:
            name: the index.
            path: a .npy file (n, dim), or a .parquet file; on the server's machine and
                under one of its import roots (in process, any file).
            ids_path: for .npy, a .npy file of n ids; None numbers the rows.
            id_column: for parquet, the column of ids; None numbers the rows.
            vector_column: for parquet, the column of vectors.
            request_id: a repeat with the same string returns the same operation.

        Raises:
            UnknownIndexError: no such index.
            MissingFileError: the file does not exist or cannot be read.
            ForbiddenPathError: the file is outside the import roots.
            InvalidInputError: neither .npy nor .parquet, or its header does not fit.
        """
        request = vector_pb2.ImportVectorsRequest(index=name, request_id=request_id)
        if fspath(path).endswith(".parquet"):
            request.parquet.path = fspath(path)
            request.parquet.vector_column = vector_column
            request.parquet.id_column = id_column or ""
        else:
            request.npy.path = fspath(path)
            request.npy.ids_path = "" if ids_path is None else fspath(ids_path)
        return self._connection.operation(self._stubs.vector.ImportVectors(request))

    def search(
        self,
        name: str,
        queries: ArrayLike,
        params: SearchParams | None = None,
        *,
        allowed_ids: ArrayLike | None = None,
    ) -> Found:
        """Find the nearest vectors of each query.

        Vectors newer than the sealed version are searched exhaustively, so an index
        that was never built gives exact answers.

        Args:
            name: the index.
            queries: (nq, dim), dtypes as in `upsert`, or one (dim,), whose answer is
                (1, k); many at once are much cheaper than many calls.
            params: search parameters, with `allowed` None; defaults to
                `SearchParams()`.
            allowed_ids: if set, only these vectors may be returned.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown allowed id.
            InvalidInputError: wrong dtype, shape or dimension, NaN, a zero vector under
                cosine.
            InvalidParamsError: nprobe above nlist.
            LimitError: one query asks for more hits than the cap.
            NotReadyError: the index is empty.

        Warns:
            RecallWarning: no operating point reaches the target recall.
        """
        params = params or SearchParams()
        matrix = wire_array(as_queries(queries, name="queries"), name="queries")
        request = search_pb2.SearchRequest(
            index=name, params=index_messages.search_params_to_wire(params)
        )
        parts = []
        for part in self._filters(allowed_ids):
            if part is not None:
                request.allowed_ids.CopyFrom(ids_to_wire(part))
            parts.append(self._search(request, matrix, params.k))
        found = merged(parts)
        if (text := shortfall(found.stats, params)) is not None:
            warn(text, RecallWarning, stacklevel=2)
        return found

    def _filters(self, allowed_ids: ArrayLike | None) -> Sequence[HeldIds | None]:
        """The ids of a filter in disjoint parts, one per message; None for none."""
        if allowed_ids is None:
            return [None]
        allowed = hold_id_array(allowed_ids, name="allowed_ids")
        blocks = blocks_within(
            id_sizes(allowed), self._connection.limits, name="allowed_ids"
        )
        if len(blocks) > 1:
            allowed = hold_id_array(list(dict.fromkeys(allowed.tolist())))
            blocks = blocks_within(
                id_sizes(allowed), self._connection.limits, name="allowed_ids"
            )
        return [allowed[part] for part in blocks]

    def _search(
        self, request: search_pb2.SearchRequest, queries: NDArray[np.generic], k: int
    ) -> Found:
        """Search, split into messages by the size of queries and answers."""
        row_bytes = queries.shape[1] * queries.itemsize
        sizes = np.full(len(queries), row_bytes, np.int64)
        most = max(1, CHUNK_HITS // k)
        waiting = blocks_within(
            sizes, self._connection.limits, name="queries", most=most
        )[::-1]
        parts = []
        while waiting:
            part = waiting.pop()
            request.queries.CopyFrom(vectors_to_wire(queries[part]))
            try:
                reply = self._stubs.search.Search(request)
            except AnswerTooLargeError:
                if (rows := part.stop - part.start) == 1:
                    raise
                half = part.start + rows // 2
                waiting += [slice(half, part.stop), slice(part.start, half)]
            else:
                parts.append(index_messages.found_of(reply))
        return joined(parts)
