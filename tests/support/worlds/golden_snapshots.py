"""Snapshots of version 1: what was in them, and what an index made of one answers."""

import json
from typing import Any

import numpy as np

import gleann
from gleann.index import BuildParams, SearchParams
from gleann.index.payload.schema import Column

COLUMNS = [
    Column("year", "int64", indexed=True),
    Column("score", "float64"),
    Column("good", "bool"),
    Column("seen", "timestamp"),
    Column("venue", "string"),
    Column("tags", "strings"),
    Column("note", "json"),
]
WHERE = {"papers": "year >= 2010 AND venue = 'acl'", "names": "lang = 'en'"}


def rows_of(n: int, dim: int, *, seed: int) -> np.ndarray:
    """As when they were made."""
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def fill_papers(client: gleann.Client) -> None:
    """Sealed rows, and newer, replaced, removed and patched ones."""
    client.create_index(
        "papers",
        dim=4,
        columns=COLUMNS,
        optimizer=gleann.OptimizerParams(enabled=False, pending_share=0.25),
    )
    payload = {
        "year": [2000 + i for i in range(24)],
        "score": [i / 8 if i % 5 else None for i in range(24)],
        "good": [i % 3 == 0 for i in range(24)],
        "seen": [f"2024-02-{1 + i:02d}T12:00:00Z" for i in range(24)],
        "venue": ["acl", None, "wörd"] * 8,
        "tags": [["a"] * (i % 3) for i in range(24)],
        "note": ['{"n": 1}', None] * 12,
    }
    client.upsert("papers", range(24), rows_of(24, 4, seed=5), payload)
    params = BuildParams(metric="cosine", nlist=3, tune_queries=0)
    client.build("papers", params).wait(timeout=60)
    newer = {"year": [2024, 2025], "venue": ["acl", "acl"]}
    client.upsert("papers", [24, 3], rows_of(2, 4, seed=6), newer)
    client.delete_vectors("papers", [0, 12])
    client.update_payload("papers", {"tags": [["new", "ü"], []]}, ids=[15, 24])


def fill_names(client: gleann.Client) -> None:
    """Rows that were never built, under ids of text."""
    client.create_index("names", dim=3, metric="l2", columns={"lang": "string"})
    ids = [f"ねこ {i}" for i in range(6)]
    client.upsert("names", ids, rows_of(6, 3, seed=7), {"lang": ["en", "de"] * 3})


def answers(client: gleann.Client, name: str, *, where: str) -> dict[str, Any]:
    """What an index has, in values of JSON; `where` counts some of it."""
    info = client.get_index(name)
    pages = client.scroll(name, columns="*", with_vectors=True)
    rows = [row for page in pages for row in page.to_arrow().to_pylist()]
    found = client.search(
        name, rows_of(3, info.dim, seed=9), SearchParams(k=4, exact=True), columns="*"
    )
    assert found.payload is not None
    return {
        "info": [info.dim, info.metric, info.id_type, info.count, info.pending],
        "columns": [[one.name, one.type, one.indexed] for one in info.columns],
        "optimizer": [
            info.optimizer.params.enabled,
            info.optimizer.params.pending_share,
        ],
        "rows": json.loads(json.dumps(rows, default=str)),
        "ids": found.ids.tolist(),
        "distances": np.round(found.distances.astype(float), 5).tolist(),
        "passing": client.count(name, where),
    }
