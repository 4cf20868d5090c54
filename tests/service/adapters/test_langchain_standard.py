"""LangChain's own tests of a vector store, in process and over gRPC."""

import pytest

standard = pytest.importorskip("langchain_tests.integration_tests.vectorstores")

from gleann.service.adapters.langchain import GleannVectorStore  # noqa: E402


class TestStandard(standard.VectorStoreIntegrationTests):
    """What every vector store of LangChain must do."""

    @pytest.fixture
    def vectorstore(self, client):
        """An empty store."""
        return GleannVectorStore.create(client, "docs", self.get_embeddings())
