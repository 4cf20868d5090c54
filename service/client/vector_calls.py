"""Client calls on vectors and payload: changes, fetches and searches."""

from collections.abc import AsyncGenerator, Sequence
from os import PathLike
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import Found, SearchParams
from gleann.index.arrays import Vectors
from gleann.index.checks import as_queries
from gleann.index.errors import InvalidParamsError, RecallWarning
from gleann.index.found import FoundWithin, shortfall, uncovered
from gleann.index.ids.checks import hold_distinct, hold_id_array, hold_ids
from gleann.service.client.bulk import scrolling, searches
from gleann.service.client.bulk.imports import ImportOptions, import_request
from gleann.service.client.bulk.payload_values import (
    Columns,
    column_names,
    given_payload,
    ids_or_filter,
    split_table,
    with_schema,
)
from gleann.service.client.bulk.scrolling import ScrollPage
from gleann.service.client.bulk.stream_calls import StreamCalls
from gleann.service.client.bulk.upload import Upload
from gleann.service.client.connection import part_id
from gleann.service.client.modes import M, iterator_method, method
from gleann.service.client.operation import Handle, operation_method
from gleann.service.client.reports import Wanted
from gleann.service.client.warned import warn_caller
from gleann.service.values import Imported
from gleann.service.wire import index_messages
from gleann.service.wire.arrays import (
    float32_rows,
    ids_to_wire,
    wire_array,
)
from gleann.service.wire.fields import fill
from gleann.service.wire.filter_messages import filter_to_wire
from gleann.service.wire.paging import blocks_within, id_sizes
from gleann.v1 import index_pb2, payload_pb2, search_pb2, vector_pb2

DEFAULTS = SearchParams()


