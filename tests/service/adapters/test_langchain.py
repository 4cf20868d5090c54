"""The LangChain vector store by hand, in process and over gRPC."""

import numpy as np
import pytest

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidFilterError,
    InvalidInputError,
    UnknownIndexError,
)

pytest.importorskip("langchain_core")

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from gleann.service.adapters.conditions import condition_of
from gleann.service.adapters.langchain import GleannVectorStore


class Axes(Embeddings):
    """Texts such as "1 0 2" are their own vectors."""

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        numbers = [float(word) for word in text.split() if word.lstrip("-").isdigit()]
        return [*numbers, 0.0, 0.0, 0.0][:3]


@pytest.fixture
def store(client):
    made = GleannVectorStore.create(
        client, "docs", Axes(), metric="l2", columns={"lang": "string", "year": "int64"}
    )
    made.add_texts(
        ["1 0 0", "0 1 0", "0 0 1", "1 1 0"],
        [
            {"lang": "en", "year": 2001},
            {"lang": "de", "year": 2002, "tags": ["a", "b"]},
            {"year": 2003},
            {"lang": "en", "year": 2004, "part": {"of": 2}},
        ],
        ids=["a", "b", "c", "d"],
    )
    return made


def ids(documents):
    return [document.id for document in documents]


def test_distances_metadata_and_order(store):
    scored = store.similarity_search_with_score("2 0 0", k=3)
    assert ids(document for document, _ in scored) == ["a", "d", "b"]
    assert [distance for _, distance in scored] == [1.0, 2.0, 5.0]
    assert scored[1][0].metadata == {"lang": "en", "year": 2004, "part": {"of": 2}}
    assert ids(store.similarity_search("2 0 0", k=99)) == ["a", "d", "b", "c"]


def test_filters(store):
    def found(**given):
        return sorted(ids(store.similarity_search("1 0 0", k=9, **given)))

    assert found(filter={"lang": "en"}) == ["a", "d"]
    assert found(filter={"lang": "en", "year": 2004}) == ["d"]
    assert found(filter={"lang": None}) == ["c"]
    assert found(filter={"lang": ["de", "en"]}) == ["a", "b", "d"]
    assert found(filter={}) == ["a", "b", "c", "d"]
    assert found(filter="year > 2002") == ["c", "d"]
    assert found(filter="year > $1", parameters=[2001]) == ["b", "c", "d"]
    assert found(filter={"lang": "x' OR TRUE --"}) == []
    with pytest.raises(InvalidFilterError, match="tags"):
        found(filter={"tags": "a"})


def test_conditions_quote_columns_and_take_values_as_parameters():
    assert condition_of(None) == (None, [])
    assert condition_of("a = $1", [3]) == ("a = $1", [3])
    given = {'we"ird': 1, "b": None, "c": ["x", "y"]}
    assert condition_of(given) == (
        '"we""ird" = $1 AND "b" IS NULL AND "c" IN $2',
        [1, ["x", "y"]],
    )
    assert condition_of({}) == (None, [])
    with pytest.raises(InvalidInputError, match="got function"):
        condition_of(lambda document: True)


def test_relevance_is_one_for_equal_texts(client):
    for metric, texts in (("cosine", ["1 0 0", "0 1 0"]), ("l2", ["1 0 0", "0 1 0"])):
        made = GleannVectorStore.from_texts(
            texts, Axes(), client=client, index=f"docs-{metric}", metric=metric
        )
        best, other = made.similarity_search_with_relevance_scores("1 0 0", k=2)
        assert best[1] == pytest.approx(1)
        assert other[1] == pytest.approx(0, abs=1e-6)
    inner = GleannVectorStore.from_texts(
        ["1 0 0"], Axes(), client=client, index="docs-ip", metric="ip"
    )
    ((_, relevance),) = inner.similarity_search_with_relevance_scores("1 0 0", k=1)
    assert relevance == pytest.approx(1)


def test_texts_that_differ_from_each_other(store):
    store.add_texts(["1 0 0", "1 0 0"], ids=["e", "f"])
    near = store.similarity_search("1 0 0", k=3)
    assert sorted(ids(near)) == ["a", "e", "f"]
    apart = store.max_marginal_relevance_search(
        "1 0 0", k=3, fetch_k=6, lambda_mult=0.1
    )
    assert len({document.page_content for document in apart}) == 3
    english = store.max_marginal_relevance_search("1 0 0", k=3, filter={"lang": "en"})
    assert sorted(ids(english)) == ["a", "d"]
    retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 2})
    assert len(retriever.invoke("1 0 0")) == 2


def test_one_id_twice_keeps_the_last(store):
    given = store.add_texts(["7 0 0", "8 0 0"], ids=["x", "x"])
    assert given == ["x", "x"]
    assert [one.page_content for one in store.get_by_ids(["x"])] == ["8 0 0"]
    assert ids(store.get_by_ids(["d", "none", "a", "d"])) == ["d", "a"]


def test_a_store_on_an_index_that_is_there_and_all_deleted(store, client):
    again = GleannVectorStore(client, "docs", Axes())
    assert ids(again.similarity_search("0 0 1", k=1, filter="year = 2003")) == ["c"]
    again.add_documents([Document(page_content="5 0 0", metadata={"lang": "fr"})])
    assert len(store.similarity_search("5 0 0", filter={"lang": "fr"})) == 1
    assert again.delete() is True
    assert store.similarity_search("1 0 0") == []
    assert store.max_marginal_relevance_search("1 0 0") == []
    with pytest.raises(UnknownIndexError):
        GleannVectorStore(client, "nothing", Axes())


def test_what_is_refused(store, client):
    with pytest.raises(DimensionMismatchError, match="metadatas has 1 entries for 2"):
        store.add_texts(["1 0 0", "0 1 0"], [{}])
    with pytest.raises(DimensionMismatchError, match="ids has 1 entries for 2 texts"):
        store.add_texts(["1 0 0", "0 1 0"], ids=["a"])
    with pytest.raises(InvalidInputError, match=r"'k'.*no JSON"):
        store.add_texts(["1 0 0"], [{"x": np.eye(2)}], ids=["k"])
    with pytest.raises(InvalidInputError, match="'text'"):
        GleannVectorStore.create(client, "other", Axes(), columns={"text": "string"})
    assert store.add_texts([]) == []
    assert store.get_by_ids([]) == []
