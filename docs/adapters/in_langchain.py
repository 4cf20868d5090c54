"""In LangChain: a vector store

Documents live in an index of gleann: in a directory of this process, or on a server. The
metadata that you declare as columns can be searched by.

Needs: langchain_core
"""

# %%
from tempfile import TemporaryDirectory

from langchain_core.embeddings import Embeddings

import gleann
from gleann.service.adapters.langchain import GleannVectorStore


class Letters(Embeddings):
    """Stands for your model: how often each letter is in a text."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(text.count(one)) for one in "aeiourstln"] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


# %%
folder = TemporaryDirectory()
client = gleann.Client(folder.name)  # or "grpcs://host:50051", with a key
store = GleannVectorStore.create(
    client, "pages", Letters(), columns={"lang": "string", "year": "int64"}
)
store.add_texts(
    ["a soar over lists", "un tour sur les listes", "rounding tests in turn"],
    [
        {"lang": "en", "year": 2023},
        {"lang": "fr", "year": 2024},
        {"lang": "en", "year": 2024},
    ],
    ids=["soar", "tour", "round"],
)
for page in store.similarity_search("lists that soar", k=2):
    print(page.id, page.metadata)

# %% [markdown]
# ## Filters
#
# A mapping asks for equal values (a list: one of them; None: none given), and a text is a
# condition as SQL's WHERE clause has it. Values from outside go in as parameters.

# %%
english = store.similarity_search("lists", k=2, filter={"lang": "en"})
newer = store.similarity_search("lists", k=2, filter="year > $1", parameters=[2023])
print([page.id for page in english], [page.id for page in newer])
assert {page.id for page in english} == {"soar", "round"}
assert {page.id for page in newer} == {"tour", "round"}

# %% [markdown]
# Scores are the distances of the index, and less is nearer. `as_retriever`, MMR and
# relevance scores are LangChain's own.

# %%
retriever = store.as_retriever(search_kwargs={"k": 1, "filter": {"lang": "fr"}})
print(retriever.invoke("listes")[0].page_content)

# %%
client.close()
folder.cleanup()