class VectorCalls(StreamCalls[M]):
    """Calls on the vectors of an index: `client.vectors`."""

    @method
    async def upsert(  # noqa: PLR0913  all but the first three are optional
        self,
        name: str,
        ids: ArrayLike,
        vectors: ArrayLike,
        payload: Any = None,
        *,
        progress: Wanted = None,
        parallel: int = 1,
        request_id: str = "",
    ) -> int:
        """Store vectors under their ids, replacing existing ones and their payload.

        An acknowledged change is on disk and visible to the next search. A batch above
        the message limit is sent in several messages, each atomic.

        Args:
            name: the index.
            ids: n distinct ids, int64 at least 0, strings, or UUIDs, which are kept as
                text; one kind per index.
            vectors: (n, dim), dtypes and columns as in `as_vectors`.
            payload: n values of each column: a mapping of names to sequences, or a
                table of pyarrow, pandas or polars. None is null, and so is each column
                that is not in it.
            progress: called with a `Progress` after each message, in which phase
                "upsert" counts rows; True shows a bar on stderr.
            parallel: messages under way at once, where there are several.
            request_id: a repeat with the same string and data changes nothing.

        Returns:
            Number of vectors, n.

        Raises:
            UnknownIndexError: no such index.
            UnknownColumnError: a column that the index does not have.
            InvalidParamsError: `parallel` below 1.
            InvalidInputError: wrong dtype, shape or dimension, NaN, a repeated id, the
                other kind of ids, a zero vector under cosine, or a value that its
                column cannot hold.
            StorageError: a disk error.
        """
        matrix = wire_array(vectors, name="vectors")
        upload = Upload(
            name=name,
            ids=hold_ids(ids, n=len(matrix)),
            matrix=matrix,
            request_id=request_id,
            progress=progress,
            parallel=parallel,
        )
        if payload is None:
            return await upload.send(self._connection, None)
        return await with_schema(
            self._connection,
            name,
            lambda schema: upload.send(
                self._connection, given_payload(payload, schema, n=len(matrix))
            ),
        )

    @method
    async def upsert_table(  # noqa: PLR0913  all but the first two are optional
        self,
        name: str,
        table: Any,
        *,
        id_column: str = "id",
        vector_column: str = "vector",
        progress: Wanted = None,
        parallel: int = 1,
        request_id: str = "",
    ) -> int:
        """Store the rows of a table; errors as `upsert`.

        Args:
            name: the index.
            table: of pyarrow, pandas or polars, or a mapping of names to columns.
            id_column: the column of ids.
            vector_column: the column of vectors, lists of numbers.
            progress: as in `upsert`.
            parallel: as in `upsert`.
            request_id: as in `upsert`.

        Returns:
            Number of vectors.
        """
        ids, vectors, payload = split_table(
            table, id_column=id_column, vector_column=vector_column
        )
        return await VectorCalls.upsert.body(
            self,
            name,
            ids,
            vectors,
            payload,
            progress=progress,
            parallel=parallel,
            request_id=request_id,
        )

    @method
    async def delete(
        self,
        name: str,
        ids: ArrayLike | None = None,
        *,
        where: str | None = None,
        parameters: Sequence[object] = (),
        missing_ok: bool = False,
        request_id: str = "",
    ) -> int:
        """Remove vectors by id or by a filter.

        All of the ids are removed, or none if one is unknown. Ids above the message
        limit are sent in several messages, each atomic.

        Args:
            name: the index.
            ids: (m,) distinct ids.
            where: in place of ids, the vectors to remove; "true" removes all.
            parameters: of `where`.
            missing_ok: leave unknown ids out instead of refusing the request.
            request_id: a repeat with the same string changes nothing.

        Returns:
            Number of removed vectors.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id without `missing_ok`.
            DuplicateIdError: a repeated id.
            InvalidInputError: neither ids nor where, or both.
            InvalidFilterError: a filter that cannot be evaluated.
        """
        chosen = ids_or_filter(ids, where, parameters)
        if isinstance(chosen, payload_pb2.Filter):
            request = vector_pb2.DeleteVectorsRequest(
                index=name, filter=chosen, request_id=request_id
            )
            return int((await self._stubs.vector.DeleteVectors(request)).count)
        gone = hold_distinct(chosen)
        limits, count = await self._connection.limits(), 0
        for part in blocks_within(id_sizes(gone), limits, name="ids", most=limits.rows):
            request = vector_pb2.DeleteVectorsRequest(
                index=name,
                ids=ids_to_wire(gone[part]),
                request_id=part_id(request_id, part),
                missing_ok=missing_ok,
            )
            count += (await self._stubs.vector.DeleteVectors(request)).count
        return count

    @method
    async def get(self, name: str, ids: ArrayLike) -> Vectors:
        """Fetch vectors; `Client.payload.get` fetches their payload.

        Returns:
            float32 (m, dim) in the order of `ids`; of unit length under cosine.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown id.
        """
        wanted = hold_id_array(ids)
        described = index_pb2.GetIndexRequest(name=name)
        dim = (await self._stubs.index.GetIndex(described)).dim
        sizes = id_sizes(wanted) + 4 * dim
        limits, parts = await self._connection.limits(), []
        for part in blocks_within(sizes, limits, name="ids", most=limits.rows):
            request = vector_pb2.GetVectorsRequest(
                index=name, ids=ids_to_wire(wanted[part])
            )
            reply = await self._stubs.vector.GetVectors(request)
            parts.append(float32_rows(reply.vectors))
        return np.concatenate(parts)

    @method
    async def count(
        self, name: str, where: str | None = None, parameters: Sequence[object] = ()
    ) -> int:
        """Count the vectors of a filter; all for None.

        Raises:
            UnknownIndexError: no such index.
            InvalidFilterError: a filter that cannot be evaluated.
        """
        request = vector_pb2.CountVectorsRequest(
            index=name, filter=filter_to_wire(where, parameters)
        )
        return int((await self._stubs.vector.CountVectors(request)).count)

    @iterator_method
    def scroll(  # noqa: PLR0913  all but the first are optional
        self,
        name: str,
        *,
        columns: Columns = "*",
        with_vectors: bool = False,
        page_size: int = 1000,
        page_token: str = "",
        where: str | None = None,
        parameters: Sequence[object] = (),
    ) -> AsyncGenerator[ScrollPage, None]:
        """All vectors of a filter in the order of their ids, page by page.

        Each page is of the state of the index when it was fetched; a vector that is
        there throughout is on exactly one page.

        Args:
            name: the index.
            columns: of payload to return.
            with_vectors: whether the pages have the vectors.
            page_size: most vectors a page; fewer where a message has no room.
            page_token: `next_page_token` of a page of the same index and filter, to go
                on behind it.
            where: the condition of a filter, such as "split = 'train' AND score > $1";
                None for no filter.
            parameters: the values of $1, $2 and so on.

        Raises:
            UnknownIndexError: no such index.
            UnknownColumnError: a column that the index does not have.
            InvalidFilterError: a filter that cannot be evaluated.
            InvalidInputError: a token of a page of another filter or index.
        """
        request = vector_pb2.ScrollVectorsRequest(
            index=name,
            filter=filter_to_wire(where, parameters),
            columns=column_names(columns),
            with_vectors=with_vectors,
            page_token=page_token,
        )
        fill(request, {"page_size": page_size})
        return scrolling.scroll(self._stubs, request)

    @operation_method
    async def import_file(
        self,
        name: str,
        path: str | PathLike[str],
        *,
        request_id: str = "",
        **options: Unpack[ImportOptions],
    ) -> Handle[Any, Imported]:
        """Upsert the rows of a file that the server can read, atomically.

        They are as old as the start of the operation's work: changes acknowledged after
        that stand, also where the server stops and runs the import again.

        Args:
            name: the index.
            path: a .npy file (n, dim), or a .parquet file; on the server's machine and
                under one of its import roots (in process, any file). Or an URL of such
                or other files, a folder or a glob (docs/data.md), where the server
                allows it.
            request_id: a repeat with the same string returns the same operation.
            **options: see `ImportOptions`.

        Raises:
            UnknownIndexError: no such index.
            MissingFileError: the file does not exist or cannot be read.
            ForbiddenPathError: the file is outside the import roots.
            InvalidInputError: neither .npy nor .parquet, or its header does not fit; or
                an option that it does not have, such as `id_column` for .npy.
        """
        request = import_request(name, path, request_id=request_id, **options)
        return self._connection.operation(
            await self._stubs.vector.ImportVectors(request)
        )

    @method
    async def search(  # noqa: PLR0913  all but the first are optional
        self,
        name: str,
        queries: ArrayLike,
        params: SearchParams | None = None,
        *,
        allowed_ids: ArrayLike | None = None,
        columns: Columns = (),
        radius: float | None = None,
        where: str | None = None,
        parameters: Sequence[object] = (),
    ) -> Found:
        """Find the nearest vectors of each query.

        Args:
            name: the index.
            queries: (nq, dim), dtypes as in `upsert`, or one (dim,), whose answer is
                (1, k); many at once are much cheaper than many calls.
            params: search parameters, with `allowed` None; defaults to
                `SearchParams()`.
            allowed_ids: if set, only these vectors may be returned.
            columns: of payload to return with the hits.
            radius: if set, hits at a greater distance are left out; the same as
                `params.radius`.
            where: the condition of a filter, such as "split = 'train' AND score > $1";
                None for no filter.
            parameters: the values of $1, $2 and so on.

        Raises:
            UnknownIndexError: no such index.
            UnknownIdError: unknown allowed id.
            UnknownColumnError: a column that the index does not have.
            InvalidFilterError: a filter that cannot be evaluated.
            InvalidInputError: wrong dtype, shape or dimension, NaN, a zero vector under
                cosine.
            InvalidParamsError: nprobe above nlist.
            LimitError: one query asks for more hits than the cap.
            NotReadyError: the index is empty.

        Warns:
            RecallWarning: no operating point reaches the target recall; or shards of
                the index did not answer, and the server answers without them.
        """
        params = params or DEFAULTS
        matrix = wire_array(as_queries(queries, name="queries"), name="queries")
        request = search_pb2.SearchRequest(
            index=name,
            params=index_messages.search_params_to_wire(params),
            filter=filter_to_wire(where, parameters),
            columns=column_names(columns),
        )
        if radius is not None:
            fill(request, {"radius": radius})
        elif params.radius is not None:
            fill(request, {"radius": params.radius})
        found = await searches.search(
            self._connection, request, matrix, k=params.k, allowed_ids=allowed_ids
        )
        if (text := shortfall(found.stats, params)) is not None:
            warn_caller(text, RecallWarning)
        return found

    @method
    async def search_radius(  # noqa: PLR0913  all but the first are optional
        self,
        name: str,
        queries: ArrayLike,
        radius: float,
        *,
        columns: Columns = (),
        target_recall: float | None = None,
        limit: int | None = None,
        where: str | None = None,
        parameters: Sequence[object] = (),
    ) -> FoundWithin:
        """Find all vectors within a distance of each query, nearest first.

        Args:
            name: the index.
            queries: as in `search`.
            radius: the greatest distance of a hit, as the metric measures it: squared
                L2, 1 - cos, or -ip.
            columns: of payload to return with the hits.
            target_recall: above 0 and at most 1; None takes 1, which looks wherever a
                hit can be.
            limit: most hits of a query, its nearest, at least 1; None for all.
            where: the condition of a filter, such as "split = 'train' AND score > $1";
                None for no filter.
            parameters: the values of $1, $2 and so on.

        Raises:
            As `search`, and InvalidParamsError for a limit below 1.

        Warns:
            RecallWarning: shards of the index did not answer; see `search`.
        """
        if limit is not None and limit < 1:  # 0 is all in a message
            raise InvalidParamsError(f"limit must be at least 1 or None, got {limit}")
        matrix = wire_array(as_queries(queries, name="queries"), name="queries")
        request = search_pb2.SearchRadiusRequest(
            index=name,
            filter=filter_to_wire(where, parameters),
            columns=column_names(columns),
        )
        wanted = {"radius": radius, "target_recall": target_recall, "limit": limit}
        fill(request, wanted)
        found = await searches.search_radius(self._connection, request, matrix)
        if (text := uncovered(found.stats)) is not None:
            warn_caller(text, RecallWarning)
        return found
