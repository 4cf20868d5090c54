"""gleann as a vector store of LangChain, in process or over gRPC."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self
from uuid import uuid4

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from gleann.index import Found, SearchParams
from gleann.index.errors import DimensionMismatchError, InvalidInputError, NotReadyError
from gleann.index.params import Metric
from gleann.service.adapters.conditions import Condition, condition_of
from gleann.service.client import Client

TEXT, METADATA = "text", "metadata"
"""Columns of payload in which texts, and metadata as JSON, are kept."""


class GleannVectorStore(VectorStore):
    """Documents in an index of gleann.

    The whole metadata of a document is kept as JSON; keys that are declared as columns
    are kept as typed columns too, and searches filter by them. A filter is a condition
    as SQL's WHERE clause has it, or a mapping of columns to the value that they must
    have (a list: one of them; None: null).

    Args:
        client: in process, or of a server.
        index: its name; `create` makes one with the columns that are needed.
        embedding: makes vectors of texts.
        params: how to search, but for k; None aims for recall 0.95.
    """

    def __init__(
        self,
        client: Client,
        index: str,
        embedding: Embeddings,
        *,
        params: SearchParams | None = None,
    ) -> None:
        described = client.get_index(index)
        self._client = client
        self._index = index
        self._embedding = embedding
        self._params = params or SearchParams()
        self._metric: Metric = described.metric
        self._columns = [
            column.name
            for column in described.columns
            if column.name not in (TEXT, METADATA)
        ]

    @classmethod
    def create(
        cls,
        client: Client,
        index: str,
        embedding: Embeddings,
        *,
        metric: Metric = "cosine",
        columns: Mapping[str, str] | None = None,
        params: SearchParams | None = None,
    ) -> Self:
        """Make an empty index, and a store on it.

        Args:
            client: in process, or of a server.
            index: matches `^[a-z][a-z0-9-]{0,62}$`.
            embedding: asked for one vector, to learn its dimensions.
            metric: "cosine", "ip" or "l2".
            columns: keys of metadata by which searches filter, and their types, as in
                `Client.create_index`.
            params: as in the class.

        Raises:
            AlreadyExistsError: the name is taken.
            InvalidInputError: a column that is called text or metadata.
        """
        wanted = dict(columns or {})
        if taken := sorted({TEXT, METADATA} & set(wanted)):
            raise InvalidInputError(
                f"column {taken[0]!r} is the store's own; call it otherwise"
            )
        client.create_index(
            index,
            dim=len(embedding.embed_query(index)),
            metric=metric,
            columns={TEXT: "string", METADATA: "json", **wanted},
        )
        return cls(client, index, embedding, params=params)

    @classmethod
    def from_texts(  # noqa: PLR0913 (as LangChain has it)
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        client: Client,
        index: str,
        metric: Metric = "cosine",
        columns: Mapping[str, str] | None = None,
    ) -> Self:
        """Make an index of texts; see `create` and `add_texts`."""
        store = cls.create(client, index, embedding, metric=metric, columns=columns)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @property
    def embeddings(self) -> Embeddings:
        """What makes vectors of texts."""
        return self._embedding

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **_: Any,
    ) -> list[str]:
        """Store texts; those of ids that are there replace what they had.

        Args:
            texts: n of them.
            metadatas: n mappings that JSON can hold.
            ids: n ids; None, of one or of all, makes a random one. Of one id twice the
                last counts.

        Returns:
            The n ids.

        Raises:
            DimensionMismatchError: not n metadatas, or not n ids.
            InvalidInputError: metadata that JSON cannot hold, or a value that its
                column cannot.
        """
        given = list(texts)
        facts = [{} for _ in given] if metadatas is None else metadatas
        names = [one or str(uuid4()) for one in ids or [None] * len(given)]
        for what, listed in (("metadatas", facts), ("ids", names)):
            if len(listed) != len(given):
                raise DimensionMismatchError(
                    f"{what} has {len(listed)} entries for {len(given)} texts"
                )
        if not given:
            return []
        last = list({name: at for at, name in enumerate(names)}.values())
        vectors = self._embedding.embed_documents([given[at] for at in last])
        payload: dict[str, list[Any]] = {
            TEXT: [given[at] for at in last],
            METADATA: [_as_json(facts[at], names[at]) for at in last],
        }
        for column in self._columns:
            payload[column] = [facts[at].get(column) for at in last]
        self._client.upsert(
            self._index, [names[at] for at in last], np.asarray(vectors), payload
        )
        return names

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool:
        """Remove documents; ids that are not there are passed over. None removes all.

        Returns:
            True.
        """
        if ids is None:
            self._client.delete_vectors(self._index, where="true")
        elif ids:
            gone = list(dict.fromkeys(ids))
            self._client.delete_vectors(self._index, gone, missing_ok=True)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents of these ids that are there, in the order of the ids."""
        if not ids:
            return []
        found: dict[str, Document] = {}
        for page in self._client.scroll(
            self._index,
            columns=(TEXT, METADATA),
            where="id IN $1",
            parameters=[list(dict.fromkeys(ids))],
        ):
            lines = page.payload.to_pylist()
            for name, line in zip(page.ids.tolist(), lines, strict=True):
                found[name] = _document(name, line)
        return [found[name] for name in dict.fromkeys(ids) if name in found]

    def similarity_search(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The k documents nearest to a text; see `similarity_search_with_score`."""
        scored = self.similarity_search_with_score(query, k, **kwargs)
        return [document for document, _ in scored]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The k documents nearest to a text, nearest first, with their distances.

        Args:
            query: a text.
            k: documents; fewer where fewer are there, or pass the filter.
            **kwargs: `filter`, and `parameters` of a condition.

        Raises:
            InvalidFilterError: a condition that cannot be evaluated.
        """
        embedded = self._embedding.embed_query(query)
        return self.similarity_search_with_score_by_vector(embedded, k, **kwargs)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The k documents nearest to a vector."""
        scored = self.similarity_search_with_score_by_vector(embedding, k, **kwargs)
        return [document for document, _ in scored]

    def similarity_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        *,
        filter: Condition = None,
        parameters: Sequence[object] = (),
    ) -> list[tuple[Document, float]]:
        """`similarity_search_with_score` of a vector.

        Distances are 1 - cos, squared L2, or the negative inner product.
        """
        found = self._search(embedding, k, condition_of(filter, parameters))
        return list(_scored(found))

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Documents that are near a text and differ from each other; see below."""
        embedded = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(
            embedded, k, fetch_k, lambda_mult, **kwargs
        )

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Condition = None,
        parameters: Sequence[object] = (),
    ) -> list[Document]:
        """Documents that are near a vector and differ from each other.

        Args:
            embedding: the vector.
            k: documents.
            fetch_k: nearest documents that they are chosen from.
            lambda_mult: 1 weighs nearness alone, 0 difference alone.
            filter: as in the class.
            parameters: of a condition.
        """
        found = self._search(embedding, fetch_k, condition_of(filter, parameters))
        near = [document for document, _ in _scored(found)]
        if not near:
            return []
        vectors = self._client.get_vectors(self._index, [one.id for one in near])
        chosen = maximal_marginal_relevance(
            np.asarray(embedding, np.float32), list(vectors), lambda_mult, k
        )
        return [near[at] for at in chosen]

    def _search(
        self, embedding: list[float], k: int, where: tuple[str | None, list[object]]
    ) -> Found | None:
        """The nearest vectors of one; None where there are none at all."""
        condition, parameters = where
        params = replace(self._params, k=k)
        try:
            return self._client.search(
                self._index,
                np.asarray([embedding]),
                params,
                columns=(TEXT, METADATA),
                where=condition,
                parameters=parameters,
            )
        except NotReadyError:
            return None

    def _select_relevance_score_fn(self) -> Any:
        """Scores in 0..1 of distances, 1 for equal vectors."""
        if self._metric == "cosine":
            return self._cosine_relevance_score_fn
        if self._metric == "ip":
            return self._max_inner_product_relevance_score_fn
        return lambda squared: self._euclidean_relevance_score_fn(squared**0.5)


def _as_json(metadata: Mapping[str, Any], name: str) -> str:
    """Metadata as JSON.

    Raises:
        InvalidInputError: JSON cannot hold it.
    """
    try:
        return json.dumps(metadata, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"the metadata of id {name!r} is no JSON: {error}"
        ) from error


def _scored(found: Found | None) -> Iterator[tuple[Document, float]]:
    """The documents of one query's answer, with their distances."""
    if found is None:
        return
    lines = found.payload.to_pylist()
    for name, distance, line in zip(
        found.ids[0].tolist(), found.distances[0].tolist(), lines, strict=True
    ):
        if np.isfinite(distance):
            yield _document(name, line), distance


def _document(name: str, line: Mapping[str, Any]) -> Document:
    metadata = line[METADATA]
    return Document(
        id=name,
        page_content=line[TEXT] or "",
        metadata=json.loads(metadata) if metadata else {},
    )
